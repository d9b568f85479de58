"""Labels in a chat: a known distribution comes back, whatever the model likes about places."""

from __future__ import annotations

from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError
from saycan.language import LanguageModel, TextGenerator, approximation_of
from saycan.planners.openai import ChatModel
from saycan.planners.openai.statuses import UnsupportedError
from saycan.usage import Usage
from tests.planners.openai.fakes import URL, ChatServer, answering, client, sent


def model(server: Any, **options: Any) -> ChatModel:
    return ChatModel(URL, http_client=client(server), **options)


def normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    return logs - np.logaddexp.reduce(logs)


def library(count: int, seed: int = 0) -> dict[str, float]:
    worth = normalised(np.random.default_rng(seed).normal(0.0, 2.0, count))
    return {f"do thing {number}": float(log) for number, log in enumerate(worth)}


LIKING = [2.0, -1.0, 0.5, 0.0, 3.0, -2.0]


@pytest.mark.parametrize(("count", "requests"), [(1, 0), (2, 2), (6, 3), (20, 3), (21, 8), (90, 18)])
def test_a_known_distribution_comes_back_whatever_the_liking(count: int, requests: int) -> None:
    options = library(count)
    server = ChatServer(options, LIKING)
    scores = model(server).score("Steps:\n1.", [f" {option}" for option in options])
    np.testing.assert_allclose(normalised(scores), list(options.values()), atol=1e-6)
    looks = 1  # the first question finds out how many log-probabilities come back
    assert len(server.requests) - looks == requests
    assert all(request["max_tokens"] == 1 for request in server.requests)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.floats(-20.0, 0.0), min_size=2, max_size=60),
    st.lists(st.floats(-4.0, 4.0), min_size=1, max_size=20),
    st.sampled_from([5, 10, 20]),
)
def test_rounds_and_orders_reproduce_any_distribution(worth: list[float], liking: list[float], most: int) -> None:
    options = {f"do thing {number}": log for number, log in enumerate(worth)}
    scores = model(ChatServer(options, liking, most=most)).score("1.", list(options))
    np.testing.assert_allclose(normalised(scores), normalised(np.array(worth)), atol=1e-5)


def test_one_order_would_follow_the_liking() -> None:
    options = {"wave": np.log(0.4), "go": np.log(0.6)}
    server = ChatServer(options, [2.0, 0.0])
    assert model(server, orders=1).score("1.", list(options)).argmax() == 0
    assert model(server, orders=2).score("1.", list(options)).argmax() == 1


def test_it_is_what_it_says() -> None:
    scorer = model(ChatServer({}))
    assert isinstance(scorer, LanguageModel) and isinstance(scorer, TextGenerator)
    assert scorer.name == f"openai-chat:{URL}"
    assert "labels" in approximation_of(scorer)


def test_usage_adds_up() -> None:
    scorer = model(ChatServer(library(4)))
    scorer.score("1.", list(library(4)))
    assert scorer.usage == Usage(requests=4, tokens_in=400, tokens_cached=240, tokens_out=4)


def test_the_prompt_and_every_option_are_in_every_question() -> None:
    server = ChatServer(library(3))
    model(server).score("Request: wave\n1.", list(library(3)))
    for request in server.requests[1:]:
        question = request["messages"][-1]["content"]
        assert "Request: wave\n1." in question
        assert all(option in question for option in library(3))


def reply(top: Any, **choice: Any) -> Any:
    content = [{"token": "A", "logprob": -1.0, "top_logprobs": top}]
    return answering({"choices": [{"message": {"content": "A"}, "logprobs": {"content": content}, **choice}]})


def top(**logs: float) -> list[dict[str, Any]]:
    return [{"token": token, "logprob": log} for token, log in logs.items()]


