"""Finding an option's own tokens in an echo."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.errors import LanguageModelError
from saycan.planners.openai.body import Body
from saycan.planners.openai.echo import Echo, shared_tokens


def choice(text: str, tokens: list[str], logs: list[float | None], offsets: list[int] | None = None) -> Body:
    logprobs: dict[str, Any] = {"tokens": tokens, "token_logprobs": logs, "text_offset": offsets}
    return Body({"text": text, "logprobs": logprobs}, "the server")


def counted(tokens: list[str]) -> list[float | None]:
    """A log-probability for each that says which it is, null for the first."""
    return [None, *(-float(index) for index in range(1, len(tokens)))]


def own(text: str, edge: int, tokens: list[str], offsets: list[int] | None = None, generated: str = "") -> float:
    echo = Echo.read(choice(text + generated, tokens, counted(tokens), offsets), text)
    return echo.own(shared_tokens([echo], edge))


def test_a_token_at_the_edge() -> None:
    assert own("1. go", 2, ["1", ".", " go"]) == -2.0
    assert own("1. go home", 2, ["1", ".", " go", " home"]) == -5.0


def test_what_was_generated_does_not_count() -> None:
    assert own("1. go", 2, ["1", ".", " go", "!"], generated="!") == -2.0
    assert own("1. go", 2, ["1", ".", " go", ""]) == -2.0  # end of text, which some write as nothing


def test_a_token_that_straddles_the_edge_belongs_to_the_option() -> None:
    assert own("1. go", 2, ["1", ". g", "o"]) == -3.0


def test_options_whose_edges_are_cut_differently_are_counted_from_the_same_token_on() -> None:
    apart, joined = ["1", ".", " go"], ["1", ".x"]
    echoes = [
        Echo.read(choice("1. go", apart, counted(apart)), "1. go"),
        Echo.read(choice("1.x", joined, counted(joined)), "1.x"),
    ]
    shared = shared_tokens(echoes, 2)
    assert shared == 1
    assert [echo.own(shared) for echo in echoes] == [-3.0, -1.0]


def test_a_prompt_that_is_cut_differently_before_another_option() -> None:
    first, second = ["ab", "c", "d"], ["a", "bc", "e"]
    echoes = [
        Echo.read(choice("abcd", first, [-1.0, -1.0, -1.0]), "abcd"),
        Echo.read(choice("abce", second, [-1.0, -1.0, -1.0]), "abce"),
    ]
    assert shared_tokens(echoes, 3) == 0


def test_a_begin_of_text_that_is_written_out_moves_nothing() -> None:
    tokens = ["<bos>", "1", ".", " go"]
    assert own("1. go", 2, tokens, [0, 5, 6, 7]) == -3.0


def test_a_space_that_the_tokenizer_puts_first() -> None:
    assert own("1. go", 2, [" 1", ".", " go"]) == -2.0


@pytest.mark.parametrize("half", ["\ufffd", ""])
def test_letters_that_are_broken_into_bytes(half: str) -> None:
    assert own("é: go", 2, [half, half, ":", " go"]) == -3.0
    assert own(": café go", 1, [":", " caf", half, half, " go"]) == -10.0
    assert own(": é", 1, [":", " ", half, half]) == -6.0
    assert own(": é", 1, [":", " ", half, half, " on"], generated=" on") == -6.0


def test_tokens_in_the_tokenizers_own_alphabet_are_placed_by_the_servers_positions() -> None:
    tokens = ["1", ".", "Ġgo", "Ġon"]
    assert own("1. go", 2, tokens, [0, 1, 2, 5], generated=" on") == -2.0
    assert own("1. go", 2, tokens[:3], [0, 1, 2]) == -2.0


@pytest.mark.parametrize("offsets", [None, [], [0, 1], [0, 2, 1, 5], [3, 4, 5, 8], [0, 1, 2, 9]])
def test_positions_that_cannot_be_right(offsets: list[int] | None) -> None:
    with pytest.raises(LanguageModelError, match=r"text_offset is .* must be"):
        own("1. go", 2, ["1", ".", "Ġgo", "Ġon"], offsets, generated=" on")


def test_an_answer_that_does_not_echo() -> None:
    with pytest.raises(LanguageModelError, match="must be the text that was sent"):
        Echo.read(choice(" on", [" on"], [-1.0]), "1. go")


@pytest.mark.parametrize(
    ("logprobs", "said"),
    [
        (None, "logprobs is null"),
        ({"tokens": None, "token_logprobs": []}, "tokens is null; it must be a list"),
        ({"tokens": ["1", 2], "token_logprobs": []}, r"tokens\[1\] is 2"),
        ({"tokens": ["1", ".", " go"], "token_logprobs": [None, -1.0]}, "a list of 3"),
    ],
)
def test_log_probabilities_that_are_missing(logprobs: Any, said: str) -> None:
    with pytest.raises(LanguageModelError, match=said):
        Echo.read(Body({"text": "1. go", "logprobs": logprobs}, "the server"), "1. go")


@pytest.mark.parametrize("log", [None, float("nan"), 1.0, "-1"])
def test_a_log_probability_that_is_none(log: Any) -> None:
    echo = Echo.read(choice("1. go", ["1", ".", " go"], [None, -1.0, log]), "1. go")
    with pytest.raises(LanguageModelError, match=r"token_logprobs\[2\] is"):
        echo.own(2)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=2, max_size=30), st.data())
def test_any_text_cut_anywhere_is_covered_to_its_end(text: str, data: st.DataObject) -> None:
    if "\ufffd" in text:
        return
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=8))})
    tokens = [text[start:end] for start, end in itertools.pairwise(cuts)]
    generated = data.draw(st.sampled_from(["", "!", " on"]))
    shown = [*tokens, generated] if generated else tokens
    echo = Echo.read(choice(text + generated, shown, counted(shown)), text)
    assert list(echo.ends) == cuts[1:]
    edge = data.draw(st.integers(0, len(text)))
    assert shared_tokens([echo], edge) == sum(end <= edge for end in cuts[1:])
