"""The gate: who may let a robot move again, and what has to be fresh."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.action import Action
from saycan.errors import HaltedError, LeaseError, RobotError, UnsafeActionError
from saycan.gate import Gate
from saycan.halt import Severity
from saycan.lease import Lease
from saycan.observation import Observation
from saycan.robot import Freshness
from tests.saycan.drivers import Driver

# Halts ---------------------------------------------------------------------------------------------------------------


def test_of_several_halts_the_worst_counts_and_says_what_lets_it_move_again() -> None:
    driver = Driver()
    gate = Gate(driver)
    gate.halt(Severity.HOLD, "a pause")
    assert gate.halted is not None and gate.halted.severity is Severity.HOLD
    gate.apply(Action())
    assert gate.halted is None, "the next action ends a hold"
    gate.halt(Severity.STOP, "a frozen camera")
    gate.halt(Severity.HOLD, "a pause")
    with pytest.raises(HaltedError, match=r"stopped: a frozen camera; .*release\(\)"):
        gate.apply(Action())
    gate.emergency_stop("smoke")
    gate.halt(Severity.STOP, "a frozen camera")
    gate.release()
    with pytest.raises(HaltedError, match=r"an emergency stop: smoke; .*recover\(\)"):
        gate.apply(Action())
    sent = len(driver.sent)
    gate.recover()
    gate.apply(Action())
    assert len(driver.sent) == sent + 1 and gate.halted is None


@given(st.lists(st.sampled_from([*Severity, "release", "recover"]), max_size=12))
def test_nothing_moves_while_anything_worse_than_a_hold_holds(events) -> None:
    driver = Driver()
    gate = Gate(driver)
    worst = 0
    for event in events:
        if event == "release":
            gate.release()
            worst = 0 if worst < Severity.EMERGENCY else worst
        elif event == "recover":
            gate.recover()
            worst = 0
        else:
            gate.halt(event, "test")
            worst = max(worst, event)
        before = len(driver.sent)
        if worst > Severity.HOLD:
            with pytest.raises(HaltedError):
                gate.apply(Action())
            assert len(driver.sent) == before
        else:
            gate.apply(Action())
            worst = 0


class Powered(Driver):
    """Has more to offer than holding."""

    def __init__(self) -> None:
        super().__init__()
        self.power = True
        self.problem: Exception | None = None
        self.again: Callable[[], None] | None = None

    def emergency_stop(self) -> None:
        self.power = False

    def recover(self) -> None:
        if self.problem is not None:
            raise self.problem
        if self.again is not None:
            self.again()
        self.power = True


def test_an_emergency_stop_reaches_the_driver_and_so_does_the_recovery() -> None:
    driver = Powered()
    gate = Gate(driver)
    gate.halt(Severity.STOP, "x")
    assert driver.power
    gate.emergency_stop()
    assert not driver.power and driver.holds == 2
    for driver.problem in (RobotError("turn the button first"), OSError("turn the button first")):
        with pytest.raises(RobotError, match="turn the button"):
            gate.recover()
        with pytest.raises(HaltedError):
            gate.apply(Action())
    driver.problem = None
    gate.recover()
    assert driver.power and gate.halted is None
    gate.close()


def test_who_stops_it_while_it_recovers_is_heard() -> None:
    driver = Powered()
    gate = Gate(driver)
    gate.emergency_stop("smoke")
    driver.again = lambda: gate.emergency_stop("more smoke")
    with pytest.raises(HaltedError, match="an emergency stop: smoke"):
        gate.recover()
    assert not driver.power, "whatever the driver did meanwhile"
    with pytest.raises(HaltedError):
        gate.apply(Action())
    driver.again = None
    gate.recover()
    assert driver.power and gate.halted is None
    gate.close()


class Slow(Driver):
    """Lets others in while it applies."""

    def __init__(self) -> None:
        super().__init__()
        self.within, self.go_on = threading.Event(), threading.Event()

    def apply(self, action: Action) -> Action:
        self.within.set()
        assert self.go_on.wait(10)
        return super().apply(action)


def test_a_stop_while_an_action_is_on_its_way_holds_the_robot_after_it() -> None:
    driver = Slow()
    gate = Gate(driver)
    raised: list[BaseException] = []

    def act() -> None:
        try:
            gate.apply(Action())
        except HaltedError as error:
            raised.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    assert driver.within.wait(10)
    gate.emergency_stop("now")
    holds = driver.holds
    driver.go_on.set()
    thread.join(10)
    assert raised and driver.holds > holds, "held once more, after what was on its way"


# Freshness -----------------------------------------------------------------------------------------------------------


class Ticking(Driver):
    """With a clock."""

    def observe(self) -> Observation:
        return replace(super().observe(), time=time.monotonic())


def fresh(driver: Driver, **seconds: float) -> Gate:
    driver.spec = replace(driver.spec, freshness=Freshness(**seconds))
    return Gate(driver)


def test_a_robot_that_gets_no_action_in_time_is_held_and_moves_again_with_the_next() -> None:
    driver = Driver()
    with fresh(driver, command=0.05) as gate:
        gate.apply(Action())
        time.sleep(0.15)  # three periods are waited for at least
        deadline = time.monotonic() + 5.0
        while driver.holds == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert driver.holds == 1 and gate.halted is not None and "no action came" in gate.halted.reason
        gate.observe()
        gate.apply(Action())
        assert gate.halted is None
        gate.hold()
        holds = driver.holds
        time.sleep(0.5)
        assert driver.holds == holds, "one that is held already needs no watching"


def test_an_action_that_follows_from_an_old_observation_is_refused() -> None:
    driver = Ticking()
    with fresh(driver, observation=0.1, command=60.0) as gate:
        gate.observe()
        gate.apply(Action())
        time.sleep(0.12)
        with pytest.raises(UnsafeActionError, match=r"an observation 0.\d s old, more than 0.1 s"):
            gate.apply(Action())
        assert len(driver.sent) == 1 and driver.holds
        gate.observe()
        gate.apply(Action())


def test_a_robot_that_was_stopped_and_released_does_not_act_on_what_it_saw_before() -> None:
    driver = Ticking()
    with fresh(driver, observation=0.1, command=60.0) as gate:
        gate.observe()
        gate.halt(Severity.STOP, "a door opened")
        time.sleep(0.12)
        gate.release()
        with pytest.raises(UnsafeActionError, match=r"an observation 0.\d s old"):
            gate.apply(Action())
        assert not driver.sent
        gate.observe()
        gate.apply(Action())


def test_in_a_simulator_time_is_counted_in_actions() -> None:
    driver = Driver()
    driver.spec = replace(driver.spec, simulated=True, freshness=Freshness(observation=0.5))
    gate = Gate(driver)
    gate.observe()
    for _ in range(6):
        gate.apply(Action())
    with pytest.raises(UnsafeActionError, match=r"0\.6 s old"):
        gate.apply(Action())


def test_a_robot_whose_clock_stands_still_is_stopped() -> None:
    driver = Driver()  # whose time is always 0
    gate = fresh(driver, observation=0.1)
    gate.observe()
    time.sleep(0.15)
    with pytest.raises(HaltedError, match="have not changed their time for 0"):
        gate.observe()
    gate.release()
    gate.observe()


def test_a_frozen_camera_stops_the_robot() -> None:
    driver = Driver()
    shape = (4, 4, 3)
    driver.spec = replace(driver.spec, cameras={"head": shape}, freshness=Freshness(picture=0.45), simulated=True)
    picture = np.full(shape, 99, np.uint8)
    now = [0.0]
    seen = driver.observe

    def observe() -> Observation:
        now[0] += 0.1
        return replace(seen(), time=now[0], images={"head": picture}, base_pose=np.array([now[0], 0, 0]))

    driver.observe = observe  # type: ignore[method-assign]
    gate = Gate(driver)
    with pytest.raises(HaltedError, match=r"stopped: camera 'head' has shown the same picture for 0\.5 s"):
        for _ in range(10):
            gate.observe()
            gate.apply(Action())
    assert len(driver.sent) == 5 and driver.holds


def test_one_gate_drives_a_device(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    driver = Driver()
    driver.spec = replace(driver.spec, device="arm 7")
    with Gate(driver), pytest.raises(LeaseError, match="arm 7 is driven by"):
        Gate(driver)
    Gate(driver).close()


def test_a_driver_that_has_its_device_already_is_driven_by_one_gate_at_a_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    driver = Driver()
    driver.spec = replace(driver.spec, device="arm 7")
    driver.lease = Lease("arm 7")
    with Gate(driver), pytest.raises(LeaseError, match="the driver of arm 7 is driven by"):
        Gate(driver)
    with pytest.raises(LeaseError, match="arm 7 is driven by"):
        Lease("arm 7")  # connected as it is, until its driver gives it back
    driver.lease.release()
    Lease("arm 7").release()
