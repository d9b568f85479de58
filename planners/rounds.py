"""Rounds: a choice among more options than one question can hold.

The options are dealt into groups that a question can hold; each group g gives p_g(i), the probability of option i among
its group. The likeliest option w_g of every group then meets the other winners, in groups again if there are too many,
until one group is left. Under Luce's choice axiom (R. D. Luce, Individual Choice Behavior, 1959: the odds of two
options do not depend on which others stand beside them) the probability among all is, up to what normalises it,

    log p(i) = log p_g(i) - log p_g(w_g) + log p(w_g)

with log p(w_g) from the winners' own rounds. Winners, not fixed anchors, tie the groups together because theirs are the
probabilities that are measured best: an anchor that is unlikely in a group would carry its error into all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Group = list[int]
"""Indices of options that one question asks about."""

Ask = Callable[[list[Group]], Sequence[NDArray[np.float64]]]
"""Groups of at least two options to (K,) log-probabilities in nats within each of them; minus infinity means never."""


def in_rounds(count: int, most: int, ask: Ask) -> NDArray[np.float64]:
    """(N,) float64 log-probabilities in nats, normalised; one round when all options fit into one group.

    Args:
        count: How many options there are, N. Nothing is asked about a single one.
        most: How many one group holds at most, at least 2.
        ask: Asks about all groups of a round.
    """
    scores = np.zeros(count)
    if count:
        _play(list(range(count)), most, ask, scores)
    total = np.logaddexp.reduce(scores)
    return scores - total if total > -np.inf else scores


def dealt(options: Group, most: int) -> list[Group]:
    """The fewest groups of at most `most` options, whose sizes differ by at most one."""
    number = -(-len(options) // most)
    return [options[first::number] for first in range(number)]


def _play(options: Group, most: int, ask: Ask, scores: NDArray[np.float64]) -> None:
    """Write the scores of `options`, up to a constant."""
    groups = dealt(options, most)
    questions = [group for group in groups if len(group) > 1]  # one alone is no question
    answers = iter(ask(questions) if questions else ())
    within = [next(answers) if len(group) > 1 else np.zeros(1) for group in groups]
    if len(groups) == 1:
        scores[groups[0]] = within[0]
        return
    winners = [group[int(logs.argmax())] for group, logs in zip(groups, within, strict=True)]
    _play(winners, most, ask, scores)
    for group, logs, winner in zip(groups, within, winners, strict=True):
        # A group of which nothing is possible sends somebody on, so that nobody wins unasked, but gets nothing by it.
        scores[group] = logs - logs.max() + scores[winner] if logs.max() > -np.inf else -np.inf
