"""A decision model scores options with the probabilities that it gives them.

`.ci/langchain-decisions` runs these beside a langchain-core that has such models; the last one is for others.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from typing import Any

import numpy as np
import pytest

from saycan.agent import Agent
from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError, ModelUnavailableError
from saycan.language import Approximate, LanguageModel, TextGenerator, approximation_of
from saycan.planners.langchain import DecisionModel, LangChainModel
from saycan.robots.fake import FakeRobot
from saycan.step import EndState
from saycan.usage import Metered, Usage

PRESENT = importlib.util.find_spec("langchain_core.decisions") is not None
REASON = "the installed langchain-core has no decision models; run .ci/langchain-decisions"
needs_decisions = [pytest.mark.decisions, pytest.mark.skipif(not PRESENT, reason=REASON)]

OPTIONS = [" wave.", " bow.", " Bow.", " done."]


def make(answer, **options) -> tuple[Any, Any]:
    """A decision model that answers with what a function makes of the labels: probabilities, or an error to raise."""
    from langchain_core.decisions import BaseDecisionModel, ClassifierResponse  # type: ignore[import-not-found]

    class Fake(BaseDecisionModel):
        asked: list = []  # noqa: RUF012 - pydantic copies it

        @property
        def _provider(self) -> str:
            return "fake"

        def _classify(self, state, questions):
            (question,) = questions.values()
            self.asked.append((state, questions))
            found = answer(list(question.criteria))
            if isinstance(found, Exception):
                raise found
            if "answers" in found:
                return ClassifierResponse(model="fake", **found)
            best = max(found, key=found.get)
            reply = {"type": "choice", "choice": best, "probabilities": found, "confidence": 0.5}
            usage = {"input_tokens": 50, "output_tokens": 1}
            return ClassifierResponse(model="fake", answers=dict.fromkeys(questions, reply), usage=usage)

    model = Fake(model="oracle-1")
    return model, LangChainModel(model, **options)


def fixed(**probabilities: float):
    return lambda labels: {label: probabilities.get(label, 0.0) for label in labels}


class TestDecisions:
    pytestmark = needs_decisions

    def test_it_keeps_the_contracts(self) -> None:
        _, say = make(fixed(wave=1.0))
        for protocol in (LanguageModel, Metered, Approximate):
            assert isinstance(say, protocol)
        assert not isinstance(say, TextGenerator)  # it cannot write
        assert say.name == "langchain:Fake:oracle-1"
        with pytest.raises(BadInputError, match="leave out method='text'"):
            make(fixed(wave=1.0), method="text")

    def test_one_question_holds_all_options(self) -> None:
        model, say = make(fixed(wave=0.2, bow=0.7, done=0.1))
        scores = say.score("Request: be polite\n1.", OPTIONS)
        np.testing.assert_allclose(np.exp(scores), [0.2, 0.7, 0.7, 0.1])
        ((state, questions),) = model.asked
        (question,) = questions.values()
        assert state == "Request: be polite\n1."
        assert question.type == "choice"
        assert list(question.criteria) == ["wave", "bow", "done"]
        assert approximation_of(say) == ""
        assert say.usage == Usage(requests=1, tokens_in=50, tokens_out=1)

    def test_probability_zero_is_never(self) -> None:
        _, say = make(fixed(bow=1.0))
        np.testing.assert_array_equal(say.score("1.", OPTIONS), [-np.inf, 0.0, 0.0, -np.inf])

    def test_more_options_than_a_question_takes_are_merged_exactly(self) -> None:
        weights = np.random.default_rng(0).dirichlet(np.full(551, 0.5)) + 1e-9
        weights /= weights.sum()
        by_label = {f"skill {index}": float(weight) for index, weight in enumerate(weights)}

        def answer(labels):
            total = sum(by_label[label] for label in labels)
            return {label: by_label[label] / total for label in labels}

        model, say = make(answer)
        scores = say.score("1.", [f" {label}." for label in by_label])
        np.testing.assert_allclose(scores, np.log(weights), atol=1e-9)
        assert [len(questions["next_step"].criteria) for _, questions in model.asked][-1] == 3
        assert len(model.asked) == 4
        assert "merged from several questions" in approximation_of(say)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda labels: {"wave": 1.0}, "no probability for 'bow'"),
            (lambda labels: dict.fromkeys(labels, 1.5), r"gave 1\.5 for 'wave'"),
            (lambda labels: dict.fromkeys(labels, -0.5), r"gave -0\.5 for 'wave'"),
            (lambda labels: dict.fromkeys(labels, math.nan), "gave nan for 'wave'"),
            (lambda labels: {"answers": {}}, "did not answer the question; it answered: nothing"),
            (lambda labels: {"answers": {"next_step": {"type": "noul", "noul": 0.5}}}, "it answered: next_step"),
        ],
    )
    def test_an_answer_that_is_not_whole_is_an_error(self, answer, words: str) -> None:
        _, say = make(answer)
        with pytest.raises(LanguageModelError, match=words):
            say.score("1.", OPTIONS)

    def test_a_refusal_is_one(self) -> None:
        from langchain_core.exceptions import ModelRefusalError as Refusal  # type: ignore[attr-defined]

        _, say = make(lambda labels: Refusal("I will not."))
        with pytest.raises(ModelRefusalError, match="I will not"):
            say.score("1.", OPTIONS)

    def test_a_provider_that_is_away_is_named(self) -> None:
        _, say = make(lambda labels: ConnectionError("no route"))
        with pytest.raises(ModelUnavailableError, match=r"langchain:Fake:oracle-1 is not available: .*no route"):
            say.score("1.", OPTIONS)

    def test_a_deadline_is_kept(self) -> None:
        release = threading.Event()
        _, say = make(lambda labels: release.wait(5.0) and None, seconds=0.2)
        with pytest.raises(ModelUnavailableError, match="no answer within"):
            say.score("1.", OPTIONS)
        release.set()

    def test_a_question_has_at_least_two_options(self) -> None:
        model, _ = make(fixed(wave=1.0))
        with pytest.raises(BadInputError, match="found most=1"):
            DecisionModel(model, most=1)

    def test_an_agent_plans_with_it(self) -> None:
        plan = iter(["find the apple", "pick up the apple", "done"])

        def answer(labels):
            wanted = next(plan)
            return {label: 0.9 if label == wanted else 0.1 / (len(labels) - 1) for label in labels}

        _, say = make(answer)
        result = Agent(FakeRobot(), llm=say, record=None).run("get the apple")
        assert result.end is EndState.FINISHED
        assert result.plan == ("find the apple", "pick up the apple")


@pytest.mark.skipif(PRESENT, reason="the installed langchain-core has decision models")
def test_without_decision_models_the_error_says_what_has_them() -> None:
    with pytest.raises(BadInputError, match=r"found object\..*has no decision models; 1\.8 does"):
        LangChainModel(object())
