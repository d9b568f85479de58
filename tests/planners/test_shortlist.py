from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError
from saycan.language import Shortlister
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.planners.embedding import EmbeddingShortlister
from saycan.planners.lexical import LexicalEmbedder
from saycan.planners.prompt import Prompt
from saycan.planners.saycan import SayCanPlanner
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.planners.shortlist import ShortlistPlanner
from saycan.skill import DONE, Skill
from saycan.skills.kitchen import kitchen_library
from saycan.step import Outcome, Step

LIBRARY = SkillLibrary([f"skill {i}" for i in range(20)])


class Knows:
    """Log-probabilities by option text; counts what it is asked."""

    name = "knows"

    def __init__(self, scores: Callable[[str], float], error: Exception | None = None) -> None:
        self.scores, self.error = scores, error
        self.scored: list[list[str]] = []

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        if self.error is not None:
            raise self.error
        self.scored.append([option.strip(" .") for option in options])
        return np.array([self.scores(phrase) for phrase in self.scored[-1]])

    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(option) for option in options])


class Finds(Knows):
    """Shortlists too, exactly."""

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        if self.error is not None:
            raise self.error
        return np.argsort([-self.scores(option.strip(" .")) for option in options], kind="stable")[:count]


class Returns:
    """A shortlister with a fixed answer."""

    name = "returns"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # wrong answers are what some tests are about


class Can:
    def __init__(self, of: Callable[[str], float] = lambda phrase: 1.0) -> None:
        self.of = of

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        return np.array([self.of(skill.phrase) for skill in skills])


