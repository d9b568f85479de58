"""Waiting keeps its deadline, heeds an interruption at once, and hands errors and contexts across."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from saycan.errors import DecisionInterruptedError, ModelUnavailableError
from saycan.interruption import interruptible
from saycan.planners.deadline import Deadline
from saycan.planners.waiting import wait_for_all


def test_answers_come_in_the_order_of_the_calls() -> None:
    delays = [0.08, 0.0, 0.04, 0.0]
    assert wait_for_all([lambda d=d: (time.sleep(d), d)[1] for d in delays], Deadline.after(5.0)) == delays
    assert wait_for_all([], Deadline.after(5.0)) == []


def test_no_more_than_so_many_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    wait_for_all([call] * 9, Deadline.after(5.0), at_once=3)
    assert most == 3


def test_an_error_comes_through_and_ends_the_rest() -> None:
    begun = []

    def call(index: int) -> None:
        begun.append(index)
        if index == 1:
            raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        wait_for_all([lambda i=i: call(i) for i in range(5)], Deadline.after(5.0), at_once=1)
    assert begun == [0, 1]


def test_a_deadline_is_kept() -> None:
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(ModelUnavailableError, match=r"no answer within 0\.2 s"):
        wait_for_all([lambda: release.wait(10.0)], Deadline.after(0.2))
    assert 0.15 < time.monotonic() - began < 1.0
    with pytest.raises(ModelUnavailableError, match=r"^too late$"):
        wait_for_all([lambda: release.wait(10.0)], Deadline.after(0.0), late="too late")
    release.set()


def test_an_interruption_is_seen_within_a_fraction_of_a_second() -> None:
    release, wanted = threading.Event(), threading.Event()
    threading.Timer(0.1, wanted.set).start()
    began = time.monotonic()
    with interruptible(wanted.is_set), pytest.raises(DecisionInterruptedError):
        wait_for_all([lambda: release.wait(10.0)], Deadline.after(10.0))
    assert time.monotonic() - began < 0.5
    release.set()


def test_the_call_sees_the_context_of_who_waits() -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")
    assert wait_for_all([variable.get, variable.get], Deadline.after(5.0)) == ["inside", "inside"]
