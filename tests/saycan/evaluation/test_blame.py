"""Whose fault it was, on moments made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from saycan import goals
from saycan.decision import Decision
from saycan.evaluation.blame import Moment, blame
from saycan.evaluation.shortest import shortest_plan
from saycan.privileged import PrivilegedState
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state
from saycan.skills.kitchen import kitchen_library
from saycan.step import Outcome, Step
from saycan.symbolic import effect

LIBRARY = kitchen_library()
GOAL = goals.parse("holding('apple')")
PICK, FIND, GO = "pick up the apple", "find the tea", "go to the far counter"


def before() -> PrivilegedState:
    return symbolic_state(parse_scene("at table, apple on table, tea on far counter"))


def moment(
    say: Mapping[str, float], chosen: str | None, outcome: Outcome = Outcome.SUCCEEDED, works: bool = True
) -> Moment:
    skills = tuple(LIBRARY)
    said = np.array([say.get(skill.phrase, 0.0) for skill in skills])
    index = None if chosen is None else [skill.phrase for skill in skills].index(chosen)
    decision = Decision(skills, said, np.ones(len(skills)), said, said, index)
    state = before()
    step = None if index is None else Step(1, skills[index], outcome)
    return Moment(state, decision, step, effect(state, skills[index]) if works and index is not None else state)


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (moment({PICK: 0.9, GO: 0.1}, GO), "can"),  # the values talked it out of what was right
        (moment({PICK: 0.1, GO: 0.9}, GO), "say"),
        (moment({PICK: 0.9}, PICK, Outcome.FAILED, works=False), "do"),
        (moment({PICK: 0.9}, PICK, Outcome.SUCCEEDED, works=False), "check"),
        (moment({}, None), "say"),  # nothing was said
        (moment({}, GO), "say"),
        (
            moment({skill.phrase: 1 / len(LIBRARY) for skill in LIBRARY}, FIND),
            "say",
        ),  # no model
        (moment({PICK: 0.4, GO: 0.4}, FIND), "say"),  # it might as well have chosen the other
    ],
)
def test_whose_fault(one: Moment, fault: str) -> None:
    assert blame([one], GOAL, LIBRARY) == fault


def test_of_several_the_first_after_the_run_was_nearest_is_at_fault() -> None:
    assert (
        blame([moment({GO: 1.0}, GO), moment({PICK: 1.0}, PICK, Outcome.FAILED, works=False)], GOAL, LIBRARY) == "say"
    )
    assert blame([], GOAL, LIBRARY) == ""


def test_a_state_that_comes_again_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    monkeypatch.setattr(
        "saycan.evaluation.blame.shortest_plan", lambda *asked: looked.append(asked) or shortest_plan(*asked)
    )
    assert blame([moment({GO: 0.9}, GO, works=False)] * 5, GOAL, LIBRARY) == "say"
    assert len(looked) == 2  # where it was, and where it would have been