def observation() -> Observation:
    zeros = np.zeros(3)
    return Observation(0.0, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def number(phrase: str) -> float:
    return float(phrase.split()[1]) if phrase[-1].isdigit() else 20.0


def test_it_scores_the_likeliest_that_can_succeed_and_done() -> None:
    model = Finds(lambda phrase: -number(phrase))
    planner = ShortlistPlanner(model, Can(lambda phrase: 0.0 if number(phrase) < 4 else 0.5), LIBRARY, count=4)
    assert isinstance(planner, Planner)
    decision = planner.decide("go", (), observation())
    assert [skill.phrase for skill in decision.skills] == ["skill 4", "skill 5", "skill 6", "done"]
    assert model.scored == [["skill 4", "skill 5", "skill 6", "done"]]
    assert decision.skill == LIBRARY.find("skill 4")
    assert decision.say.sum() == pytest.approx(1.0)
    assert decision.note == "4 of 21 skills scored; 17 can succeed"


def test_the_values_may_overrule_the_order_of_the_shortlist() -> None:
    can = Can(lambda phrase: 1.0 if phrase == "skill 2" else 0.01)
    decision = ShortlistPlanner(Finds(lambda phrase: -number(phrase)), can, LIBRARY, count=5).decide(
        "", (), observation()
    )
    assert decision.skill == LIBRARY.find("skill 2")


def test_done_is_scored_though_nothing_else_can_succeed() -> None:
    can = Can(lambda phrase: float(phrase == "done"))
    decision = ShortlistPlanner(Finds(lambda phrase: -1.0), can, LIBRARY, count=4).decide("go", (), observation())
    assert decision.skills == (DONE,)
    assert decision.skill == DONE
    nothing = ShortlistPlanner(Finds(lambda phrase: -1.0), Can(lambda phrase: 0.0), LIBRARY, count=4)
    assert nothing.decide("go", (), observation()).chosen is None


def test_wordings_of_a_skill_add_up_and_take_one_place() -> None:
    likely = {"go to the close counter": 0.2, "go to the counter": 0.3, "go to the table": 0.4}
    model = Finds(lambda phrase: float(np.log(likely.get(phrase, 1e-6))))
    library = kitchen_library()
    decision = ShortlistPlanner(model, Can(), library, count=4).decide("go", (), observation())
    assert decision.skill == library.find("go to the close counter")
    assert decision.combined.max() == pytest.approx(0.5 / 0.9, rel=1e-4)
    assert {skill.phrase for skill in decision.skills} == {"go to the close counter", "go to the table", "done"}


@given(
    scores=st.lists(st.floats(-60, 0), min_size=21, max_size=21),
    values=st.lists(st.one_of(st.just(0.0), st.floats(0, 1)), min_size=21, max_size=21),
    extra=st.integers(0, 10),
    scoring=st.sampled_from(["sum", "mean", "prior"]),
    failed=st.lists(st.sampled_from(tuple(LIBRARY)[:-1]), max_size=6),
)
def test_a_shortlist_that_holds_the_library_decides_as_saycan_does(
    scores: list[float], values: list[float], extra: int, scoring: str, failed: list[Skill]
) -> None:
    model = Finds(lambda phrase: scores[LIBRARY.phrases.index(phrase)])
    can = Can(lambda phrase: values[LIBRARY.phrases.index(phrase)])
    ours = ShortlistPlanner(model, can, LIBRARY, count=len(LIBRARY) + extra, scoring=scoring)
    theirs = SayCanPlanner(model, can, LIBRARY, scoring=scoring)
    memory = [Step(index, skill, Outcome.FAILED) for index, skill in enumerate(failed, 1)]
    one, two = ours.decide("go", memory, observation()), theirs.decide("go", memory, observation())
    assert one.skills == two.skills
    assert one.chosen == two.chosen
    for name in ("say", "can", "combined", "log_say"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert (one.prompt, one.note) == (two.prompt, "")


@given(
    scores=st.lists(st.floats(-60, 0), min_size=21, max_size=21),
    values=st.lists(st.floats(0, 1), min_size=21, max_size=21),
    count=st.integers(2, 25),
)
def test_what_it_chooses_is_the_best_of_what_it_scored(scores: list[float], values: list[float], count: int) -> None:
    model = Finds(lambda phrase: scores[LIBRARY.phrases.index(phrase)])
    can = Can(lambda phrase: values[LIBRARY.phrases.index(phrase)])
    decision = ShortlistPlanner(model, can, LIBRARY, count=count).decide("go", (), observation())
    assert set(decision.skills) <= set(LIBRARY)
    assert DONE in decision.skills
    assert len(set(decision.skills)) == len(decision.skills) <= max(count, 2)
    if decision.chosen is not None:
        assert decision.can[decision.chosen] > 0
        assert decision.combined[decision.chosen] == decision.combined.max()
    if min(values) > 0:  # the likeliest of all is never left out by an exact search
        best = max(range(20), key=lambda index: scores[index])
        assert LIBRARY[best] in decision.skills


def test_a_model_that_cannot_shortlist_takes_another_shortlister() -> None:
    library = kitchen_library()
    model = Knows(lambda phrase: -float(len(phrase)))
    shortlister = EmbeddingShortlister(LexicalEmbedder())
    assert isinstance(shortlister, Shortlister)
    planner = ShortlistPlanner(model, Can(), library, count=16, shortlister=shortlister)
    decision = planner.decide("The tea goes on the table.", (), observation())
    phrases = [skill.phrase for skill in decision.skills]
    assert {"place the tea on the table", "find the tea", "pick up the tea", "done"} <= set(phrases)
    assert len(phrases) <= 16
    by_itself = ShortlistPlanner(model, Can(), library, count=16)
    assert by_itself.decide("The tea goes on the table.", (), observation()).skills == decision.skills


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([0, 1, 1], "different indices"),
        ([0, 99], "different indices from 0 to 19"),
        ([-1], "different indices"),
        ([], "1 to 3 whole numbers"),
        ([0, 1, 2, 3], "1 to 3 whole numbers"),
        ([0.5], "whole numbers"),
        ([[0]], "whole numbers"),
        (None, "whole numbers"),
        (OSError("unplugged"), "'returns' failed: OSError: unplugged"),
    ],
)
def test_a_shortlist_that_is_none_is_refused(answer: object, complaint: str) -> None:
    planner = ShortlistPlanner(Knows(lambda _: -1.0), Can(), LIBRARY, count=4, shortlister=Returns(answer))
    with pytest.raises(LanguageModelError, match=complaint):
        planner.decide("go", (), observation())


def test_a_refusal_is_a_typed_outcome() -> None:
    model = Finds(lambda _: -1.0, ModelRefusalError("not that"))
    decision = ShortlistPlanner(model, Can(), LIBRARY, count=4).decide("go", (), observation())
    assert (decision.chosen, decision.refusal, decision.note) == (None, "not that", "")


def test_a_count_that_leaves_no_choice_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least 2, found 1"):
        ShortlistPlanner(ScriptedLanguageModel(), Can(), LIBRARY, count=1)


def test_the_scripted_model_shortlists_too() -> None:
    model = ScriptedLanguageModel(["skill 13"])
    planner = ShortlistPlanner(model, Can(), LIBRARY, Prompt.load(), count=3)
    assert planner.decide("go", (), observation()).skill == LIBRARY.find("skill 13")
