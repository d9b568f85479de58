"""Several orders take the liking for places out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.planners.openai.orders import rotations, without_liking

numbers = st.floats(-20.0, 20.0)


@settings(deadline=None)
@given(st.integers(1, 26), st.integers(1, 30), st.integers(0, 50))
def test_orders_hold_every_option_once_and_take_each_through_different_places(
    count: int, orders: int, group: int
) -> None:
    turns = rotations(count, orders, group)
    assert len(turns) == min(orders, count)
    assert all(sorted(turn) == list(range(count)) for turn in turns)
    for place in range(count):
        assert len({int(turn[place]) for turn in turns}) == len(turns)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(2, 20), min_size=1, max_size=6), st.integers(2, 4), st.data())
def test_an_additive_liking_cancels_exactly(sizes: list[int], count: int, data: st.DataObject) -> None:
    liking = np.array(data.draw(st.lists(numbers, min_size=20, max_size=20)))
    worth = [np.array(data.draw(st.lists(numbers, min_size=size, max_size=size))) for size in sizes]
    orders = [rotations(size, count, group) for group, size in enumerate(sizes)]
    measured = []
    for values, turns in zip(worth, orders, strict=True):
        logs = [values[turn] + liking[: len(turn)] for turn in turns]
        measured.append([one - np.logaddexp.reduce(one) for one in logs])
    exact = [[np.zeros(len(one), bool) for one in turns] for turns in orders]
    found = without_liking(orders, measured, exact)
    for values, logs in zip(worth, found, strict=True):
        np.testing.assert_allclose(logs, values - np.logaddexp.reduce(values), atol=1e-6)


def test_one_order_leaves_the_liking_in() -> None:
    """So that the tests above could fail."""
    liking, worth = np.array([3.0, 0.0, 0.0]), np.log(np.array([0.2, 0.5, 0.3]))
    orders = [rotations(3, 1, 0)]
    (found,) = without_liking(orders, [[worth + liking]], [[np.zeros(3, bool)]])
    assert found.argmax() == 0


def test_a_bound_hardly_counts_where_there_is_a_measurement() -> None:
    worth = np.log(np.array([0.6, 0.3, 0.1]))
    orders = [rotations(3, 3, 0)]
    measured: list[NDArray[np.float64]] = [worth[turn].copy() for turn in orders[0]]
    bounds = [np.zeros(3, bool) for _ in orders[0]]
    place = int(np.argmax(orders[0][0] == 2))
    measured[0][place], bounds[0][place] = -0.5, True
    (found,) = without_liking(orders, [measured], [bounds])
    np.testing.assert_allclose(found, worth, atol=1e-3)
