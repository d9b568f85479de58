from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import BadInputError
from saycan.planners.experience import after_failures
from saycan.skill import DONE, Skill
from saycan.step import Feedback, Memory, Outcome, Step

WAVE, BOW = Skill("wave", "wave"), Skill("bow", "bow")
SKILLS = (WAVE, BOW, DONE)


def values(*memory: Memory) -> list[float]:
    return [float(value) for value in after_failures(np.array([0.8, 0.6, 1.0]), SKILLS, memory)]


def step(skill: Skill, outcome: Outcome) -> Step:
    return Step(1, skill, outcome)


def test_nothing_that_happened_changes_nothing() -> None:
    assert values() == [0.8, 0.6, 1.0]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT])
def test_each_failure_of_a_skill_lowers_its_own_value(outcome: Outcome) -> None:
    assert values(step(WAVE, outcome)) == pytest.approx([0.4, 0.6, 1.0])
    assert values(step(WAVE, outcome), step(WAVE, outcome)) == pytest.approx([0.8 / 3, 0.6, 1.0])


def test_what_worked_since_counts_in_full_and_the_success_of_another_skill_forgives_nothing() -> None:
    failed = step(WAVE, Outcome.FAILED)
    assert values(failed, step(WAVE, Outcome.SUCCEEDED)) == [0.8, 0.6, 1.0]
    assert values(failed, step(BOW, Outcome.SUCCEEDED)) == pytest.approx([0.4, 0.6, 1.0])


def test_being_stopped_is_no_failure() -> None:
    assert values(step(WAVE, Outcome.STOPPED)) == [0.8, 0.6, 1.0]


def test_what_a_person_says_begins_anew_and_what_is_seen_does_not() -> None:
    failed = step(WAVE, Outcome.FAILED)
    assert values(failed, Feedback("human", "I have put it there.")) == [0.8, 0.6, 1.0]
    assert values(failed, Feedback("scene", "an apple")) == pytest.approx([0.4, 0.6, 1.0])


def test_the_skills_may_be_in_any_order() -> None:
    found = after_failures(np.array([0.6, 0.8]), (BOW, WAVE), (step(WAVE, Outcome.FAILED),))
    assert found.tolist() == pytest.approx([0.6, 0.4])


def test_patience_says_how_much_a_failure_weighs() -> None:
    can, failed = np.array([0.8]), [step(WAVE, Outcome.FAILED)]
    assert after_failures(can, (WAVE,), failed, {"wave": 3.0}) == pytest.approx([0.6])
    assert after_failures(can, (WAVE,), failed, {"bow": 3.0}) == pytest.approx([0.4])
    assert after_failures(can, (WAVE,), failed, None) == pytest.approx([0.8])


@pytest.mark.parametrize("attempts", [0.0, -1.0, float("nan")])
def test_a_patience_that_is_none_is_refused(attempts: float) -> None:
    with pytest.raises(BadInputError, match=r"above 0.*wave"):
        after_failures(np.array([0.8]), (WAVE,), (), {"wave": attempts})


def test_a_search_that_failed_has_looked_everywhere() -> None:
    find = Skill("find the apple", "find", "apple")
    assert after_failures(np.array([0.9]), (find,), [step(find, Outcome.FAILED)]) == pytest.approx([0.9 / 11])
