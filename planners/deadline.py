"""The moment by which a language model must have answered one call of `score` or `generate`."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock.

    Attributes:
        seconds: How long there was in all, in s.
        ends: When it is over, in s of `time.monotonic`.
    """

    seconds: float
    ends: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """`seconds` from now."""
        return cls(seconds, time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.ends - time.monotonic())
