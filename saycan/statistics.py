"""Success rates with their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share of successes, with the 95% interval of Wilson (1927), which holds at 0 and at 1 too.

    Attributes:
        successes: How many succeeded.
        trials: Of how many; at least 1.
    """

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials < 1:
            raise ValueError(f"a rate needs 0 <= successes <= trials and a trial, found {self.successes}/{self.trials}")

    @property
    def value(self) -> float:
        """The share itself, in [0, 1]."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) of the 95% interval, in [0, 1]."""
        n, p, z2 = self.trials, self.value, Z95 * Z95
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(middle - half, 0.0), min(middle + half, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.successes}/{self.trials} ({self.value:.1%}, 95% interval {low:.1%} to {high:.1%})"
