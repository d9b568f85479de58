"""Rounds give the distribution that one question over all options would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.planners.rounds import Group, dealt, in_rounds


def asking(worth: NDArray[np.float64], most: int, asked: list[int]) -> NDArray[np.float64]:
    """Asks a model that obeys the axiom: it tells only how options of a group compare. Notes the groups of a round."""

    def ask(groups: list[Group]) -> list[NDArray[np.float64]]:
        asked.append(len(groups))
        assert all(2 <= len(group) <= most for group in groups)
        answers = [worth[group] for group in groups]
        return [own - np.logaddexp.reduce(own) if own.max() > -np.inf else own for own in answers]

    return in_rounds(len(worth), most, ask)


@settings(deadline=None)
@given(st.lists(st.floats(-60.0, 0.0), min_size=1, max_size=120).map(np.array), st.integers(2, 40))
def test_rounds_reproduce_a_known_distribution(worth: NDArray[np.float64], most: int) -> None:
    asked: list[int] = []
    found = asking(worth, most, asked)
    np.testing.assert_allclose(found, worth - np.logaddexp.reduce(worth), atol=1e-9)
    assert found.max() <= 0.0  # to the last bit: a log-probability above 0 is refused
    assert sum(asked) <= 2 * len(worth)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.floats(-30.0, 0.0), st.just(-np.inf)), min_size=1, max_size=60).map(np.array),
    st.integers(2, 10),
)
def test_what_is_impossible_stays_so_in_whole_groups_too(worth: NDArray[np.float64], most: int) -> None:
    if len(worth) == 1:  # certain without asking
        worth = np.zeros(1)
    found = asking(worth, most, [])
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(worth))
    if worth.max() > -np.inf:
        np.testing.assert_allclose(np.exp(found), np.exp(worth - np.logaddexp.reduce(worth)), atol=1e-9)


def test_nobody_wins_because_nothing_else_is_possible() -> None:
    assert np.isneginf(asking(np.full(3, -np.inf), 2, [])).all()  # one of the three is alone in its group


@settings(deadline=None)
@given(st.integers(2, 60), st.integers(2, 10), st.data())
def test_a_model_that_must_choose_in_every_group(count: int, most: int, data: st.DataObject) -> None:
    possible = data.draw(st.integers(0, count - 1))
    worth = np.array([0.0 if index == possible else -1.0 - index for index in range(count)])
    never = data.draw(st.sets(st.integers(0, count - 1).filter(lambda index: index != possible)))

    def ask(groups: list[Group]) -> list[NDArray[np.float64]]:
        answers = []
        for group in groups:
            logs = np.array([-np.inf if index in never else worth[index] for index in group])
            if np.isneginf(logs).all():
                logs = np.zeros(len(group))
            answers.append(logs - np.logaddexp.reduce(logs))
        return answers

    found = in_rounds(count, most, ask)
    assert int(found.argmax()) == possible
    assert np.logaddexp.reduce(found) == pytest.approx(0.0, abs=1e-9)
    assert all(np.isneginf(found[index]) for index in never if most >= count)


@pytest.mark.parametrize(
    ("count", "most", "asked"),
    [
        (0, 20, []),
        (1, 20, []),
        (20, 20, [1]),
        (21, 20, [2, 1]),
        (401, 20, [21, 2, 1]),
        (3, 2, [1, 1]),
        (255, 255, [1]),
    ],
)
def test_how_many_questions_that_takes(count: int, most: int, asked: list[int]) -> None:
    rounds: list[int] = []
    assert len(asking(-np.arange(count, dtype=np.float64), most, rounds)) == count
    assert rounds == asked


@pytest.mark.parametrize(("count", "most", "sizes"), [(5, 5, [5]), (6, 5, [3, 3]), (7, 3, [3, 2, 2])])
def test_groups_are_as_even_and_as_few_as_can_be(count: int, most: int, sizes: list[int]) -> None:
    groups = dealt(list(range(count)), most)
    assert [len(group) for group in groups] == sizes
    assert sorted(index for group in groups for index in group) == list(range(count))
