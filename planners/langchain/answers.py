"""From what a model answered to one log-probability for each option: exactly, or not at all.

An answer that is not word for word an option, but for case, spaces, quotation marks and a full stop, names none. What
an answer does not name gets minus infinity: the robot never does what nobody said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError
from saycan.planners.letters import read_letters


class UnusableAnswerError(Exception):
    """An answer that cannot be mapped on the options; the message says why, `answer` is what was said."""

    def __init__(self, reason: str, answer: str) -> None:
        super().__init__(reason)
        self.answer = answer


def label_of(option: str) -> str:
    """An option as a person would list it: without the space and the full stop that it has in a prompt."""
    return " ".join(option.split()).removesuffix(".")


class Options:
    """The options of one call, by their labels.

    Args:
        options: (N,) as they are scored.

    Attributes:
        labels: (M,) each different one once, in order; M < N where two options differ in case, spaces or
            punctuation at their ends alone.
        owners: (N,) int64, which label each option has.
    """

    def __init__(self, options: Sequence[str]) -> None:
        self._places: dict[str, int] = {}
        self.labels: list[str] = []
        owners = []
        for option in options:
            label = label_of(option)
            if _normalised(label) not in self._places:
                self._places[_normalised(label)] = len(self.labels)
                self.labels.append(label)
            owners.append(self._places[_normalised(label)])
        self.owners = np.array(owners, dtype=np.int64)

    def find(self, text: str) -> int | None:
        """The label that a text is, or None."""
        return self._places.get(_normalised(text))

    def spread(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) from (M,): options with the same label are the same event, and have the same score."""
        return scores[self.owners]


def ranked(options: Options, answer: str) -> NDArray[np.float64]:
    """(M,) from an order of preference, one option a line: the first gets twice what the second gets, and so on.

    Raises UnusableAnswerError when no line is an option.
    """
    places = _distinct(options.find(line) for line in answer.splitlines())
    if not places:
        raise UnusableAnswerError("no line of it is one of the options.", answer)
    weights = 0.5 ** np.arange(1, len(places) + 1)
    scores = np.full(len(options.labels), -np.inf)
    scores[places] = np.log(weights / weights.sum())
    return scores


def weighed(options: Options, named: Iterable[tuple[str, float]], answer: str) -> NDArray[np.float64]:
    """(M,) from options that the model named with their probabilities; where it names one twice, the first counts.

    Raises UnusableAnswerError when a probability is none, or when nothing that has one is an option.
    """
    scores = np.full(len(options.labels), -np.inf)
    total = 0.0
    for text, probability in named:
        if not (math.isfinite(probability) and 0.0 <= probability <= 1.0):
            raise UnusableAnswerError(f"{probability} is not a probability.", answer)
        place = options.find(text)
        if place is not None and probability > 0.0 and np.isneginf(scores[place]):
            scores[place] = math.log(probability)
            total += probability
    if total == 0.0:
        raise UnusableAnswerError("nothing that it gives a probability to is one of the options.", answer)
    return scores - max(0.0, math.log(total))


def lettered(count: int, metadata: Mapping[str, Any], answer: str) -> NDArray[np.float64] | None:
    """(count,) log-probabilities of the first `count` letters as the answer; None when there are none in the response.

    Raises:
        UnusableAnswerError: No letter is among the likeliest tokens.
        LanguageModelError: What came is not a log-probability.
    """
    likeliest = _likeliest_tokens(metadata)
    if likeliest is None:
        return None
    for token, log_probability in likeliest:
        if not log_probability <= 1e-6:
            raise LanguageModelError(f"a log-probability of {log_probability} came for {token!r}; it must be at most 0")
    scores, bounded = read_letters(likeliest, count)
    if bounded.all():
        raise UnusableAnswerError("it is not the letter of an option.", answer)
    return scores


def _likeliest_tokens(metadata: Mapping[str, Any]) -> list[tuple[str, float]] | None:
    """What could have been the first token of the answer that is not white space, with log-probabilities in nats.

    OpenAI and what is compatible with it: {"logprobs": {"content": [...]}}; Google: {"logprobs_result": [...]}.
    """
    found: Any = metadata.get("logprobs") or metadata.get("logprobs_result")
    if isinstance(found, Mapping):
        found = found.get("content")
    try:
        for entry in found or ():
            if entry["token"].strip():
                return [(str(one["token"]), float(one["logprob"])) for one in entry.get("top_logprobs") or [entry]]
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise LanguageModelError(f"the log-probabilities of the response are malformed: {error!r}") from error
    return None


def _distinct(places: Iterable[int | None]) -> list[int]:
    return list(dict.fromkeys(place for place in places if place is not None))


def _normalised(text: str) -> str:
    return " ".join(text.strip(" \t\r\n\"'`*.-").split()).casefold()