def test_a_label_with_and_without_a_space_is_one() -> None:
    tokens = [
        *top(A=np.log(0.2), B=np.log(0.5)),
        {"token": " A", "logprob": np.log(0.2)},
        {"token": "(A", "logprob": -99},
    ]
    scores = model(reply(tokens), orders=1).score("1.", ["wave", "go"])
    np.testing.assert_allclose(np.exp(normalised(scores)), [4 / 9, 5 / 9], atol=1e-9)


def test_a_label_that_is_not_returned_gets_its_share_of_what_is_left() -> None:
    tokens = top(A=np.log(0.7), word=np.log(0.2))
    scores = model(reply(tokens), orders=1).score("1.", ["wave", "go"])
    # What 0.9 leaves is less than the least that was returned.
    assert np.exp(scores[1] - scores[0]) == pytest.approx(0.1 / 0.7, rel=1e-3)
    tokens = top(A=np.log(0.7), word=np.log(0.01))
    scores = model(reply(tokens), orders=1).score("1.", ["wave", "go"])
    assert np.exp(scores[1] - scores[0]) == pytest.approx(0.01 / 0.7, rel=1e-3)


def test_a_model_that_answers_with_no_label() -> None:
    with pytest.raises(UnsupportedError, match=r"none of the letters .* but with 'Sure'; use openai-structured"):
        model(reply(top(Sure=-0.1, I=-3.0))).score("1.", ["wave", "go"])


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"message": {"content": None, "refusal": "I cannot help with that"}}, "declined to answer: I cannot help"),
        ({"finish_reason": "content_filter"}, "its content filter stopped it"),
    ],
)
def test_a_refusal_is_an_outcome_of_its_own(choice: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelRefusalError, match=said):
        model(reply(top(A=-1.0, B=-2.0), **choice)).score("1.", ["wave", "go"])


@pytest.mark.parametrize("log", [float("nan"), None, 1.0, "x"])
def test_log_probabilities_that_are_none(log: Any) -> None:
    import json

    tokens = [{"token": "A", "logprob": log}, {"token": "B", "logprob": -1.0}]
    content = {"choices": [{"logprobs": {"content": [{"top_logprobs": tokens}]}}]}
    server = lambda request: httpx2.Response(200, content=json.dumps(content))  # noqa: E731
    with pytest.raises(LanguageModelError, match=r"top_logprobs\[0\]\.logprob is .*; it must be a "):
        model(server).score("1.", ["wave", "go"])


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": []}, {"content": [{"top_logprobs": []}]}])
def test_a_server_without_log_probabilities(logprobs: Any) -> None:
    body = {"choices": [{"message": {"content": "A"}, "logprobs": logprobs}]}
    with pytest.raises(UnsupportedError, match="returns no top_logprobs"):
        model(answering(body)).score("1.", ["wave", "go"])


def test_a_server_that_refuses_log_probabilities_altogether() -> None:
    with pytest.raises(UnsupportedError, match="logprobs are not supported"):
        model(answering({"error": {"message": "logprobs are not supported"}}, 400)).score("1.", ["wave", "go"])


def test_generate_goes_on_with_the_text() -> None:
    requests = []

    def server(request: httpx2.Request) -> httpx2.Response:
        requests.append(sent(request))
        return httpx2.Response(200, json={"choices": [{"message": {"content": "\nwave.\n2. done."}}]})

    assert model(server).generate("1.", max_tokens=7, stop=("\n",)) == "wave."
    assert requests[0]["max_tokens"] == 7 and requests[0]["messages"][0]["content"].endswith("1.")


def test_openais_own_server_gets_the_parameter_that_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    server = ChatServer(library(2))
    ChatModel("gpt-x", http_client=client(server)).score("1.", list(library(2)))
    assert all(request["max_completion_tokens"] == 1 and "max_tokens" not in request for request in server.requests)


def test_orders_that_make_no_sense() -> None:
    with pytest.raises(BadInputError, match="orders must be at least 1"):
        ChatModel(URL, orders=0)
