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
    sizes = [len(turns[0]) for turns in orders]
    starts = np.cumsum([0, *sizes])
    options = int(starts[-1])
    # From one order alone nobody can tell what an option is worth from what its place is.
    places = max(sizes) if any(len(turns) > 1 for turns in orders) else 0
    unknowns = options + places + sum(len(turns) for turns in orders)
    # The normal equations, because there are many more measurements than unknowns; each measurement touches three.
    equations, right = np.zeros((unknowns, unknowns)), np.zeros(unknowns)
    question = options + places
    for group, turns in enumerate(orders):
        for turn, order in enumerate(turns):
            size = len(order)
            touched = [starts[group] + order, np.full(size, question)]  # each (K,)
            touched += [options + np.arange(size)] if places else []
            weights = np.where(bounded[group][turn], _HARDLY, 1.0)  # (K,)
            for one in touched:
                np.add.at(right, one, weights * measured[group][turn])
                for other in touched:
                    np.add.at(equations, (one, other), weights)
            question += 1
    # The smallest solution, because a constant may move between s, b and c.
    fitted = np.linalg.lstsq(equations, right, rcond=1e-12)[0]
    worth = [fitted[start : start + size] for start, size in zip(starts[:-1], sizes, strict=True)]
    return [values - np.logaddexp.reduce(values) for values in worth]
