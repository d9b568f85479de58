"""What the first token of an answer says of the letters."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saycan.planners.letters import LETTERS, read_letters


def read(count: int, *tokens: tuple[str, float]) -> tuple[list[float], list[bool]]:
    """From probabilities to probabilities."""
    logs, bounded = read_letters([(token, math.log(probability)) for token, probability in tokens], count)
    return np.exp(logs).tolist(), bounded.tolist()


@pytest.mark.parametrize("same", [" A", "A.", "(A", '"A"', "**A", "\nA", "A:"])
def test_what_stands_beside_a_letter_does_not_count(same: str) -> None:
    found, bounded = read(2, ("A", 0.5), (same, 0.2), ("B", 0.3))
    assert found == pytest.approx([0.7, 0.3]) and bounded == [False, False]


@pytest.mark.parametrize("other", ["a", "AB", "C", "", " ", "1", "Wave"])
def test_nothing_else_is_a_letter(other: str) -> None:
    found, bounded = read(2, ("A", 0.5), (other, 0.2), ("B", 0.3))
    assert found == pytest.approx([0.5, 0.3]) and bounded == [False, False]


def test_a_letter_that_did_not_come_gets_the_most_that_it_can_have() -> None:
    # What is left, 0.04, is shared by three; each share is less than the least that came.
    found, bounded = read(4, ("A", 0.9), ("the", 0.06))
    assert found == pytest.approx([0.9, *[0.04 / 3] * 3]) and bounded == [False, True, True, True]
    # 0.29 are left, but whatever did not come is no likelier than what did.
    found, bounded = read(2, ("A", 0.7), ("the", 0.01))
    assert found == pytest.approx([0.7, 0.01]) and bounded == [False, True]


def test_what_stands_for_hardly_ever_bounds_nothing() -> None:
    logs, bounded = read_letters([("A", 0.0), ("the", -9999.0)], 2)
    assert logs.tolist() == [0.0, -50.0] and bounded.tolist() == [False, True]


def test_probabilities_that_sum_to_one_leave_something_all_the_same() -> None:
    logs, _ = read_letters([("A", 1e-7)], 2)
    assert -50.0 < logs[1] < -25.0


@pytest.mark.parametrize("tokens", [[], [("Sure", -0.1), ("I", -3.0)]])
def test_no_letter_at_all(tokens: list[tuple[str, float]]) -> None:
    assert read_letters(tokens, 3)[1].all()


def test_twenty_letters() -> None:
    logs, bounded = read_letters([(letter, -3.0) for letter in LETTERS], len(LETTERS))
    assert (logs == -3.0).all() and not bounded.any() and len(set(LETTERS)) == 20
