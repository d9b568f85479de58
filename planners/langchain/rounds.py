"""One distribution over more options than can be asked about at once.

The options are split into groups, each is asked about by itself, and then the best of every group are asked about
among themselves. If what makes one option likelier than another does not depend on what else there is to choose from
(Luce 1959, "Individual Choice Behavior"), then for an option i of a group whose best option is b

    log p(i) = log p(i | its group) - log p(b | its group) + log p(b | the best of all groups)

up to a constant that all options share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Group = NDArray[np.int64]
"""(K,) indices of options."""

Ask = Callable[[Sequence[Group]], Sequence[NDArray[np.float64]]]
"""Groups of at least two options to (K,) log-probabilities in nats, one array for each group."""


def in_rounds(count: int, most: int, ask: Ask) -> NDArray[np.float64]:
    """(N,) float64 log-probabilities in nats, normalised; one round when all options fit into one group.

    Args:
        count: How many options there are, N.
        most: How many may be in one group, at least 2.
        ask: Asks about several groups.
    """
    scores = _scores(np.arange(count), most, ask)
    if np.isneginf(scores).all():
        return scores
    top = scores.max()
    normalised: NDArray[np.float64] = scores - top - np.log(np.exp(scores - top).sum())
    return np.minimum(normalised, 0.0)  # rounding


def _scores(options: Group, most: int, ask: Ask) -> NDArray[np.float64]:
    """(K,) log-probabilities of some options, up to a constant."""
    groups = np.array_split(options, -(-len(options) // most))
    answers = iter(ask([group for group in groups if len(group) > 1]))
    found = [next(answers) if len(group) > 1 else np.zeros(len(group)) for group in groups]
    if len(groups) == 1:
        return found[0]
    best = np.array([group[scores.argmax()] for group, scores in zip(groups, found, strict=True)])
    among = _scores(best, most, ask)
    with np.errstate(invalid="ignore"):
        merged = [scores - scores.max() + level for scores, level in zip(found, among, strict=True)]
    # In a group that the model gave nothing at all to, the difference is of two infinities: nothing it stays.
    return np.concatenate([np.where(np.isnan(scores), -np.inf, scores) for scores in merged])
