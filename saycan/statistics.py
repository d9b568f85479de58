"""Success rates with their uncertainty, and how good probabilities are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share of successes, with the 95% interval of Wilson (1927), which holds at 0 and at 1 too.

    Attributes:
        successes: How many succeeded.
        trials: Of how many; at least 1.
        worth: As how many independent ones they tell; None for as many as there are.
    """

    successes: int
    trials: int
    worth: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials < 1:
            raise ValueError(f"a rate needs 0 <= successes <= trials and a trial, found {self.successes}/{self.trials}")

    @classmethod
    def of_groups(cls, groups: Iterable[Sequence[bool]]) -> Rate:
        """Of trials in groups that resemble each other, such as one case in several kitchens.

        They are worth as many as their variance between groups says (the design effect of Rao and Scott 1992, "A simple
        method for the analysis of clustered binary data", Biometrics 48), from one a group, where all in a group end
        alike, to one a trial. A single group speaks about itself alone: all count.
        """
        found = [(sum(group), len(group)) for group in groups]
        good, n, k = sum(one for one, _ in found), sum(size for _, size in found), len(found)
        p = good / max(n, 1)
        if k < 2 or n == k:
            return cls(good, n)
        if p in (0.0, 1.0):
            return cls(good, n, k)
        variance = k / (k - 1) * sum((one - size * p) ** 2 for one, size in found) / n**2
        return cls(good, n, min(max(p * (1 - p) / max(variance, 1e-12), k), n))

    @property
    def value(self) -> float:
        """The share itself, in [0, 1]."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) of the 95% interval, in [0, 1]."""
        n, p, z2 = self.worth or self.trials, self.value, Z95 * Z95
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.successes}/{self.trials} ({self.value:.1%}, 95% interval {low:.1%} to {high:.1%})"


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how likely a positive scores above a negative, ties counting half; NaN for one class.

    By the rank sum of Mann and Whitney (1947).
    """
    count, others = int(positive.sum()), int((~positive).sum())
    if count == 0 or others == 0:
        return float("nan")
    _, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - 0.5 * (sizes - 1))[inverse]
    return float((ranks[positive].sum() - 0.5 * count * (count + 1)) / (count * others))


def auc_interval(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """(low, high) of the 95% interval of `auc`, by the bootstrap: percentiles over `draws` samples with replacement.

    Each class is drawn from by itself, so that both are in every sample; NaN for one class.
    """
    if positive.all() or not positive.any():
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(positive), np.flatnonzero(~positive)]
    samples = [np.concatenate([rng.choice(one, len(one)) for one in classes]) for _ in range(draws)]
    low, high = np.percentile([auc(scores[some], positive[some]) for some in samples], [2.5, 97.5])
    return float(low), float(high)


def calibration_error(probabilities: NDArray[np.float64], happened: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599): mean |share that happened - mean probability|.

    The bins are equally wide and weigh as many cases as they hold.
    """
    if len(probabilities) == 0:
        return float("nan")
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        abs(float(happened[which == k].mean()) - float(probabilities[which == k].mean())) * float((which == k).mean())
        for k in np.unique(which)
    ]
    return float(sum(gaps))


def calibration_floor(probabilities: NDArray[np.float64], bins: int = 10, draws: int = 1000, seed: int = 0) -> float:
    """The `calibration_error` that probabilities which are exactly right have in the mean, for there are so few cases.

    Outcomes are drawn from the probabilities themselves (Vaicenavicius et al. 2019, arXiv:1902.06977).
    """
    rng = np.random.default_rng(seed)
    happened = rng.random((draws, len(probabilities))) < probabilities
    return float(np.mean([calibration_error(probabilities, one, bins) for one in happened]))
