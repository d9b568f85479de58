"""Every task of the benchmarks can be done, and the sets do not overlap."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from saycan import goals
from saycan.planners.prompt import Prompt
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skills.kitchen import kitchen_library

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def tasks(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))["task"]
    return entries


SCORING = tasks("scoring")


@pytest.mark.parametrize("task", SCORING, ids=[task["instruction"] for task in SCORING])
def test_the_plan_reaches_the_goal_which_does_not_hold_before(task: dict[str, Any]) -> None:
    kitchen, goal, library = SymbolicKitchen(parse_scene(task["scene"])), goals.parse(task["goal"]), kitchen_library()
    for phrase in task["plan"]:
        assert kitchen.perform(library.find(phrase)) is None
    assert goal.holds(kitchen.state)
    assert not goal.holds(SymbolicKitchen(parse_scene(task["scene"])).state)


def test_the_sets_share_no_sentence_and_no_scene() -> None:
    assert len(SCORING) == 40
    tuned = tasks("plans")
    for field in ("instruction", "scene"):
        ours, theirs = ({_words(task[field]) for task in some} for some in (SCORING, tuned))
        assert len(ours) == len(SCORING)
        assert not ours & theirs
    shown = {_words(instruction) for instruction, _ in Prompt.load().examples}
    assert not shown & {_words(task["instruction"]) for task in (*SCORING, *tuned, *tasks("house"))}


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
