"""The benchmark of plans itself, with a model that says what a script tells it to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

TASKS = """
[[task]]
family = "drawer"
instruction = "Look into the drawer."
scene = "with operator, apple on table"
goal = 'open("drawer")'

[[task]]
family = "go"
instruction = "Off to the table."
scene = "with operator, apple on table"
goal = 'robot_at("table")'
"""


@pytest.fixture
def planning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("planning", None)
    import planning

    return planning


def test_every_planner_stands_beside_the_others(
    planning: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, result = tmp_path / "own.toml", tmp_path / "result.json"
    tasks.write_text(TASKS)
    planning.main(["--llm", "scripted:open the drawer", "--tasks", str(tasks), "--planner", "all", "--scoring", "all",
                   "--json", str(result)])  # fmt: skip
    figures = {row["name"]: row["value"] for row in json.loads(result.read_text())}
    for planner in ("saycan sum", "shortlist sum", "generative", "constrained"):
        assert figures[f"plans/own/{planner}/drawer"] == figures[f"plans/own/{planner}/drawer/of"] == 1
        assert figures[f"plans/own/{planner}/go"] == 0
        assert (figures[f"plans/own/{planner}/all"], figures[f"plans/own/{planner}/all/of"]) == (1, 2)
    # The script says the same whatever was asked, and that is just what "prior" takes away.
    assert figures["plans/own/saycan prior/all"] == figures["plans/own/shortlist prior/all"] == 0
    printed = capsys.readouterr().out
    assert "1/2" in printed
    assert "9% to" in printed
    assert "left out: saycan mean" in printed  # a scripted model does not tell how many tokens it scores
    assert not any("mean" in name.split("/")[2] for name in figures)
