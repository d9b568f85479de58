from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError, ModelUnavailableError
from saycan.planners import fallback
from saycan.planners.fallback import FallbackModel
from saycan.planners.prompt import Prompt
from saycan.planners.say import Say
from saycan.skill import DONE, Skill

PROMPT = Prompt.load("kitchen")
SKILLS = (Skill("wave", "wave"), Skill("bow deeply", "bow"), Skill("go to the close counter", "go to"), DONE)


class Model:
    """Log-probabilities by the option; with nothing asked for, others."""

    name = "model"

    def __init__(self, asked: dict[str, float], idle: dict[str, float]) -> None:
        self.asked, self.idle, self.prompts = asked, idle, list[str]()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.prompts.append(prompt)
        table = self.idle if prompt == PROMPT.render("") else self.asked
        return np.array([table.get(option.strip(), -9.0) for option in options])


class Counting(Model):
    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(option.split()) for option in options])


ASKED = {"wave": -2.0, "bow deeply": -3.0, "go to the close counter": -5.0, "go to the counter": -4.0, "done": -1.0}
IDLE = {"wave": -2.5, "bow deeply": -7.0, "done": -0.5, "go to the counter": -np.inf}


def test_the_sum_is_what_the_model_says_and_wordings_add_up() -> None:
    found = Say(Model(ASKED, IDLE), PROMPT).log_say(PROMPT.render("greet"), SKILLS)
    assert found == pytest.approx([-2.0, -3.0, np.logaddexp(-5.0, -4.0), -1.0])


def test_the_mean_is_taken_over_tokens() -> None:
    found = Say(Counting(ASKED, IDLE), PROMPT, "mean").log_say(PROMPT.render("greet"), SKILLS)
    assert found == pytest.approx([-2.0, -1.5, np.logaddexp(-1.0, -1.0), -1.0])


def test_the_prior_is_taken_off_and_asked_for_once() -> None:
    model = Model(ASKED, IDLE)
    say = Say(model, PROMPT, "prior")
    for _ in range(2):
        found = say.log_say(PROMPT.render("greet"), SKILLS)
        # What is never said with nothing asked for is left as it is: its difference would be infinite.
        assert found == pytest.approx([0.5, 4.0, np.logaddexp(4.0, -4.0), -0.5])
    assert model.prompts.count(PROMPT.render("")) == 1


class Answering(Model):
    """Unavailable when it is called for the numbered times; each of its answers takes some seconds."""

    def __init__(self, name: str, asked: dict[str, float], idle: dict[str, float], clock: list[float]) -> None:
        super().__init__(asked, idle)
        self.name, self.clock, self.seconds, self.away = name, clock, 0.0, set[int]()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        scores = super().score(prompt, options)
        self.clock[0] += self.seconds
        if len(self.prompts) in self.away:
            raise ModelUnavailableError(f"{self.name} is away")
        return scores


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> tuple[Answering, Answering]:
    clock = [100.0]
    monkeypatch.setattr(fallback.time, "monotonic", lambda: clock[0])
    return (
        Answering("first", ASKED, IDLE, clock),
        Answering("second", {"wave": -1.0, "done": -4.0}, {"wave": -6.0, "bow deeply": -1.0}, clock),
    )


@pytest.mark.parametrize(
    ("away", "seconds", "answering"),
    [
        (set[int](), 0.0, ["first", "first"]),
        ({1}, 0.0, ["second", "second"]),
        ({2}, 0.0, ["second", "second"]),  # away when it is asked for the prior
        ({1}, 30.0, ["second", "first"]),  # back at the next decision
        ({1}, 61.0, ["first", "first"]),  # back when the second is asked for the prior
        ({1, 3, 4}, 61.0, ["second", "first"]),  # back for the prior alone
    ],
)
def test_a_prior_is_that_of_the_model_whose_scores_it_is_taken_off(
    two: tuple[Answering, Answering], away: set[int], seconds: float, answering: list[str]
) -> None:
    prompt = PROMPT.render("greet")
    alone = {model.name: Say(model, PROMPT, "prior").log_say(prompt, SKILLS) for model in two}
    for model in two:
        model.prompts.clear()
    two[0].away, two[1].seconds = away, seconds
    both = FallbackModel(two[0], lambda: two[1])
    say = Say(both, PROMPT, "prior")
    for name in answering:
        assert say.log_say(prompt, SKILLS) == pytest.approx(alone[name])
        assert both.name == name


def test_a_model_that_never_answers_twice_under_one_name_has_no_prior() -> None:
    class Changing(Model):
        @property
        def name(self) -> str:  # type: ignore[override]
            return f"number {len(self.prompts)}"

    with pytest.raises(LanguageModelError, match=r"two answers of one model, .* use scoring 'sum'"):
        Say(Changing(ASKED, IDLE), PROMPT, "prior").log_say(PROMPT.render("greet"), SKILLS)


def test_only_the_newest_priors_are_kept() -> None:
    model = Model(ASKED, IDLE)
    say = Say(model, PROMPT, "prior")
    libraries = [(Skill(f"fetch number {number}", "fetch"), DONE) for number in range(40)]

    def asked(library: tuple[Skill, ...]) -> int:
        before = model.prompts.count(PROMPT.render(""))
        say.log_say(PROMPT.render("greet"), library)
        return model.prompts.count(PROMPT.render("")) - before

    assert [asked(library) for library in libraries] == [1] * 40
    assert (asked(libraries[-1]), asked(libraries[-10]), asked(libraries[0])) == (0, 0, 1)


def test_a_scoring_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(BadInputError, match="unknown scoring 'best'; valid: sum, mean, prior"):
        Say(Model(ASKED, IDLE), PROMPT, "best")
    with pytest.raises(BadInputError, match="Model 'model' does not tell"):
        Say(Model(ASKED, IDLE), PROMPT, "mean")
    counting = Counting(ASKED, IDLE)
    with pytest.raises(BadInputError, match=r"FallbackModel 'model' does not tell; .* without a fallback, which only"):
        Say(FallbackModel(counting, lambda: counting), PROMPT, "mean")
