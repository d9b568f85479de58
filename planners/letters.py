"""Letters: every option of a question gets one, and the likeliest first tokens of the answer say how likely each is.

A service returns the log-probabilities of its likeliest tokens alone, twenty at most. A letter that is not among them
gets the most that it can have: the least of those that are, or its share of the probability that they leave, whichever
is less. Such an upper bound is marked, so that whoever asks again in another order can go by what was measured there.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LETTERS = "ABCDEFGHIJKLMNOPQRST"
"""Labels of up to twenty options: each is one token to the tokenizers in use, and services return twenty at most."""

_AROUND = " \t\r\n.:)(*\"'"  # what may stand beside a letter in its token: "A", " A", "A." and "(A" are one event
_LEAST = -50.0  # nats; some services write -9999 for "hardly ever", which bounds nothing
_LEFT = 1e-12  # probability that is left at the least: the others may sum to 1 by rounding


def read_letters(likeliest: Iterable[tuple[str, float]], count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each of the first `count` letters has as the first token of an answer.

    Args:
        likeliest: The likeliest tokens with their log-probabilities in nats.
        count: How many options there are, up to len(LETTERS).

    Returns:
        (count,) float64 log-probabilities in nats, and (count,) whether each is only an upper bound. Where the tokens
        hold no letter, all are.
    """
    logs, least, total = np.full(count, -np.inf), 0.0, 0.0
    for token, log in likeliest:
        least, total = min(least, log), total + np.exp(log)
        letter = token.strip(_AROUND)
        if len(letter) == 1 and letter in LETTERS[:count]:
            place = LETTERS.index(letter)
            logs[place] = np.logaddexp(logs[place], log)
    bounded = np.isneginf(logs)
    if bounded.any():
        share = np.log(max(1.0 - total, _LEFT) / bounded.sum())
        logs[bounded] = min(max(least, _LEAST), share)
    return logs, bounded
