"""The gate: nothing unsafe reaches a driver, whatever is asked for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.action import Action
from saycan.errors import HaltedError, RobotError, UnsafeActionError
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.robot import Freshness, Limits, RobotSpec
from tests.saycan.drivers import LIMITS, Driver, actions, modest, numbers


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
        ({"base_pose": np.array(["a", "b", "c"])}, "base_pose must hold numbers, found <U1"),
        ({"joints": np.array([None, 0.0])}, "joints must hold numbers, found object"),
        ({"gripper": math.nan}, "gripper must be a finite number, found nan"),
        ({"gripper": None}, "gripper must be a finite number, found None"),
        ({"time": "now"}, "time must be a finite number, found 'now'"),
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
        ({"head": np.zeros((4, 4, 3), np.uint8).tolist()}, "must be uint8 .* found list of shape None"),
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
    for on_its_way in (1.2, 1.205, 1.1, 1.105):  # with noise
        driver.joints[1] = on_its_way
        gate.observe()
        gate.apply(Action())
    driver.joints[1] = 1.15
    with pytest.raises(HaltedError, match=r"joint 1 is at 1\.150"):
        gate.observe()


def test_a_joint_that_creeps_out_of_its_limits_stops_the_robot_as_one_that_was_never_within_them() -> None:
    for positions in ((0.99, 1.005, 1.019, 1.03), (1.03,)):
        driver = Jointed()
        gate = Gate(driver)
        with pytest.raises(HaltedError, match=r"joint 0 is at 1\.030"):
            for driver.joints[0] in positions:
                gate.observe()
        assert driver.joints[0] == 1.03
