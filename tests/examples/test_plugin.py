"""A package of somebody else's is installed by pip, listed by name, and used by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


@pytest.fixture(scope="module")
def saycan(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The command line where the plug-in is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source")
    options = ("-qq", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--no-index")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        *options,
        "--target",
        str(folder / "site"),
        str(folder / "source"),
    ]
    subprocess.run(install, check=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "COLUMNS": "200"}

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "saycan", *arguments],
            capture_output=True, text=True, timeout=120, env=environment, check=True, cwd=folder,
        ).stdout  # fmt: skip

    return run


def test_it_is_listed_with_where_it_comes_from(saycan: Callable[..., str]) -> None:
    listed = [line.split("  ") for line in saycan("robots").splitlines()]
    found = next(line for line in listed if line[0].strip() == "lamp")
    assert [part.strip() for part in found if part.strip()][1:] == ["saycan-lamp 0.1.0", "A desk lamp of three joints."]
    assert "Moves the lamp's head to the height" in saycan("policies")
    assert "gemma" in saycan("models")


def test_it_works_by_name(saycan: Callable[..., str]) -> None:
    said = saycan(
        "run", "nod", "--robot", "lamp", "--library", str(PLUGIN / "lamp.toml"), "--no-record",
        "--llm", "scripted:look up|look down|look ahead",
    )  # fmt: skip
    assert "finished" in said and "3. look ahead" in said


SKILLS = """
from saycan import Action
from saycan.success import Detection

def policy(observation, skill):
    return Action(gripper=0.5, terminate=True)

def values(observation, skill):
    return 1.0

class Detector:
    def __init__(self, robot): ...
    def detect(self, skill, before, after):
        return Detection(after.gripper > 0.4)
"""
FILE = """
policy = "my_skills:policy"
values = "my_skills:values"
detector = "my_skills:Detector"

[[skill]]
phrase = "wave hello"
"""


def test_functions_beside_where_it_is_started_are_found(tmp_path: Path) -> None:
    (tmp_path / "my_skills.py").write_text(SKILLS)
    (tmp_path / "my_skills.toml").write_text(FILE)
    script = [sys.executable, "-P", "-c", "from saycan.cli import main; main()"]  # it does not look there by itself
    options = ["--robot", "fake", "--library", "my_skills.toml", "--llm", "scripted:wave hello|done", "--no-record"]
    said = subprocess.run(
        [*script, "run", "wave", *options],
        capture_output=True, text=True, timeout=120, env={**os.environ, "COLUMNS": "200"}, check=False, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert "finished" in said and "1. wave hello" in said


def test_it_is_short() -> None:
    assert len((PLUGIN / "saycan_lamp.py").read_text().splitlines()) < 100
