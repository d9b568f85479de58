"""An order of preference, made into numbers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import numpy as np
import pytest

from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError
from saycan.language import LanguageModel, TextGenerator, approximation_of
from saycan.planners.openai import StructuredModel
from saycan.planners.openai.statuses import UnsupportedError
from tests.planners.openai.fakes import URL, answering, client, sent, usage


class RankingServer:
    """Names the options that it likes best, in order; the numbers in their texts say how much it likes them."""

    def __init__(self, *, forms: tuple[str, ...] = ("json_schema", "json_object")) -> None:
        self.forms = forms
        self.requests: list[dict[str, Any]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = sent(request)
        self.requests.append(body)
        form = body["response_format"]
        if form["type"] not in self.forms:
            return httpx2.Response(400, json={"error": {"message": "no such response_format"}})
        schema = form["schema"] if form["type"] == "json_object" else form["json_schema"]["schema"]
        ranking = schema["properties"]["ranking"]
        listed = re.findall(r"^(\d+)\. (.*)$", body["messages"][-1]["content"], flags=re.MULTILINE)
        assert [label for label, _ in listed][-len(ranking["items"]["enum"]) :] == ranking["items"]["enum"]
        listed = listed[-len(ranking["items"]["enum"]) :]
        likes = sorted(listed, key=lambda entry: -int((re.findall(r"\d+", entry[1]) or ["0"])[-1]))
        names = [label for label, _ in likes][: ranking["maxItems"]]
        return httpx2.Response(
            200, json={"choices": [{"message": {"content": json.dumps({"ranking": names})}}], "usage": usage(50, 9)}
        )


def model(server: Any, **options: Any) -> StructuredModel:
    return StructuredModel(URL, http_client=client(server), **options)


@pytest.mark.parametrize("forms", [("json_schema",), ("json_object",)])
def test_ranks_become_probabilities(forms: tuple[str, ...]) -> None:
    scores = model(RankingServer(forms=forms), ranks=3).score("1.", [f" like {n}" for n in (3, 9, 1, 7, 5, 0)])
    np.testing.assert_allclose(np.exp(scores), [1 / 24, 1 / 2, 1 / 24, 1 / 4, 1 / 8, 1 / 24])


def test_what_was_not_named_comes_after_what_was() -> None:
    scores = model(RankingServer(), ranks=2).score("1.", [" like 1", " like 2", " like 3"])
    np.testing.assert_allclose(np.exp(scores), [1 / 8, 1 / 4, 1 / 2])


def test_fewer_options_than_ranks() -> None:
    scores = model(RankingServer()).score("1.", [" like 1", " like 2"])
    assert np.isfinite(scores).all() and scores.argmax() == 1


def test_more_options_than_one_question_holds() -> None:
    server = RankingServer()
    options = [f" like {number}" for number in np.random.default_rng(0).permutation(1200)]
    scores = model(server).score("1.", options)
    order = np.argsort(-scores)[:5]
    assert [options[index] for index in order] == [f" like {number}" for number in (1199, 1198, 1197, 1196, 1195)]
    assert len(server.requests) == 1 + 3 + 1


def test_it_is_what_it_says() -> None:
    scorer = model(RankingServer())
    assert isinstance(scorer, LanguageModel) and isinstance(scorer, TextGenerator)
    assert scorer.name == f"openai-structured:{URL}"
    assert approximation_of(scorer).startswith("order of preference only")
    scorer.score("1.", [" like 1", " like 2"])
    assert scorer.usage.requests == 2 and scorer.usage.tokens_out == 18


def chat(content: Any, **message: Any) -> Any:
    return answering({"choices": [{"message": {"content": content, **message}}]})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("I would wave.", 'was asked for JSON and wrote "I would wave."'),
        ("[1]", "was asked for JSON"),
        ('{"ranking": []}', "must be a list of numbers in quotes"),
        ('{"ranking": null}', "ranking is null; it must be a list"),
        ('{"ranking": ["1", "9"]}', "must be a list of numbers in quotes"),
        ('{"ranking": [[1]]}', "must be a list of numbers in quotes"),
        (None, "content is null; it must be text"),
    ],
)
def test_answers_that_cannot_be_used(content: Any, said: str) -> None:
    with pytest.raises(LanguageModelError, match=said):
        model(chat(content)).score("1.", [" wave", " go"])


def test_a_rank_that_is_named_twice_counts_once() -> None:
    scores = model(chat('{"ranking": ["2", "2", "1"]}')).score("1.", [" wave", " go"])
    np.testing.assert_allclose(np.exp(scores), [0.25, 0.5])


def test_a_refusal_is_an_outcome_of_its_own() -> None:
    with pytest.raises(ModelRefusalError, match="declined to answer: I will not"):
        model(chat(None, refusal="I will not")).score("1.", [" wave", " go"])


def test_a_server_that_takes_no_schema() -> None:
    with pytest.raises(UnsupportedError, match="no such response_format"):
        model(RankingServer(forms=())).score("1.", [" wave", " go"])


def test_one_option_needs_no_question() -> None:
    server = RankingServer()
    assert model(server).score("1.", [" wave"]).tolist() == [0.0]
    assert not server.requests


def test_ranks_that_make_no_sense() -> None:
    with pytest.raises(BadInputError, match="ranks must be at least 1"):
        StructuredModel(URL, ranks=0)
