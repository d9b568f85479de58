"""Giving up on a decision that somebody no longer waits for.

Whoever decides does so within `interruptible`; whatever takes long (a language model between two chunks of text, a
request while it waits for a server) asks `check_interruption` now and then. A context variable carries the question:
nothing in between has to pass it on, and no signal can come too early or hit the wrong decision. A part that starts a
thread hands its context on: `contextvars.copy_context().run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from saycan.errors import DecisionInterruptedError

_wanted: ContextVar[Callable[[], bool] | None] = ContextVar("saycan_interruption", default=None)


@contextmanager
def interruptible(wanted: Callable[[], bool]) -> Iterator[None]:
    """Within this block, `check_interruption` raises once `wanted()` is true. Blocks nest: each of them may want it."""
    outer = _wanted.get()
    token = _wanted.set(wanted if outer is None else lambda: wanted() or outer())
    try:
        yield
    finally:
        _wanted.reset(token)


def check_interruption() -> None:
    """Raise DecisionInterruptedError when nobody waits for the decision any more; outside a block do nothing."""
    wanted = _wanted.get()
    if wanted is not None and wanted():
        raise DecisionInterruptedError("the decision was given up before it was made")
