"""What can be chosen is listed with where it comes from, and nothing is run for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from saycan import catalogue, compose
from saycan.catalogue import GROUPS, choices
from saycan.errors import UnknownNameError


def test_everything_packaged_is_listed_with_a_line() -> None:
    assert [choice.name for choice in choices("robots")] == [
        "kitchen",
        "mujoco",
        "panda",
        "oracle",
        "fake",
        "ros2:...",
        "lerobot:...",
    ]
    assert [choice.name for choice in choices("models")][:2] == ["gemma", "gemma:..."]
    assert choices("models")[-1].name.startswith("http://")
    assert {choice.name for choice in choices("policies")} == {*compose.POLICIES, "remote:...", "lerobot:..."}
    for group in GROUPS:
        for choice in choices(group):
            assert choice.source == "saycan" and len(choice.about) > 10, choice


def test_what_other_packages_bring_comes_last_and_need_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("mine", "saycan.robots.fake:FakeRobot", "saycan.robots"),
        EntryPoint("broken", "no_such_module:Robot", "saycan.robots"),
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points if group == "saycan.robots" else [])
    broken, mine = choices("robots")[-2:]
    assert (broken.name, broken.source, broken.about) == ("broken", "an unknown package", "cannot be found")
    assert mine.name == "mine" and mine.about.startswith("A robot for tests")


@pytest.mark.parametrize(
    ("files", "home", "about"),
    [
        ({"__init__": "from .robot import Arm"}, "lab:Arm", "Seven joints."),
        ({"__init__": "from .robot import Arm as MyRobot"}, "lab:MyRobot", "Seven joints."),
        ({"__init__": "from lab.robot import Arm as A"}, "lab:A.Left", "Seven joints."),
        ({"kinds/__init__": "from ..robot import Arm"}, "lab.kinds:Arm", "Seven joints."),
        ({"kinds/__init__": "", "kinds/seven": "from ..robot import Arm"}, "lab.kinds.seven:Arm", "Seven joints."),
        ({"kinds/seven": "from ..robot import Arm"}, "lab.kinds.seven:Arm", ""),
        ({"__init__": "from ...robot import Arm"}, "lab:Arm", "cannot be found"),
        ({"__init__": "from .gone import Arm"}, "lab:Arm", "cannot be found"),
        ({"__init__": "from . import Arm"}, "lab:Arm", ""),
    ],
)
def test_what_a_package_imports_is_read_where_it_is(
    files: dict[str, str], home: str, about: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = 'class Arm:\n    """Seven joints.\n\n    And more.\n    """\n'
    for name, code in {"__init__": "", **files, "robot": arm}.items():
        file = tmp_path / "lab" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [EntryPoint("mine", home, group)])
    assert choices("robots")[-1].about == about
    assert "lab" not in sys.modules


def test_nothing_heavy_is_imported_for_it() -> None:
    code = "import sys; from saycan.catalogue import GROUPS, choices; [choices(g) for g in GROUPS]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "mujoco", "transformers", "openai"} & {*loaded}


def test_another_group_is_told() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown group of names 'robot'. Did you mean 'robots'"):
        choices("robot")
