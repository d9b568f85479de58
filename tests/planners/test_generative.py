from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.errors import (
    BadInputError,
    DecisionInterruptedError,
    LanguageModelError,
    ModelRefusalError,
    ModelUnavailableError,
)
from saycan.interruption import interruptible
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.planners.fallback import FallbackModel
from saycan.planners.generative import MIN_VALUE, GenerativePlanner
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.step import Outcome, Step
from saycan.usage import Usage
from saycan.vocabulary import KITCHEN

LIBRARY = SkillLibrary(["wave", "bow", "pick up the sponge", "go to the close counter"])


class Proposes:
    """Says the given lines one after the other, the last one for ever; scores whole options by a table."""

    name = "proposes"

    def __init__(self, *lines: str, likelihood: dict[str, float] | None = None) -> None:
        self.lines, self.likelihood = list(lines), likelihood or {}
        self.prompts: list[str] = []
        self.counts: list[int] = []
        self.usage = Usage()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self.likelihood.get(option.strip(" ."), -50.0) for option in options])

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        self.prompts.append(prompt)
        self.usage += Usage(tokens_in=10, tokens_out=2)
        return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        self.counts.append(count)
        return np.argsort(-self.score(prompt, options), kind="stable")[:count]


class OnlyScores:
    name = "scores"

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        return np.full(len(options), -1.0)


class Can:
    """Values by phrase; what is not named has `other`."""

    def __init__(self, other: float = 1.0, **values: float) -> None:
        self.other, self.by_phrase = other, {key.replace("_", " "): value for key, value in values.items()}

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        return np.array([self.by_phrase.get(skill.phrase, self.other) for skill in skills])


