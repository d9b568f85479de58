"""Rounds give back a known distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.planners.openai.rounds import in_rounds


def asking(worth: NDArray[np.float64], size: int, asked: list[int]) -> NDArray[np.float64]:
    def ask(groups: list[list[int]]) -> list[NDArray[np.float64]]:
        asked.append(len(groups))
        assert all(2 <= len(group) <= size for group in groups)
        return [worth[group] - np.logaddexp.reduce(worth[group]) for group in groups]

    return in_rounds(len(worth), size, ask)


@settings(deadline=None)
@given(
    st.lists(st.floats(-60.0, 0.0), min_size=1, max_size=120).map(np.array),
    st.integers(2, 40),
)
def test_rounds_reproduce_a_known_distribution(worth: NDArray[np.float64], size: int) -> None:
    found = asking(worth, size, [])
    np.testing.assert_allclose(found - np.logaddexp.reduce(found), worth - np.logaddexp.reduce(worth), atol=1e-9)


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(2, 10), st.data())
def test_what_is_impossible_stays_impossible(count: int, size: int, data: st.DataObject) -> None:
    possible = data.draw(st.integers(0, count - 1))
    worth = np.array([0.0 if index == possible else -1.0 - index for index in range(count)])
    never = data.draw(st.sets(st.integers(0, count - 1).filter(lambda index: index != possible)))

    def ask(groups: list[list[int]]) -> list[NDArray[np.float64]]:
        answers = []
        for group in groups:
            logs = np.array([-np.inf if index in never else worth[index] for index in group])
            if np.isneginf(logs).all():  # a server must choose one of what it is offered
                logs = np.zeros(len(group))
            answers.append(logs - np.logaddexp.reduce(logs))
        return answers

    found = in_rounds(count, size, ask)
    assert int(found.argmax()) == possible
    assert not np.isnan(found).any()
    assert all(np.isneginf(found[index]) for index in never if size >= count)


@pytest.mark.parametrize(
    ("count", "size", "groups"),
    [(1, 20, []), (20, 20, [1]), (21, 20, [2, 1]), (401, 20, [21, 2, 1]), (3, 2, [1, 1]), (255, 255, [1])],
)
def test_how_many_questions_that_takes(count: int, size: int, groups: list[int]) -> None:
    asked: list[int] = []
    asking(-np.arange(count, dtype=np.float64), size, asked)
    assert asked == groups
