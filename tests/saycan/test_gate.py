"""The gate: nothing unsafe reaches a driver, whatever is asked for."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.action import Action
from saycan.errors import HaltedError, LeaseError, RobotError, UnsafeActionError
from saycan.gate import Gate
from saycan.halt import Severity
from saycan.observation import Observation
from saycan.robot import Freshness, Limits, RobotSpec

LIMITS = Limits(0.5, 1.5, 0.4, 1.0, (0.1, -0.5, 0.2), (0.9, 0.5, 1.4))


class Driver:
    def __init__(self, ee=(0.5, 0.0, 1.0), limits: Limits = LIMITS) -> None:
        self.spec = RobotSpec("driver", 10.0, limits, joints=2)
        self.ee, self.sent, self.holds, self.closed = np.array(ee, float), [], 0, 0
        self.broken = ""

    def observe(self) -> Observation:
        if self.broken == "observe":
            raise OSError("cable")
        return Observation(0.0, {}, np.zeros(2), 1.0, self.ee.copy(), np.array([1.0, 0, 0, 0]), np.zeros(3))

    def apply(self, action: Action) -> Action:
        if self.broken == "apply":
            raise OSError("cable")
        self.sent.append(action)
        self.ee = self.ee + action.ee_delta[:3]
        return action

    def hold(self) -> None:
        self.holds += 1
        if self.broken == "hold":
            raise OSError("cable")

    def close(self) -> None:
        self.closed += 1
        if self.broken == "close":
            raise OSError("cable")


numbers = st.floats(allow_nan=True, allow_infinity=True)
modest = st.floats(-3, 3)


def actions(of: st.SearchStrategy[float]) -> st.SearchStrategy[Action]:
    tuples = st.tuples(*[of] * 6), of, st.tuples(*[of] * 3), st.booleans()
    return st.tuples(*tuples).map(lambda parts: Action(*parts))


@given(actions(numbers), st.tuples(modest, modest, modest))
def test_whatever_is_asked_the_driver_gets_finite_actions_within_limits_or_nothing(action, ee) -> None:
    driver = Driver(ee)
    gate = Gate(driver)
    try:
        gate.apply(action)
    except UnsafeActionError:
        assert not driver.sent and driver.holds == 1
        return
    (sent,) = driver.sent
    assert sent.is_finite()
    assert np.linalg.norm(sent.ee_delta[:3]) <= 0.05 + 1e-12
    assert np.linalg.norm(sent.ee_delta[3:]) <= 0.15 + 1e-12
    assert np.linalg.norm(sent.base_delta[:2]) <= 0.04 + 1e-12
    assert abs(sent.base_delta[2]) <= 0.1
    assert 0.0 <= sent.gripper <= 1.0


@given(actions(modest), st.tuples(modest, modest, modest))
def test_the_end_effector_never_gets_further_out_of_the_workspace(action, ee) -> None:
    driver = Driver(ee)
    before = driver.ee.copy()
    Gate(driver).apply(action)
    low, high = np.array(LIMITS.workspace_low), np.array(LIMITS.workspace_high)

    def outside(position):
        return np.maximum(np.maximum(low - position, position - high), 0.0)

    assert np.all(outside(driver.ee) <= outside(before) + 1e-12)


@given(actions(modest))
def test_what_passes_once_passes_unchanged_again(action) -> None:
    gate = Gate(Driver())
    gate.observe()
    once = gate.limit(action)
    np.testing.assert_allclose(gate.limit(once).to_vector(), once.to_vector(), atol=1e-12)


@given(actions(st.floats(-0.002, 0.002)))
def test_a_small_action_goes_through_as_the_very_same_object_apart_from_the_gripper(action) -> None:
    small = Action(action.ee_delta, 0.5, action.base_delta)
    assert Gate(Driver()).limit(small) is small


def test_a_fast_command_keeps_its_direction() -> None:
    sent = Gate(Driver()).apply(Action([3.0, 4.0, 0.0, 0, 0, 0], base_delta=[3.0, -4.0, 9.0]))
    np.testing.assert_allclose(sent.ee_delta[:3], [0.03, 0.04, 0.0])
    np.testing.assert_allclose(sent.base_delta, [0.024, -0.032, 0.1])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("index", range(10))
def test_any_number_that_is_not_finite_is_refused_and_named(bad, index) -> None:
    driver = Driver()
    vector = np.zeros(11)
    vector[index] = bad
    with pytest.raises(UnsafeActionError, match=r"not finite: .* = .*held"):
        Gate(driver).apply(Action.from_vector(vector))
    assert driver.sent == [] and driver.holds == 1


@pytest.mark.parametrize("thing", [None, np.zeros(11), "up", {"ee_delta": [0] * 6}])
def test_what_is_no_action_is_refused(thing) -> None:
    driver = Driver()
    with pytest.raises(UnsafeActionError, match="expected an Action"):
        Gate(driver).apply(thing)
    assert driver.holds == 1


def test_moving_back_in_is_allowed_and_moving_along_the_wall_too() -> None:
    gate = Gate(Driver((1.2, 0.0, 1.0)))
    assert gate.apply(Action([-0.04, 0.0, 0.0, 0, 0, 0])).ee_delta[0] == -0.04
    sent = gate.apply(Action([0.02, 0.03, 0.0, 0, 0, 0]))
    np.testing.assert_allclose(sent.ee_delta[:3], [0.0, 0.03, 0.0])


def test_the_workspace_holds_between_observations_too() -> None:
    driver = Driver((0.8, 0.0, 1.0))
    gate = Gate(driver)
    gate.observe()
    for _ in range(20):
        gate.apply(Action([0.05, 0, 0, 0, 0, 0]))
    assert driver.ee[0] == pytest.approx(0.9)


def test_terminate_moves_nothing_but_keeps_the_gripper() -> None:
    sent = Gate(Driver()).apply(Action([0.01] * 6, 0.3, [0.01] * 3, terminate=True))
    assert sent.terminate and sent.gripper == 0.3
    assert not sent.ee_delta.any() and not sent.base_delta.any()


def test_a_fixed_base_stays_where_it_is() -> None:
    driver = Driver(limits=Limits(base_speed=0.0, base_turn=0.0))
    assert not Gate(driver).apply(Action(base_delta=[1.0, 1.0, 1.0])).base_delta.any()


def test_a_gate_needs_no_gate() -> None:
    gate = Gate(Driver())
    assert Gate(gate) is gate and Gate(gate).driver is gate.driver


def test_what_the_driver_raises_becomes_a_robot_error_with_its_cause() -> None:
    driver = Driver()
    gate = Gate(driver)
    for verb, call in {"observe": gate.observe, "apply": lambda: gate.apply(Action())}.items():
        driver.broken = ""
        gate.observe()
        driver.broken = verb
        with pytest.raises(RobotError, match="cable") as caught:
            call()
        assert isinstance(caught.value.__cause__, OSError)
    assert driver.holds == 1  # after apply() failed


def test_hold_never_raises_and_close_is_final() -> None:
    driver = Driver()
    with Gate(driver) as gate:
        driver.broken = "hold"
        gate.hold()
    assert (driver.closed, gate.closed) == (1, True)
    gate.close()
    gate.hold()
    assert driver.closed == 1
    for call in (gate.observe, lambda: gate.apply(Action())):
        with pytest.raises(RobotError, match="was closed"):
            call()


def test_a_close_that_fails_is_told() -> None:
    driver = Driver()
    driver.broken = "close"
    gate = Gate(driver)
    with pytest.raises(RobotError, match="cable"):
        gate.close()
    assert gate.closed and driver.holds == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": np.zeros(3)}, r"joints must be an array of shape \(2,\), found \(3,\)"),
        ({"ee_position": [0, 0, 0]}, "ee_position must be an array"),
        ({"base_pose": np.array([0, np.nan, 0])}, "base_pose is not finite"),
        ({"gripper": math.nan}, "must be finite"),
    ],
)
def test_bad_observations_are_refused(change, message, monkeypatch) -> None:
    driver = Driver()
    seen = driver.observe()
    bad = Observation(**{**{name: getattr(seen, name) for name in seen.__dataclass_fields__}, **change})
    monkeypatch.setattr(driver, "observe", lambda: bad)
    with pytest.raises(RobotError, match=message):
        Gate(driver).observe()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ({}, "no image of camera 'head'; found none"),
        ({"head": np.zeros((4, 4, 3))}, "must be uint8"),
        ({"head": np.zeros((4, 5, 3), np.uint8)}, r"of shape \(4, 4, 3\)"),
    ],
)
def test_pictures_are_what_the_specification_says(images, message, monkeypatch) -> None:
    driver = Driver()
    seen = driver.observe()
    driver.spec = RobotSpec("driver", cameras={"head": (4, 4, 3)}, joints=2)
    bad = Observation(**{**{name: getattr(seen, name) for name in seen.__dataclass_fields__}, "images": images})
    monkeypatch.setattr(driver, "observe", lambda: bad)
    with pytest.raises(RobotError, match=message):
        Gate(driver).observe()


def test_what_is_no_robot_is_told_what_a_robot_has() -> None:
    with pytest.raises(RobotError, match="it has no spec, observe, apply, hold, close"):
        Gate(object())


@pytest.mark.parametrize(
    "spec",
    [
        RobotSpec("bad", rate=0.0),
        RobotSpec("bad", rate=math.nan),
        RobotSpec("bad", limits=Limits(ee_speed=-1.0)),
        RobotSpec("bad", limits=Limits(base_turn=math.inf)),
        RobotSpec("bad", limits=Limits(workspace_low=(0, 0, 3))),
        RobotSpec("bad", limits=Limits(ee_step=math.nan)),
        RobotSpec("bad", limits=Limits(base_acceleration=-1.0)),
        RobotSpec("bad", joints=2, limits=Limits(joints_low=(0.0,), joints_high=(1.0,))),
        RobotSpec("bad", joints=1, limits=Limits(joints_low=(2.0,), joints_high=(1.0,))),
        RobotSpec("bad", freshness=Freshness(command=0.0)),
    ],
)
def test_limits_that_limit_nothing_are_refused(spec) -> None:
    driver = Driver()
    driver.spec = spec
    with pytest.raises(RobotError, match="bad: "):
        Gate(driver)


# More limits ---------------------------------------------------------------------------------------------------------


@given(st.lists(actions(modest), min_size=1, max_size=12))
def test_translations_change_no_faster_than_the_acceleration_allows(some) -> None:
    driver = Driver(limits=replace(LIMITS, ee_acceleration=1.0, base_acceleration=0.5))
    gate = Gate(driver)
    for action in some:
        gate.observe()
        gate.apply(action)
    base, ee, ended = np.zeros(2), np.zeros(3), False
    low, high = np.array(LIMITS.workspace_low), np.array(LIMITS.workspace_high)
    where = np.array([0.5, 0.0, 1.0])
    for sent in driver.sent:
        ended = sent.terminate
        if not ended:
            assert np.linalg.norm(sent.base_delta[:2] - base) <= 0.5 / 100 + 1e-9
            where = where + sent.ee_delta[:3]
            if np.all((where > low + 1e-9) & (where < high - 1e-9)):  # a wall stops at once
                assert np.linalg.norm(sent.ee_delta[:3] - ee) <= 1.0 / 100 + 1e-9
        base, ee = sent.base_delta[:2], sent.ee_delta[:3]


def test_a_robot_that_was_held_starts_from_rest() -> None:
    driver = Driver(limits=replace(LIMITS, base_acceleration=1.0))
    gate = Gate(driver)
    for _ in range(3):
        gate.apply(Action(base_delta=[0.04, 0.0, 0.0]))
    np.testing.assert_allclose([sent.base_delta[0] for sent in driver.sent], [0.01, 0.02, 0.03])
    gate.hold()
    assert gate.apply(Action(base_delta=[0.04, 0.0, 0.0])).base_delta[0] == pytest.approx(0.01)


def test_one_action_is_a_small_step_however_slow_the_rate() -> None:
    driver = Driver()
    driver.spec = RobotSpec("slow", 1.0, Limits(ee_speed=0.5, ee_step=0.02), joints=2)
    assert Gate(driver).apply(Action([0.5, 0, 0, 0, 0, 0])).ee_delta[0] == pytest.approx(0.02)


class Jointed(Driver):
    """With joints that are where they are put."""

    def __init__(self) -> None:
        super().__init__(limits=replace(LIMITS, joints_low=(-1.0, -1.0), joints_high=(1.0, 1.0)))
        self.joints = np.zeros(2)

    def observe(self) -> Observation:
        return replace(super().observe(), joints=self.joints.copy())


def test_a_joint_outside_its_limits_stops_the_robot_unless_it_is_on_its_way_back() -> None:
    driver = Jointed()
    gate = Gate(driver)
    driver.joints[1] = 1.01
    gate.observe()
    driver.joints[1] = 1.2
    with pytest.raises(HaltedError, match=r"joint 1 is at 1.200 rad, outside its limits \[-1, 1\]"):
        gate.observe()
    with pytest.raises(HaltedError, match="stopped: joint 1"):
        gate.apply(Action())
    gate.release()
    with pytest.raises(HaltedError):
        gate.observe()
    driver.joints[1] = 1.1
    gate.observe()  # less far out
    gate.release()
    gate.apply(Action())


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
        self.power, self.needs_a_hand = True, False

    def emergency_stop(self) -> None:
        self.power = False

    def recover(self) -> None:
        if self.needs_a_hand:
            raise RobotError("turn the button first")
        self.power = True


def test_an_emergency_stop_reaches_the_driver_and_so_does_the_recovery() -> None:
    driver = Powered()
    gate = Gate(driver)
    gate.halt(Severity.STOP, "x")
    assert driver.power
    gate.emergency_stop()
    assert not driver.power and driver.holds == 2
    driver.needs_a_hand = True
    with pytest.raises(RobotError, match="turn the button"):
        gate.recover()
    with pytest.raises(HaltedError):
        gate.apply(Action())
    driver.needs_a_hand = False
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
