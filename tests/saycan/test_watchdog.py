"""The watchdog barks once when nothing came in time, and only then."""

from __future__ import annotations

import threading
import time

from saycan.watchdog import Watchdog


def test_it_barks_once_when_it_is_not_fed_and_watches_again_when_it_is() -> None:
    barks = threading.Semaphore(0)
    dog = Watchdog(0.05, barks.release)
    for _ in range(2):
        dog.feed()
        assert barks.acquire(timeout=5.0)
        assert not barks.acquire(timeout=0.15), "once"
    dog.close()


def test_fed_in_time_or_resting_it_is_quiet() -> None:
    barks = threading.Semaphore(0)
    dog = Watchdog(0.3, barks.release)
    for _ in range(10):
        dog.feed()
        time.sleep(0.05)
    dog.rest()
    assert not barks.acquire(timeout=0.5)
    dog.close()


def test_its_thread_ends_with_it() -> None:
    others = {*threading.enumerate()}
    dog = Watchdog(60.0, lambda: None)
    dog.feed()
    assert [thread.name for thread in {*threading.enumerate()} - others] == ["watchdog"]
    dog.close()
    dog.close()
    dog.feed()
    assert not {*threading.enumerate()} - others