def observation() -> Observation:
    zeros = np.zeros(3)
    return Observation(0.0, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def test_a_proposal_that_names_a_skill_is_chosen_with_all_of_say() -> None:
    model = Proposes(" Bow.")
    planner = GenerativePlanner(model, Can(bow=0.5), LIBRARY)
    assert isinstance(planner, Planner)
    decision = planner.decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("bow")
    assert decision.skills == tuple(LIBRARY)
    assert decision.say.tolist() == decision.combined.tolist() == [0, 1, 0, 0, 0]
    assert decision.log_say.tolist() == [-np.inf, 0, -np.inf, -np.inf, -np.inf]
    assert decision.can.tolist() == [1, 0.5, 1, 1, 1]
    assert (decision.prompt, decision.note, decision.refusal) == (model.prompts[0], "", "")
    assert decision.usage == Usage(tokens_in=10, tokens_out=2)
    assert decision.model == "proposes"


def test_what_is_no_skill_is_told_as_a_step_that_failed_with_the_nearest_phrases_and_asked_again() -> None:
    model = Proposes(" pick up the spong.", " pick up the sponge.")
    memory = (Step(1, LIBRARY.find("wave"), Outcome.SUCCEEDED),)
    decision = GenerativePlanner(model, Can(), LIBRARY).decide("tidy up", memory, observation())
    assert decision.skill == LIBRARY.find("pick up the sponge")
    assert model.prompts[1] == decision.prompt
    assert model.prompts[1].endswith(
        "\n1. wave.\n2. pick up the spong. (failed: no such skill; there is: pick up the sponge)\n3."
    )
    assert decision.note == "proposed before: 'pick up the spong' (no such skill; there is: pick up the sponge)"


def test_a_near_miss_is_never_executed_however_often_it_is_proposed() -> None:
    model = Proposes(" pick up the spong.")
    decision = GenerativePlanner(model, Can(), LIBRARY, attempts=4).decide("tidy up", (), observation())
    assert decision.chosen is None
    assert len(model.prompts) == 4
    assert not decision.say.any()
    assert not decision.combined.any()
    assert decision.note.startswith("proposed, and not carried out: 'pick up the spong' (no such skill")
    assert decision.refusal == ""


def test_affordance_is_applied_after_the_proposal() -> None:
    model = Proposes(" wave.", " bow.")
    decision = GenerativePlanner(model, Can(wave=0.05), LIBRARY).decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("bow")
    assert model.prompts[1].endswith("\n1. wave. (failed: cannot be done now)\n2.")

    stubborn = GenerativePlanner(Proposes(" wave."), Can(wave=0.05), LIBRARY).decide("greet", (), observation())
    assert stubborn.chosen is None
    assert stubborn.say[0] == 1.0  # that it was proposed is true
    assert not stubborn.combined.any()
    assert "'wave' (cannot be done now)" in stubborn.note


def test_a_failure_that_the_model_foretells_is_no_part_of_its_proposal() -> None:
    model = Proposes(" juggle.", " bow. (failed: the back is stiff)")
    decision = GenerativePlanner(model, Can(), LIBRARY).decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("bow")


def test_the_steps_after_the_next_one_are_no_part_of_a_proposal() -> None:
    """A model that was taught the words of steps alone writes them one after the other, on one line."""
    decision = GenerativePlanner(Proposes(" bow. wave. done."), Can(), LIBRARY).decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("bow")
    numbered = SkillLibrary(["press no. 5", "press no. 6"])
    decision = GenerativePlanner(Proposes(" press no. 5."), Can(), numbered).decide("press", (), observation())
    assert decision.skill == numbered.find("press no. 5")


def test_the_bound_is_an_argument_and_zero_never_does() -> None:
    def decide(value: float, bound: float) -> int | None:
        planner = GenerativePlanner(Proposes(" wave."), Can(wave=value), LIBRARY, min_value=bound)
        return planner.decide("greet", (), observation()).chosen

    assert decide(MIN_VALUE, MIN_VALUE) == 0
    assert decide(0.05, 0.01) == 0
    assert decide(0.5, 0.9) is None
    assert decide(0.0, 0.0) is None


@pytest.mark.parametrize("said", ["", "   ", "\n\n", "...", "\x00\x1b[31m"])
def test_silence_and_noise_choose_nothing_and_do_not_break_the_prompt(said: str) -> None:
    model = Proposes(said)
    decision = GenerativePlanner(model, Can(), LIBRARY, attempts=2).decide("greet", (), observation())
    assert decision.chosen is None
    assert all(line.isprintable() for prompt in model.prompts for line in prompt.splitlines())


def test_synonyms_are_those_that_were_passed() -> None:
    library = kitchen_library()
    named = GenerativePlanner(Proposes(" bring the cola to me."), Can(), library, synonyms=KITCHEN.synonyms)
    assert named.decide("a drink", (), observation()).skill == library.find("bring the coke can to the operator")
    unnamed = GenerativePlanner(Proposes(" bring the cola to me."), Can(), library)
    assert unnamed.decide("a drink", (), observation()).chosen is None


def test_constrained_the_likeliest_option_with_enough_value_wins() -> None:
    likelihood = {"wave": -0.5, "pick up the sponge": -1.0, "bow": -2.0}
    model = Proposes("never asked", likelihood=likelihood)
    planner = GenerativePlanner(model, Can(wave=0.01), LIBRARY, constrained=True)
    decision = planner.decide("greet", (), observation())
    assert decision.skill == LIBRARY.find("pick up the sponge")
    assert decision.combined.tolist() == [0, 0, 1, 0, 0]
    assert model.prompts == []
    nothing = GenerativePlanner(model, Can(0.01), LIBRARY, constrained=True).decide("greet", (), observation())
    assert nothing.chosen is None
    assert nothing.note == "no option has a value of 0.1 or more"


def test_constrained_asks_for_more_candidates_only_while_none_will_do() -> None:
    library = SkillLibrary([f"skill {i}" for i in range(100)])
    model = Proposes("", likelihood={f"skill {i}": -float(i) for i in range(100)})
    values = Can(0.0, skill_30=1.0, skill_80=1.0)
    decision = GenerativePlanner(model, values, library, constrained=True).decide("go", (), observation())
    assert decision.chosen == 30
    assert model.counts == [16, 64]


@given(
    lines=st.lists(st.one_of(st.sampled_from([f" {phrase}." for phrase in LIBRARY.phrases]), st.text(max_size=20)),
                   min_size=1, max_size=5),
    values=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    bound=st.floats(0, 1),
    constrained=st.booleans(),
)  # fmt: skip
def test_it_never_chooses_below_the_bound_nor_what_was_not_said(
    lines: list[str], values: list[float], bound: float, constrained: bool
) -> None:
    by_phrase = {phrase.replace(" ", "_"): value for phrase, value in zip(LIBRARY.phrases, values, strict=True)}
    model = Proposes(*lines, likelihood={"wave": -1.0})
    planner = GenerativePlanner(model, Can(**by_phrase), LIBRARY, min_value=bound, constrained=constrained)
    decision = planner.decide("greet", (), observation())
    assert len(model.prompts) <= planner.attempts
    if decision.chosen is None:
        assert not decision.combined.any()
    else:
        assert decision.skill in LIBRARY
        assert decision.can[decision.chosen] >= bound
        assert decision.can[decision.chosen] > 0
        assert decision.combined.argmax() == decision.chosen


def test_the_scripted_model_proposes_too() -> None:
    model = ScriptedLanguageModel(["bow", "juggle"])
    planner = GenerativePlanner(model, Can(), LIBRARY)
    assert planner.decide("greet", (), observation()).skill == LIBRARY.find("bow")
    memory = (Step(1, LIBRARY.find("bow"), Outcome.SUCCEEDED),)
    assert planner.decide("greet", memory, observation()).chosen is None  # "juggle" is in no library


def test_a_refusal_is_a_typed_outcome() -> None:
    model = ScriptedLanguageModel(error=ModelRefusalError("I would rather not"))
    for constrained in (False, True):
        decision = GenerativePlanner(model, Can(), LIBRARY, constrained=constrained).decide("x", (), observation())
        assert (decision.chosen, decision.refusal) == (None, "I would rather not")


def test_what_fails_says_so() -> None:
    def planner(error: Exception) -> GenerativePlanner:
        return GenerativePlanner(ScriptedLanguageModel(error=error), Can(), LIBRARY)

    with pytest.raises(ModelUnavailableError, match="gone"):
        planner(ModelUnavailableError("gone")).decide("x", (), observation())
    with pytest.raises(LanguageModelError, match="'scripted' failed: ConnectionError: unplugged"):
        planner(ConnectionError("unplugged")).decide("x", (), observation())
    wrong = Proposes(None)  # type: ignore[arg-type]
    with pytest.raises(LanguageModelError, match="generated NoneType; it must be a string"):
        GenerativePlanner(wrong, Can(), LIBRARY).decide("x", (), observation())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: GenerativePlanner(OnlyScores(), Can(), LIBRARY), r"generate\(\); OnlyScores 'scores' has none"),
        (
            lambda: GenerativePlanner(FallbackModel(Proposes(""), OnlyScores), Can(), LIBRARY),
            r"generate\(\); FallbackModel 'proposes' has none.* without a fallback, which only scores",
        ),
        (
            lambda: GenerativePlanner(OnlyScores(), Can(), LIBRARY, constrained=True),
            r"shortlist\(\); OnlyScores 'scores' has none",
        ),
        (lambda: GenerativePlanner(Proposes(""), Can(), LIBRARY, min_value=1.5), "found 1.5"),
        (lambda: GenerativePlanner(Proposes(""), Can(), LIBRARY, attempts=0), "found 0"),
    ],
)
def test_what_it_cannot_be_made_of_is_refused_at_once(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        make()


def test_it_can_be_given_up_between_two_proposals() -> None:
    model = Proposes(" nonsense.")
    planner = GenerativePlanner(model, Can(), LIBRARY, attempts=50)
    with interruptible(lambda: len(model.prompts) >= 2), pytest.raises(DecisionInterruptedError):
        planner.decide("greet", (), observation())
    assert len(model.prompts) == 2
