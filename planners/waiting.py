"""Waiting for somebody else's code without being at its mercy: no longer than agreed, and ready to give up.

What waits for a server knows neither deadlines nor Ctrl-C nor `saycan.interruption`. So it waits in a thread of its
own, and whoever wants the answer looks every `POLL` seconds whether it is there, whether it is still wanted, and how
late it is. A call that is given up ends on its own; its thread is a daemon, so it does not keep the process alive.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from saycan.errors import ModelUnavailableError
from saycan.interruption import check_interruption
from saycan.planners.deadline import Deadline

T = TypeVar("T")

POLL = 0.05
"""Seconds between two looks: an interruption takes no longer than this to be seen."""

_REMEDY = "try again, allow more seconds, or use another model"


def wait_for_all(calls: Sequence[Callable[[], T]], deadline: Deadline, *, at_once: int = 8, late: str = "") -> list[T]:
    """What each of `calls` returns, in order.

    Args:
        calls: What takes long; they run side by side, in threads that see the context variables of this one.
        deadline: For all of them together.
        at_once: How many run at the same time.
        late: What the error says when they took longer.

    Raises:
        ModelUnavailableError: They took longer.
        DecisionInterruptedError: Nobody waits for the decision any more.
        Exception: Whatever the first call that failed raised; no further call is begun.
    """
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
                left = deadline.remaining()
                if not left:
                    raise ModelUnavailableError(late or f"no answer within {deadline.seconds:g} s; {_REMEDY}")
                news.wait(min(POLL, left))
    finally:
        waiting.clear()
    return [found[index] for index in range(len(calls))]
