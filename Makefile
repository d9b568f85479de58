# Every target does its own set-up: a virtual environment in .venv, brought up to date whenever pyproject.toml changes.
#   make demo      "clean the counter", done and checked            make test      the tests
#   make check     ruff and mypy --strict                           make bench     some of README's figures
#   make setup     only the environment                             make clean     remove everything that was made
# PYTHON=python3.12 chooses the interpreter (3.11 or newer), VENV=folder another place for the environment.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench clean

help:
	@sed -n '/^#/s/^# \{0,1\}//p; /^$$/q' Makefile

setup: $(READY)

# One pip run with every extra: torch, torchvision, transformers and open_clip are then chosen beside each other, and the
# demo, the tests and the checks run on the same versions. Where Python comes without ensurepip, its own pip fills the
# environment instead.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "SayCan needs Python 3.11 or newer, found " \
		+ sys.version.split()[0] + " at " + sys.executable + "; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@echo "Setting up $(VENV): 2 GB, once; a few minutes (follow it with: tail -f $(VENV)/setup.log)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install -qq pip; }
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[gemma,dev]' >$(VENV)/setup.log 2>&1 || { \
		grep -v '^WARNING' $(VENV)/setup.log | tail -15; echo "pip failed; all it said: $(VENV)/setup.log"; exit 1; }
	@touch $@
	@echo "Ready: $$($(BIN)/python --version), $$(du -sh $(VENV) | cut -f1) in $(VENV)"

demo: $(READY)
	@$(BIN)/saycan run "clean the counter" --goal 'clean("close counter")'

test: $(READY)
	@$(BIN)/python -m pytest

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(READY)
	@$(BIN)/python benchmarks/startup.py
	@$(BIN)/python benchmarks/kitchen.py
	@$(BIN)/python benchmarks/skills.py
	@$(BIN)/python benchmarks/say.py
	@$(BIN)/python benchmarks/planning.py --llm gemma:none --scoring all
	@$(BIN)/python benchmarks/shortlist.py --points 12 --whole 1
	@$(BIN)/python benchmarks/demo.py

clean:
	rm -rf .venv .venv-llama .venv-ros2 .venv-lerobot build dist runs .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
