"""How long something has taken, in pieces."""

from __future__ import annotations

from time import perf_counter


class Stopwatch:
    """Adds up the wall-clock seconds that are spent within it, one time after the other.

    Attributes:
        seconds: So far, of the times that have ended.
    """

    def __init__(self) -> None:
        self.seconds = self._began = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._began
