"""Exact scores from echoed completions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from saycan.errors import LanguageModelError
from saycan.language import LanguageModel, TextGenerator, TokenCounter, approximation_of
from saycan.planners.openai import CompletionsModel
from saycan.planners.openai.statuses import UnsupportedError
from tests.planners.openai.fakes import URL, EchoServer, client

PROMPT = "Request: wave\nSteps:\n1."
OPTIONS = [" wave.", " go to the table.", " go.", " done."]
EXPECTED = [-0.5 * len(option) for option in OPTIONS]


def model(server: Any, **options: Any) -> CompletionsModel:
    return CompletionsModel(URL, http_client=client(server), **options)


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("begin", ["", "<bos>"])
def test_scores_are_sums_over_the_options_own_tokens(lists: bool, begin: str) -> None:
    server = EchoServer(lists=lists, begin=begin)
    scorer = model(server)
    np.testing.assert_allclose(scorer.score(PROMPT, OPTIONS), EXPECTED)
    assert scorer.lengths(PROMPT, OPTIONS).tolist() == [1, 4, 1, 1]
    asked, texts = [request["prompt"] for request in server.requests], [PROMPT + option for option in OPTIONS]
    if lists:
        assert asked[-1] == texts
    else:
        assert sorted(asked[-4:]) == sorted(texts)  # they were sent side by side


def test_it_is_what_it_says() -> None:
    scorer = model(EchoServer())
    assert isinstance(scorer, LanguageModel) and isinstance(scorer, TextGenerator) and isinstance(scorer, TokenCounter)
    assert scorer.name == f"openai-completions:{URL}"
    assert approximation_of(scorer) == ""


def test_many_options_go_in_batches_and_come_back_in_order() -> None:
    server = EchoServer()
    options = [f" wave {'x' * number}." for number in range(40)]
    scores = model(server, batch=16).score(PROMPT, options)
    np.testing.assert_allclose(scores, [-0.5 * len(option) for option in options])
    batches = [len(request["prompt"]) for request in server.requests if isinstance(request["prompt"], list)]
    assert sorted(batches) == [2, 8, 16, 16]  # the first finds out whether lists are taken


def test_equal_options_are_asked_about_once_and_none_not_at_all() -> None:
    server = EchoServer()
    scorer = model(server)
    assert scorer.score(PROMPT, []).shape == (0,) and not server.requests
    np.testing.assert_allclose(scorer.score(PROMPT, [" go.", " go."]), [-2.0, -2.0])
    assert server.requests[-1]["prompt"] == f"{PROMPT} go."
    assert scorer.lengths(PROMPT, [" go.", " go."]).tolist() == [1, 1]


def test_a_token_across_the_edge() -> None:
    server = EchoServer(lambda text: re.findall(r"\. wav|\w+|[^\w]", text))
    scores = model(server).score(PROMPT, [" wave.", " go."])
    # ". wav" + "e" + "." against "." + " " + "go" + ".": counted from the same token on.
    np.testing.assert_allclose(scores, [-0.5 * len(". wave."), -0.5 * len(". go.")])


def test_lengths_ask_the_server_for_what_was_not_scored_last() -> None:
    server = EchoServer()
    scorer = model(server)
    assert scorer.lengths(PROMPT, [" go to the table."]).tolist() == [4]
    before = len(server.requests)
    assert scorer.lengths(PROMPT, [" go to the table."]).tolist() == [4]
    assert len(server.requests) == before
    assert scorer.lengths("Other:", [" go to."]).tolist() == [2]


def test_an_empty_prompt_says_what_is_missing() -> None:
    with pytest.raises(LanguageModelError, match="give it a prompt that is not empty"):
        model(EchoServer()).score("", [" go.", " wave."])


def test_usage_counts_every_request() -> None:
    server = EchoServer()
    scorer = model(server)
    scorer.score(PROMPT, OPTIONS)
    assert scorer.usage.requests == len(server.requests) == 4
    assert scorer.usage.tokens_in == 4 * (1 + 1 + 2 + 4) and scorer.usage.tokens_out == 4


def test_generate_stops_where_it_is_told_to() -> None:
    server = EchoServer(change=lambda body: {"choices": [{"text": " wave.\n2. done.\n"}]})
    assert model(server).generate("1.", max_tokens=9, stop=("\n",)) == " wave."
    assert server.requests[0]["max_tokens"] == 9 and server.requests[0]["stop"] == ["\n"]


def change(path: tuple[Any, ...], value: Any) -> Any:
    """Changes one place of every answer that echoes several texts or an option, not those of the first look."""

    def changed(body: dict[str, Any]) -> Any:
        if not body["choices"][0]["text"].startswith("Request"):
            return body
        here: Any = body
        for key in path[:-1]:
            here = here[key]
        here[path[-1]] = value
        return body

    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("choices", 0, "logprobs"), None, r"choices\[0\]\.logprobs is null"),
        (("choices", 0, "logprobs", "token_logprobs", -2), None, "is null; it must be a number"),
        (("choices", 0, "logprobs", "token_logprobs", -2), float("nan"), "is NaN; it must be a number"),
        (("choices", 0, "logprobs", "token_logprobs", -2), 3.0, "must be a log-probability"),
        (("choices", 0, "text"), "something else", "the text that was sent"),
        (("choices", 0, "index"), 9, "numbered by `index`"),
        (("choices",), None, "choices is null; it must be a list"),
        (("choices",), [], r"choices is \[\]; it must be a list of 4"),
    ],
)
def test_bodies_that_cannot_be_used(path: tuple[Any, ...], value: Any, said: str) -> None:
    with pytest.raises(LanguageModelError, match=said):
        model(EchoServer(change=change(path, value))).score(PROMPT, OPTIONS)


def test_minus_infinity_is_an_answer() -> None:
    server = EchoServer(change=change(("choices", 0, "logprobs", "token_logprobs", -2), -np.inf))
    scores = model(server).score(PROMPT, OPTIONS)
    assert np.isneginf(scores).sum() == 1


def test_a_server_that_does_not_echo_is_found_out_at_once() -> None:
    def without_echo(body: dict[str, Any]) -> Any:
        for choice in body["choices"]:
            choice["text"], choice["logprobs"]["tokens"], choice["logprobs"]["token_logprobs"] = " on", [" on"], [-1.0]
        return body

    server = EchoServer(change=without_echo)
    with pytest.raises(LanguageModelError, match="the text that was sent"):
        model(server).score(PROMPT, OPTIONS)
    assert len(server.requests) == 2


def test_a_server_whose_echo_belongs_to_other_tokens_is_not_believed() -> None:
    def shifted(body: dict[str, Any]) -> Any:
        logs = body["choices"][0]["logprobs"]["token_logprobs"]
        if len(logs) > 1:
            logs[1:] = [log - 3.0 for log in logs[1:]]
        return body

    with pytest.raises(UnsupportedError, match=r"3\.00 nats more or less .* cannot be trusted"):
        model(EchoServer(change=shifted)).score(PROMPT, OPTIONS)


def test_a_server_without_log_probabilities() -> None:
    def bare(body: dict[str, Any]) -> Any:
        for choice in body["choices"]:
            choice["logprobs"] = None
        return body

    with pytest.raises(UnsupportedError, match="returns no log-probabilities"):
        model(EchoServer(change=bare)).score(PROMPT, OPTIONS)
