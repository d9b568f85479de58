"""Decisions: one request, split and merged where a library is too large, and refusals."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError
from saycan.language import LanguageModel, approximation_of
from saycan.planners.openai import DecisionsModel
from saycan.planners.saycan import SayCanPlanner
from saycan.robot import Robot
from saycan.robots.fake import FakeRobot
from saycan.skills.kitchen import kitchen_library
from saycan.usage import Usage
from tests.planners.openai.fakes import URL, DecisionServer, client

PROMPT = "Request: wave\nSteps:\n1."


def model(server: Any, **options: Any) -> DecisionsModel:
    return DecisionsModel(URL, http_client=client(server), **options)


def normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    return logs - np.logaddexp.reduce(logs)


def library(count: int) -> dict[str, float]:
    worth = normalised(np.random.default_rng(1).normal(0.0, 3.0, count))
    return {f"do thing {number}.": float(log) for number, log in enumerate(worth)}


@pytest.mark.parametrize(
    ("count", "requests", "questions"), [(1, 0, []), (2, 1, [1]), (255, 1, [1]), (256, 2, [2, 1]), (1000, 2, [4, 1])]
)
def test_a_known_distribution_comes_back(count: int, requests: int, questions: list[int]) -> None:
    options = library(count)
    server = DecisionServer(options)
    scorer = model(server)
    scores = scorer.score(PROMPT, [f" {option}" for option in options])
    np.testing.assert_allclose(normalised(scores), list(options.values()), atol=1e-9)
    assert [len(request["questions"]) for request in server.requests] == questions
    assert scorer.usage == Usage(requests, 400 * requests, 300 * requests, 2 * requests)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-30.0, 0.0), min_size=2, max_size=80), st.integers(2, 12))
def test_any_distribution_comes_back_from_any_split(worth: list[float], choices: int) -> None:
    options = {f"do thing {number}": log for number, log in enumerate(worth)}
    scores = model(DecisionServer(options), choices=choices).score(PROMPT, list(options))
    np.testing.assert_allclose(normalised(scores), normalised(np.array(worth)), atol=1e-6)


def test_one_request_holds_at_most_400_questions() -> None:
    options = library(1000)
    server = DecisionServer(options)
    scores = model(server, choices=2).score(PROMPT, list(options))
    np.testing.assert_allclose(normalised(scores), list(options.values()), atol=1e-6)
    assert max(len(request["questions"]) for request in server.requests) == 400
    for request in server.requests:
        assert request["input"] == PROMPT and request["model"] == "tiny"
        assert all(len(question["choices"]) <= 2 for question in request["questions"])


def test_it_is_what_it_says() -> None:
    scorer = model(DecisionServer({}))
    assert isinstance(scorer, LanguageModel)
    assert scorer.name == f"openai-decisions:{URL}"
    assert "not log-probabilities of the words" in approximation_of(scorer)


@pytest.mark.parametrize("choices", [255, 10])
def test_a_refusal_is_an_outcome_of_its_own(choices: int) -> None:
    options = library(30)
    server = DecisionServer(options, refuses=["do thing 7."])
    with pytest.raises(ModelRefusalError, match=r"declined to choose \(group \d\)"):
        model(server, choices=choices).score(PROMPT, list(options))


class AllPossible:
    def values(self, observation: Any, skills: Any) -> NDArray[np.float64]:
        return np.ones(len(skills))


def test_a_planner_turns_a_refusal_into_a_decision_for_nothing() -> None:
    skills = kitchen_library()
    robot: Robot = FakeRobot()

    def server(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"answers": [{"type": "refusal", "name": "group 1"}], "model": "tiny"})

    planner = SayCanPlanner(model(server), AllPossible(), skills)
    decision: Decision = planner.decide("wave", (), robot.observe())
    robot.close()
    assert decision.chosen is None and "declined to choose" in decision.refusal
    assert decision.usage.requests == 1


def answer(**fields: Any) -> dict[str, Any]:
    entries = [{"value": "wave", "probability": 0.25}, {"value": "go", "probability": 0.75}]
    return {"type": "choice", "name": None, "choice": "go", "confidence": 0.75, "probabilities": entries, **fields}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (None, "answers is null; it must be a list"),
        ([], r"answers is \[\]; it must be a list of 1"),
        ([answer(type="predicate")], r'answers\[0\]\.type is "predicate"; it must be "choice" or "refusal"'),
        ([answer(probabilities=None)], "probabilities is null"),
        ([answer(probabilities=[{"value": "go", "probability": 1.0}])], "'wave' is missing"),
        ([answer(probabilities=[{"value": True, "probability": 1.0}])], r"value is true; it must be text"),
        ([answer(probabilities=[{"value": "go", "probability": float("nan")}])], "NaN; it must be a number"),
        ([answer(probabilities=[{"value": "go"}])], "probability is null"),
        ([answer(probabilities=[{"value": "go", "probability": -0.5}])], "must be a probability"),
        (
            [answer(probabilities=[{"value": "go", "probability": 0.2}, {"value": "wave", "probability": 0.1}])],
            r"sum to 1, not 0\.3000",
        ),
    ],
)
def test_answers_that_cannot_be_used(answers: Any, said: str) -> None:
    content = json.dumps({"answers": answers})
    with pytest.raises(LanguageModelError, match=said):
        model(lambda request: httpx2.Response(200, content=content)).score(PROMPT, [" wave", " go"])


def test_a_probability_of_zero_is_never() -> None:
    entries = [{"value": "wave", "probability": 0.0}, {"value": "go", "probability": 1.0}]
    body = {"answers": [answer(probabilities=entries)]}
    scores = model(lambda request: httpx2.Response(200, json=body)).score(PROMPT, [" wave", " go"])
    assert scores.tolist() == [-np.inf, 0.0]


def test_options_that_differ_only_in_spaces_stay_different() -> None:
    server = DecisionServer({" go": np.log(0.3), "go": np.log(0.7)})
    np.testing.assert_allclose(np.exp(model(server).score(PROMPT, [" go", "go"])), [0.3, 0.7])


def test_a_question_of_one_choice_is_none() -> None:
    with pytest.raises(BadInputError, match="at least 2 choices"):
        DecisionsModel(URL, choices=1)
