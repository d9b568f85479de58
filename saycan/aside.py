"""Work that blocks, seen from an event loop: done aside in a thread, and ended when whoever wants it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 0.05
"""Seconds between two calls of `give_up`."""


async def aside(pool: ThreadPoolExecutor, call: Callable[[], T], give_up: Callable[[], object]) -> T:
    """What `call()` returns, run in the pool with this task's context variables; the event loop goes on meanwhile.

    Cancelled, it does not return before the call has: a robot whose run is cancelled is held by then.

    Args:
        pool: Where to run; with one thread, calls wait for one another, and drivers never see a change of thread.
        call: What blocks.
        give_up: Asks the call to end; repeated until it does, for it may come before the call can heed it.

    Raises:
        asyncio.CancelledError: The task was cancelled.
        Exception: Whatever `call` raised.
    """
    job = pool.submit(contextvars.copy_context().run, call)
    done = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        if not job.cancel():  # it has begun
            while not done.done():
                give_up()
                with contextlib.suppress(asyncio.CancelledError):  # once is enough
                    await asyncio.wait({done}, timeout=_PATIENCE)
            if not done.cancelled():
                done.exception()  # looked at, so that asyncio does not report it as forgotten
        raise
