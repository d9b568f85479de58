"""Barks when nothing came in time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


class Watchdog:
    """Calls a function, once, when it has not been fed for a while; fed again, it watches again.

    Its thread starts with the first feeding and ends with `close`; it does not keep a program from ending.

    Args:
        seconds: How long it waits.
        bark: What it calls, from its own thread.
    """

    def __init__(self, seconds: float, bark: Callable[[], object]) -> None:
        self.seconds, self._bark = seconds, bark
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def feed(self) -> None:
        """Something fresh came."""
        with self._changed:
            asleep, self._deadline = self._deadline is None, monotonic() + self.seconds
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
            elif asleep:  # awake, it will see the new deadline when the old one comes
                self._changed.notify()

    def rest(self) -> None:
        """Nothing has to come until it is fed again."""
        with self._changed:
            self._deadline = None

    def close(self) -> None:
        """End the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._closed:
                    left = None if self._deadline is None else self._deadline - monotonic()
                    if left is not None and left <= 0:
                        break
                    self._changed.wait(left)
                if self._closed:
                    return
                self._deadline = None
            self._bark()
