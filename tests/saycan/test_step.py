"""What a run yields can be looked at in a terminal."""

from __future__ import annotations

import numpy as np

from saycan.decision import Decision
from saycan.skill import DONE, Skill
from saycan.step import EndState, Outcome, Result, Step

WAVE = Skill("wave", "wave")


def make(chosen: int | None) -> Decision:
    half = np.array([0.5, 0.5])
    return Decision((WAVE, DONE), half, half, np.array([0.25, 0.75]), half, chosen)


def test_a_result_prints_as_what_was_done() -> None:
    steps = (Step(1, WAVE, Outcome.FAILED, "too low", decision=make(0)), Step(2, WAVE, Outcome.SUCCEEDED))
    assert str(Result("greet", EndState.STUCK, "no way", steps)) == "stuck: no way\n1. wave: failed\n2. wave: succeeded"
    assert str(Result("greet", EndState.FINISHED)) == "finished"


def test_a_decision_is_short() -> None:
    assert repr(make(0)) == "Decision('wave' of 2 options)"
    assert repr(make(None)) == "Decision(None of 2 options)"
    assert make(0).leading(1) == [1]
    assert make(0).shown(1) == [0] and make(None).shown(1) == [1]
