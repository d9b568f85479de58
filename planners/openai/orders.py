"""Orders: the same options asked about in several orders, so that where an option stands does not count.

A language model prefers some labels and places whatever stands there. As a model of that, the log-probability of the
option i that stands at place k in question q is

    y(q, i) = s(i) + b(k) + c(q)

with s what the option is worth, b the liking for the place and its label, and c what normalises the question. The s and
b that fit all questions best (least squares) have the liking taken out: exactly, when it is additive in this way, and
as an average over the orders otherwise. Orders are rotations by a step that is coprime to the number of options, which
takes every option through different places and ties every place to every other, so that two orders are enough to tell
s from b. All groups of one round share b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HARDLY = 1e-6  # weight of a bound that stands for a log-probability that was not returned


def rotations(count: int, orders: int, group: int) -> list[NDArray[np.int64]]:
    """At most `orders` orders of `count` options; order[k] is the option at place k. Groups differ in their steps."""
    steps = [step for step in range(1, count) if math.gcd(step, count) == 1] or [0]
    step = steps[group % len(steps)]
    places = np.arange(count)
    return [(places + turn * step) % count for turn in range(min(orders, count))]


def without_liking(
    orders: Sequence[Sequence[NDArray[np.int64]]],
    measured: Sequence[Sequence[NDArray[np.float64]]],
    bounded: Sequence[Sequence[NDArray[np.bool_]]],
) -> list[NDArray[np.float64]]:
    """What each option of each group is worth.

    Args:
        orders: For each group, its orders: (K,) int64, the option at each place.
        measured: For each of these, (K,) float64 log-probabilities by place, finite.
        bounded: For each of these, (K,) whether that is only an upper bound; it hardly counts where the option was
            measured in another order.

    Returns:
        For each group, (K,) float64 log-probabilities of its options in nats; their probabilities sum to 1.
    """
    # From one order alone nobody can tell what an option is worth from what its place is.
    several = any(len(turns) > 1 for turns in orders)
    places = max(len(turns[0]) for turns in orders) if several else 0
    # Normal equations in blocks: s and c of a group meet those of another only in b, so that each group is solved for
    # given b, what is left is solved for b, and the matrices stay as small as a group.
    left, pull = np.zeros((places, places)), np.zeros(places)
    solved = []
    for turns, logs, bounds in zip(orders, measured, bounded, strict=True):
        size = len(turns[0])
        own, right = np.zeros((size + len(turns), size + len(turns))), np.zeros(size + len(turns))  # s, then c
        cross = np.zeros((size + len(turns), places))  # with b
        for question, (order, values, bound) in enumerate(zip(turns, logs, bounds, strict=True), start=size):
            weights = np.where(bound, _HARDLY, 1.0)  # (K,)
            own[order, order] += weights
            own[order, question] += weights
            own[question, order] += weights
            own[question, question] += weights.sum()
            right[order] += weights * values
            right[question] += (weights * values).sum()
            if several:
                place = np.arange(size)
                cross[order, place] += weights
                cross[question, place] += weights
                left[place, place] += weights
                pull[place] += weights * values
        # A constant may move between s and c: the smallest solution.
        inverse = np.linalg.pinv(own, rcond=1e-10, hermitian=True)
        left -= cross.T @ inverse @ cross
        pull -= cross.T @ inverse @ right
        solved.append((inverse @ right, inverse @ cross, size))
    liking = np.linalg.lstsq(left, pull, rcond=1e-9)[0] if several else pull
    worth = [(alone - mixed @ liking)[:size] for alone, mixed, size in solved]
    return [values - np.logaddexp.reduce(values) for values in worth]
