"""Answers are mapped word for word, and log-probabilities are read as services return them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saycan.errors import LanguageModelError
from saycan.planners.langchain.answers import Options, UnusableAnswerError, label_of, lettered


def openai(*tokens: tuple[str, float], first: str = "") -> dict:
    """As langchain-openai passes it on: one entry for each token of the answer."""
    top = [{"token": token, "logprob": value, "bytes": None} for token, value in tokens]
    entry = {"token": top[0]["token"], "logprob": top[0]["logprob"], "top_logprobs": top}
    blank = [{"token": first, "logprob": 0.0, "top_logprobs": []}] if first else []
    return {"logprobs": {"content": [*blank, entry]}}


def google(*tokens: tuple[str, float]) -> dict:
    """As langchain-google-vertexai passes it on."""
    top = [{"token": token, "logprob": value} for token, value in tokens]
    return {"logprobs_result": [{**top[0], "top_logprobs": top}]}


def test_a_label_is_what_a_person_would_list() -> None:
    assert label_of(" go to  the counter.") == "go to the counter"


def test_what_is_listed_once_is_spread_to_all_that_share_it() -> None:
    options = Options([" wave.", " Wave.", " bow."])
    assert options.labels == ["wave", "bow"]
    assert options.find(" BOW. ") == 1
    assert options.find("bow now") is None
    np.testing.assert_array_equal(options.spread(np.array([-1.0, -2.0])), [-1.0, -1.0, -2.0])


@pytest.mark.parametrize("form", [openai, google])
def test_letters_with_and_without_a_space_are_added_up(form) -> None:
    metadata = form(("A", math.log(0.5)), (" A", math.log(0.2)), ("B", math.log(0.3)))
    found = lettered(2, metadata, "A")
    assert found is not None
    np.testing.assert_allclose(np.exp(found), [0.7, 0.3])


def test_white_space_before_the_answer_is_passed_over() -> None:
    found = lettered(2, openai(("B", math.log(0.9)), ("A", math.log(0.1)), first="\n"), "B")
    assert found is not None
    np.testing.assert_allclose(np.exp(found), [0.1, 0.9])


def test_what_is_left_is_shared_by_the_letters_that_did_not_come() -> None:
    found = lettered(4, openai(("A", math.log(0.9)), ("the", math.log(0.06))), "A")
    assert found is not None
    np.testing.assert_allclose(np.exp(found), [0.9, 0.04 / 3, 0.04 / 3, 0.04 / 3])


@pytest.mark.parametrize("answer", ["a", "AB", "C", "Wave", "1"])
def test_only_a_capital_letter_of_an_option_counts(answer: str) -> None:
    with pytest.raises(UnusableAnswerError, match="not the letter of an option"):
        lettered(2, openai((answer, -0.1)), answer)


@pytest.mark.parametrize("metadata", [{}, {"logprobs": None}, {"logprobs": {"content": []}}, {"finish_reason": "stop"}])
def test_a_response_without_log_probabilities_has_none(metadata: dict) -> None:
    assert lettered(2, metadata, "A") is None


@pytest.mark.parametrize("value", [float("nan"), 0.5, float("inf")])
def test_what_is_no_log_probability_is_an_error(value: float) -> None:
    with pytest.raises(LanguageModelError, match="must be at most 0"):
        lettered(2, openai(("A", value)), "A")


@pytest.mark.parametrize(
    "metadata",
    [
        {"logprobs": {"content": [{"word": "A"}]}},
        {"logprobs": {"content": 7}},
        {"logprobs": {"content": [{"token": "A", "top_logprobs": [{"token": "A"}]}]}},
        {"logprobs": {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": "high"}]}]}},
    ],
)
def test_a_malformed_response_is_an_error(metadata: dict) -> None:
    with pytest.raises(LanguageModelError, match="malformed"):
        lettered(2, metadata, "A")
