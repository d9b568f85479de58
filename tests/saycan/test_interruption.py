from __future__ import annotations

import contextvars
import threading

import pytest

from saycan.errors import DecisionInterruptedError
from saycan.interruption import check_interruption, interruptible


def test_outside_a_block_nothing_is_asked() -> None:
    check_interruption()


def test_it_raises_once_it_is_wanted_and_only_within() -> None:
    wanted = False
    with interruptible(lambda: wanted):
        check_interruption()
        wanted = True
        with pytest.raises(DecisionInterruptedError):
            check_interruption()
    check_interruption()


def test_of_nested_blocks_each_may_want_it() -> None:
    with interruptible(lambda: True), interruptible(lambda: False), pytest.raises(DecisionInterruptedError):
        check_interruption()


def test_a_thread_hears_it_with_the_context_that_it_was_given() -> None:
    heard: list[bool] = []

    def listen() -> None:
        try:
            check_interruption()
        except DecisionInterruptedError:
            heard.append(True)
        else:
            heard.append(False)

    with interruptible(lambda: True):
        context = contextvars.copy_context()
        threads = [threading.Thread(target=listen), threading.Thread(target=context.run, args=(listen,))]
    for thread in threads:
        thread.start()
        thread.join()
    assert heard == [False, True]
