"""Waiting for somebody else's code without being at its mercy: no longer than agreed, and ready to give up.

What waits for a server knows neither deadlines nor Ctrl-C nor `saycan.interruption`. So it waits in a thread of its
own, and whoever wants the answer looks every `POLL` seconds whether it is there, whether it is still wanted, and how
late it is. A call that is given up ends on its own; its thread is a daemon, so it does not keep the process alive.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from saycan.errors import ModelUnavailableError
from saycan.interruption import check_interruption

T = TypeVar("T")

POLL = 0.05
"""Seconds between two looks: an interruption takes no longer than this to be seen."""


def wait_for(call: Callable[[], T], seconds: float) -> T:
    """What `call()` returns, run in a thread that sees the context variables of this one.

    Args:
        call: What takes long.
        seconds: How long to wait for it.

    Raises:
        ModelUnavailableError: It took longer.
        DecisionInterruptedError: Nobody waits for the decision any more.
        Exception: Whatever `call` raised.
    """
    return wait_for_all([call], seconds)[0]


def wait_for_all(calls: Sequence[Callable[[], T]], seconds: float, at_once: int = 8) -> list[T]:
    """What each of `calls` returns, in order; `seconds` is the time for all of them together.

    Args:
        calls: What takes long; they run side by side.
        seconds: How long to wait.
        at_once: How many run at the same time.

    Raises:
        ModelUnavailableError, DecisionInterruptedError, Exception: As for `wait_for`; after an error no further call
            is begun.
    """
    ends = time.monotonic() + seconds
    waiting = deque(enumerate(calls))
    found: dict[int, T] = {}
    errors: list[BaseException] = []
    news = threading.Condition()

    def work() -> None:
        while True:
            try:
                index, call = waiting.popleft()  # atomic, as is clear() below
            except IndexError:
                return
            try:
                result = call()
            except BaseException as error:  # handed over to whoever waits
                with news:
                    errors.append(error)
                    waiting.clear()
                    news.notify()
                return
            with news:
                found[index] = result
                news.notify()

    for _ in range(min(at_once, len(calls))):
        context = contextvars.copy_context()  # one context can be entered by one thread only
        threading.Thread(target=context.run, args=(work,), name="saycan-waiting", daemon=True).start()
    try:
        with news:
            while len(found) < len(calls):
                if errors:
                    raise errors[0]
                check_interruption()
                left = ends - time.monotonic()
                if left <= 0:
                    raise ModelUnavailableError(
                        f"no answer within {seconds:.3g} s; try again, allow more seconds, or use another model"
                    )
                news.wait(min(POLL, left))
    finally:
        waiting.clear()
    return [found[index] for index in range(len(calls))]
