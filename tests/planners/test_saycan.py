from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, RobotError, ValueFunctionError
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.planners.saycan import SayCanPlanner
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.skill import Skill
from saycan.step import Feedback, Outcome, Step

LIBRARY = SkillLibrary(["wave", "bow", "go to the close counter"])
EVERYTHING = {"wave": 1.0, "bow": 1.0, "go to the close counter": 1.0, "done": 1.0}


class Says:
    """A language model with fixed log-probabilities by text."""

    name = "says"

    def __init__(self, answer: Callable[[Sequence[str]], object]) -> None:
        self.answer = answer
        self.prompt = ""

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.prompt = prompt
        return self.answer(options)  # type: ignore[return-value]  # wrong answers are what some tests are about


class Can:
    """Fixed values by phrase, or whatever a function says."""

    def __init__(self, answer: dict[str, float] | Callable[[Sequence[Skill]], object]) -> None:
        self.answer = answer
        self.seen: list[Observation] = []

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        self.seen.append(observation)
        if isinstance(self.answer, dict):
            return np.array([self.answer.get(skill.phrase, 0.0) for skill in skills])
        return self.answer(skills)  # type: ignore[return-value]


def observation(time: float = 0.0) -> Observation:
    zeros = np.zeros(3)
    return Observation(time, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def says(**probabilities: float) -> Says:
    by_text = {f" {phrase.replace('_', ' ')}": value for phrase, value in probabilities.items()}
    return Says(lambda options: np.log([max(by_text.get(option, 0.0), 1e-300) for option in options]))


def test_it_takes_the_largest_product_of_say_and_can() -> None:
    model = says(wave=0.06, bow=0.03, done=0.01)
    planner = SayCanPlanner(model, Can({"wave": 0.1, "bow": 0.9, "done": 0.2}), LIBRARY)
    assert isinstance(planner, Planner)
    decision = planner.decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("bow")
    assert decision.say == pytest.approx([0.6, 0.3, 0.0, 0.1])
    assert decision.can == pytest.approx([0.1, 0.9, 0.0, 0.2])
    assert decision.combined == pytest.approx(np.array([0.06, 0.27, 0.0, 0.02]) / 0.35)
    assert decision.log_say[:2] == pytest.approx(np.log([0.06, 0.03]))
    assert [decision.skills[i].phrase for i in decision.leading(2)] == ["bow", "wave"]
    assert decision.prompt == model.prompt


def test_what_fails_again_and_again_gives_way() -> None:
    planner = SayCanPlanner(says(wave=0.6, bow=0.3, done=0.1), Can({"wave": 0.9, "bow": 0.8, "done": 0.8}), LIBRARY)
    failed = Step(1, LIBRARY.find("wave"), Outcome.FAILED)
    once = planner.decide("greet", (failed,), observation())
    assert (once.skill, once.can[0]) == (LIBRARY.find("wave"), pytest.approx(0.45))  # 0.6 * 0.45 > 0.3 * 0.8
    assert planner.decide("greet", (failed, failed), observation()).skill == LIBRARY.find("bow")


def test_tiny_probabilities_do_not_underflow() -> None:
    def answer(options: Sequence[str]) -> NDArray[np.float64]:
        return np.array([-5000.0, -5001.0, -6000.0, -6000.0, -np.inf])

    decision = SayCanPlanner(Says(answer), Can(EVERYTHING), LIBRARY).decide("greet", (), observation())
    assert decision.say[:2] == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])
    assert decision.say[3] == 0.0


def test_wordings_of_one_skill_add_up() -> None:
    model = says(go_to_the_close_counter=0.1, go_to_the_counter=0.3, wave=0.4)
    decision = SayCanPlanner(model, Can(EVERYTHING), LIBRARY).decide("greet", (), observation())
    assert decision.say == pytest.approx([0.5, 0.0, 0.5, 0.0])


def test_nothing_is_chosen_when_nothing_can_succeed() -> None:
    decision = SayCanPlanner(says(wave=1.0), Can({}), LIBRARY).decide("greet", (), observation())
    assert decision.chosen is None
    assert decision.skill is None
    assert not decision.combined.any()


def test_the_model_hears_what_was_done_what_failed_and_what_was_said() -> None:
    model = says(done=1.0)
    memory = (
        Step(1, LIBRARY.find("wave"), Outcome.SUCCEEDED),
        Feedback("human", "deeper"),
        Step(2, LIBRARY.find("bow"), Outcome.FAILED, "the back is stiff"),
    )
    SayCanPlanner(model, Can(EVERYTHING), LIBRARY).decide("greet", memory, observation())
    assert model.prompt.endswith("greet\nSteps:\n1. wave.\nPerson: deeper\n2. bow. (failed: the back is stiff)\n3.")


def test_values_are_asked_afresh_for_the_observation_that_was_given() -> None:
    can = Can(EVERYTHING)
    planner = SayCanPlanner(says(done=1.0), can, LIBRARY)
    first, second = observation(1.0), observation(2.0)
    planner.decide("greet", (), first)
    planner.decide("greet", (), second)
    assert can.seen == [first, second]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda options: np.log([0.5, np.nan, 0.1, 0.1, 0.1]), "nan for 'bow'"),
        (lambda options: [-1.0, -1.0, -1.0, -1.0, 0.5], "0.5 for 'done'"),
        (lambda options: [-1.0, -1.0], r"shape \(2,\); it must be \(5,\)"),
        (lambda options: None, "shape"),
        (lambda options: ["a", "b", "c", "d", "e"], "not an array of numbers"),
        (lambda options: [-np.inf] * 5, "all 5 options impossible"),
    ],
)
def test_scores_that_are_no_log_probabilities_are_refused(
    answer: Callable[[Sequence[str]], object], complaint: str
) -> None:
    with pytest.raises(LanguageModelError, match=f"'says'.*{complaint}"):
        SayCanPlanner(Says(answer), Can(EVERYTHING), LIBRARY).decide("greet", (), observation())


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda skills: [0.5, 1.5, 0.5, 0.5], "1.5 for 'bow'"),
        (lambda skills: [0.5, 0.5, 0.5, -0.1], "-0.1 for 'done'"),
        (lambda skills: [np.nan, 0.5, 0.5, 0.5], "nan for 'wave'"),
        (lambda skills: [0.5], r"shape \(1,\)"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(
    answer: Callable[[Sequence[Skill]], object], complaint: str
) -> None:
    with pytest.raises(ValueFunctionError, match=f"Can.*{complaint}"):
        SayCanPlanner(says(wave=1.0), Can(answer), LIBRARY).decide("greet", (), observation())


def test_what_a_half_raises_becomes_an_error_of_ours_with_its_cause() -> None:
    def broken(skills: Sequence[Skill]) -> object:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(ValueFunctionError, match="Can failed: ZeroDivisionError") as caught:
        SayCanPlanner(says(wave=1.0), Can(broken), LIBRARY).decide("greet", (), observation())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)

    model = ScriptedLanguageModel(error=ConnectionError("unplugged"))
    with pytest.raises(LanguageModelError, match="'scripted' failed: ConnectionError: unplugged"):
        SayCanPlanner(model, Can(EVERYTHING), LIBRARY).decide("greet", (), observation())

    ours = ScriptedLanguageModel(error=RobotError("camera"))
    with pytest.raises(RobotError, match="camera"):  # already one of ours
        SayCanPlanner(ours, Can(EVERYTHING), LIBRARY).decide("greet", (), observation())
