"""The example that plans for LeRobot's rollout says the right things to it; the rollout here only writes them down."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "examples" / "lerobot_autosteer.py"
SKILLS = """
[[skill]]
phrase = "pick up the {object}"
objects = ["block", "cup"]
seconds = SECONDS

[[skill]]
phrase = "open the box"
seconds = SECONDS
"""
SCRIPT = "scripted:open the box|pick up the block"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("lerobot_autosteer", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def skills(folder: Path, seconds: float) -> Path:
    file = folder / "skills.toml"
    file.write_text(SKILLS.replace("SECONDS", str(seconds)))
    return file


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10.0
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def steering(example: Any, folder: Path, seconds: float, llm: str = SCRIPT) -> tuple[Any, list[str], list[str]]:
    told: list[str] = []
    said: list[str] = []
    library = example.read_skills(skills(folder, seconds)).library
    return example.Autosteer(library, llm, told.append, said.append), told, said


def test_a_goal_becomes_subtasks_until_done(example: Any, tmp_path: Path) -> None:
    steer, told, said = steering(example, tmp_path, 0.05)
    steer.heard("/start\n")
    steer.heard("/autosteer 'put the block into the box'\n")
    wait_for(lambda: len(said) == 3)
    assert told == ["/start", "/subtask open the box", "/subtask pick up the block"]
    assert said[0].startswith("autosteer: open the box (")
    assert said[2] == "autosteer: nothing more to do for 'put the block into the box'; the last subtask stays in effect"


@pytest.mark.parametrize("line", ["/subtask wave", "/reset", "/stop", "/autosteer off"])
def test_whoever_takes_over_ends_it(example: Any, tmp_path: Path, line: str) -> None:
    steer, told, _ = steering(example, tmp_path, 60.0)
    steer.heard("/autosteer put the block into the box")
    wait_for(lambda: len(told) == 1)
    began = time.monotonic()
    steer.heard(line)
    assert time.monotonic() - began < 5.0 and not steer._thread.is_alive()
    assert told == ["/subtask open the box", *([] if line == "/autosteer off" else [line])]


def test_a_model_that_fails_is_told_and_typing_goes_on(example: Any, tmp_path: Path) -> None:
    steer, told, said = steering(example, tmp_path, 0.05)
    steer._planner.language_model.error = RuntimeError("no answer")
    steer.heard("/autosteer tidy up")
    wait_for(lambda: len(said) == 1)
    assert "autosteer stopped: " in said[0] and "no answer" in said[0]
    steer.heard("/vqa is the box open?")
    assert told == ["/vqa is the box open?"]


def test_the_program_stands_between_keyboard_and_rollout(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    rollout = f"import sys; open({str(heard)!r}, 'w').writelines(sys.stdin)"
    program = [sys.executable, str(FILE), str(skills(tmp_path, 0.05)), SCRIPT, sys.executable, "-c", rollout]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdin is not None and started.stdout is not None
        print("/start\n/autosteer put the block into the box", file=started.stdin, flush=True)
        lines = [started.stdout.readline() for _ in range(3)]
        print("/stop", file=started.stdin, flush=True)
        assert started.wait(30) == 0
    assert "nothing more to do" in lines[2]
    assert heard.read_text().splitlines() == ["/start", "/subtask open the box", "/subtask pick up the block", "/stop"]
