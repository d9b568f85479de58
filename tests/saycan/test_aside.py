"""Blocking work does not block the loop, and a cancelled task leaves none of it behind."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from saycan.aside import aside


@pytest.fixture
def pool():
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_the_loop_goes_on_meanwhile(pool) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    assert await aside(pool, lambda: time.sleep(0.2) or "done", lambda: None) == "done"
    counting.cancel()
    assert turns > 5


async def test_errors_and_contexts_come_through(pool) -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")
    assert await aside(pool, variable.get, lambda: None) == "inside"
    with pytest.raises(KeyError, match="no"):
        await aside(pool, lambda: {}["no"], lambda: None)


@pytest.mark.parametrize("fails", [False, True])
async def test_cancelled_it_asks_the_call_to_end_and_waits_until_it_has(pool, fails: bool) -> None:
    begun, stop, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        assert stop.wait(5.0)
        time.sleep(0.1)
        ended.set()
        if fails:
            raise RuntimeError("stopped")

    task = asyncio.create_task(aside(pool, call, stop.set))
    await asyncio.to_thread(begun.wait, 5.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_what_has_not_begun_never_does(pool) -> None:
    release, begun, asked = threading.Event(), [], []
    first = asyncio.create_task(aside(pool, lambda: release.wait(5.0), lambda: None))
    second = asyncio.create_task(aside(pool, lambda: begun.append(1), lambda: asked.append(1)))
    await asyncio.sleep(0.05)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    release.set()
    assert await first is True
    assert (begun, asked) == ([], [])
