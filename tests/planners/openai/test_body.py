"""Reading answers with care."""

from __future__ import annotations

import math

import pytest

from saycan.errors import LanguageModelError
from saycan.planners.openai.body import Body
from saycan.usage import Usage


@pytest.mark.parametrize("content", [b"", b"<html>502</html>", b'{"a": ', b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json(content: bytes) -> None:
    with pytest.raises(LanguageModelError, match=r"the server answered with .* not JSON"):
        Body.parse(content, "the server")


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"', b"3"])
def test_json_that_is_no_object(content: bytes) -> None:
    with pytest.raises(LanguageModelError, match=r"the whole is .*must be a JSON object"):
        Body.parse(content, "the server")


def test_an_error_names_the_place_and_what_was_found() -> None:
    body = Body.parse(b'{"choices": [{"logprobs": {"tokens": [1]}}]}', "the server")
    with pytest.raises(LanguageModelError, match=r"choices\[0\]\.logprobs\.tokens\[0\] is 1; it must be text"):
        body.at("choices", 0, "logprobs", "tokens", 0).text()
    with pytest.raises(LanguageModelError, match=r"choices\[1\]\.text is null; it must be text"):
        body.at("choices", 1, "text").text()
    with pytest.raises(LanguageModelError, match=r"choices\[0\] is .* must be a list"):
        list(body.at("choices", 0))


@pytest.mark.parametrize("value", ["NaN", "null", '"-1"', "true", "0.5", "Infinity", "[]"])
def test_what_is_no_log_probability(value: str) -> None:
    with pytest.raises(LanguageModelError, match="it must be a "):
        Body.parse(f'{{"x": {value}}}'.encode(), "the server").at("x").log_probability()


def test_log_probabilities() -> None:
    body = Body.parse(b'{"x": [-1.5, -Infinity, 0, 1e-7]}', "the server")
    assert [place.log_probability() for place in body.at("x")] == [-1.5, -math.inf, 0.0, 0.0]


@pytest.mark.parametrize("value", ["NaN", "-0.1", "1.1", "null"])
def test_what_is_no_probability(value: str) -> None:
    with pytest.raises(LanguageModelError, match="it must be a "):
        Body.parse(f'{{"x": {value}}}'.encode(), "the server").at("x").probability()


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (
            '{"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}',
            Usage(0, 7, 5, 2),
        ),
        ('{"input_tokens": 7, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 5}}', Usage(0, 7, 5, 2)),
        ('{"prompt_tokens": "many", "completion_tokens": null, "prompt_tokens_details": null}', Usage()),
        ("null", Usage()),
    ],
)
def test_usage_in_either_wording_and_none(said: str, counted: Usage) -> None:
    assert Body.parse(f'{{"usage": {said}}}'.encode(), "the server").usage() == counted
