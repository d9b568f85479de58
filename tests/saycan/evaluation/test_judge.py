from __future__ import annotations

import pytest

from saycan import goals
from saycan.evaluation.judge import moved, run_case
from saycan.evaluation.suite import Case
from saycan.evaluation.trial import Trial
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state
from saycan.skills.kitchen import kitchen_library
from saycan.symbolic import effect

TAKE = Case(
    "take", "holding", "Take the apple.", "at table with tea in hand", "apple on table, orange on table",
    "holding('apple')",
)  # fmt: skip


def test_what_was_in_the_hand_has_to_go_somewhere() -> None:
    trial = Trial("scripted:put down the tea|pick up the apple|done", values="geometric")
    record = run_case(TAKE, 0, trial, trial.language_model())
    assert record.steps == ("put down the tea", "pick up the apple")
    assert record.success and record.disturbed == ()


@pytest.mark.parametrize(("goal", "disturbed"), [("holding('tea')", ["orange"]), ("holding('orange')", [])])
def test_what_was_not_in_the_hand_and_is_not_named_stays_where_it_is(goal: str, disturbed: list[str]) -> None:
    before = after = symbolic_state(parse_scene(TAKE.scene))
    for phrase in ("place the tea on the far counter", "find the orange", "pick up the orange"):
        after = effect(after, kitchen_library().find(phrase))
    assert [after.by_id(id).name for id in moved(before, after, goals.parse(goal))] == disturbed
