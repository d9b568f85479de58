"""Real processes that speak ROS 2 over loopback, started and ended by tests."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

PATIENCE = 60.0


class Process:
    """A process whose lines are read as they come, and which is ended with its block.

    Args:
        arguments: Of python.
        domain: The ROS domain that it is in.
    """

    def __init__(self, arguments: Sequence[str], domain: int) -> None:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1"}
        self.popen = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: list[str] = []
        self._new: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hear(self, part: str, patience: float = PATIENCE) -> str:
        """Wait for a line that holds this."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                line = self._new.get(timeout=0.1)
            except queue.Empty:
                assert self.popen.poll() is None or not self._new.empty(), f"it ended: {self.text}"
                continue
            if part in line:
                return line
        raise AssertionError(f"never said {part!r}: {self.text}")

    @property
    def text(self) -> str:
        """All that it said."""
        return "".join(self.lines)[-3000:]

    def kill(self) -> None:
        """At once, as when the power fails."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(timeout=10)
        self._close()

    def end(self) -> str:
        """Ask it to end; what it said."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end when it was asked to: {self.text}") from None
        self._close()
        return "".join(self.lines)

    def _close(self) -> None:
        assert self.popen.stdout is not None
        self._reader.join(timeout=5)
        self.popen.stdout.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        elif self.popen.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line)
            self._new.put(line)


def until(condition: Callable[[], object], patience: float = PATIENCE, problem: str = "it did not happen") -> None:
    """Wait for something."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.01)
