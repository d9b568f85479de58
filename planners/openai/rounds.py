"""Rounds: a choice among more options than one question can hold.

The options are dealt into groups that a question can hold; each group g gives p_g(i), the probability of option i among
its group. The likeliest option w_g of every group then meets the other winners, in groups again if there are too many,
until one group is left. Under Luce's choice axiom (R. D. Luce, Individual Choice Behavior, 1959: the odds of two
options do not depend on which others stand beside them) the probability among all is, up to a constant,

    log p(i) = log p_g(i) - log p_g(w_g) + log p(w_g)

with log p(w_g) from the winners' own rounds. Winners, not fixed anchors, tie the groups together because theirs are the
probabilities that are measured best: an anchor that is unlikely in a group would carry its error into all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Ask = Callable[[list[list[int]]], Sequence[NDArray[np.float64]]]
"""Groups of indices to (len(group),) log-probabilities within each group; at least one of each above minus infinity."""


def in_rounds(count: int, size: int, ask: Ask) -> NDArray[np.float64]:
    """(count,) float64 log-probabilities in nats, up to a constant, from questions of at most `size` >= 2 options."""
    scores = np.zeros(count)
    if count > 1:
        _play(list(range(count)), size, ask, scores)
    return scores


def _play(options: list[int], size: int, ask: Ask, scores: NDArray[np.float64]) -> None:
    """Write the scores of `options`; those of the group of the last round sum to 1."""
    number = -(-len(options) // size)
    groups = [options[first::number] for first in range(number)]  # sizes differ by at most one
    answers = iter(ask([group for group in groups if len(group) > 1]))
    within = [next(answers) if len(group) > 1 else np.zeros(1) for group in groups]  # one alone is no question
    if number == 1:
        scores[groups[0]] = within[0]
        return
    winners = [group[int(np.argmax(logs))] for group, logs in zip(groups, within, strict=True)]
    _play(winners, size, ask, scores)
    for group, logs, winner in zip(groups, within, winners, strict=True):
        scores[group] = logs - logs.max() + scores[winner]
