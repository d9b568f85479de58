"""Joints of several publishers: where they are, and the time of the one that has been silent longest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from saycan.robots.ros2.joints import JointReadings


def message(time: float, names: str, *positions: float) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=int(time), nanosec=round((time - int(time)) * 1e9))
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp), name=list(names), position=list(positions))


def test_every_joint_has_its_own_time() -> None:
    readings = JointReadings().after(message(1.0, "ab", 0.1, 0.2)).after(message(1.25, "g", 0.04))
    assert readings.positions == {"a": 0.1, "b": 0.2, "g": 0.04}
    assert (readings.time("ab"), readings.time("g"), readings.time("abg")) == (1.0, 1.25, 1.0)


def test_time_stands_still_while_one_of_the_joints_is_silent() -> None:
    readings = JointReadings().after(message(1.0, "a", 0.0)).after(message(1.0, "b", 0.0))
    for count in range(1, 9):
        readings = readings.after(message(1.0 + 0.125 * count, "a", 0.1 * count))
        assert readings.time("ab") == 1.0
    assert readings.after(message(2.25, "b", 0.5)).time("ab") == 2.0


def test_publishers_at_different_rates_never_make_time_go_back() -> None:
    readings, times = JointReadings().after(message(0.0, "ab", 0.0, 0.0)), []
    for count in range(1, 101):
        readings = readings.after(message(0.002 * count, "a", 0.0))
        if count % 50 == 0:
            readings = readings.after(message(0.002 * count - 0.001, "b", 0.0))
        times.append(readings.time("ab"))
    assert times == sorted(times) and times[-1] == pytest.approx(0.199)


def test_a_joint_without_a_position_stays_as_it_was_and_as_old() -> None:
    before = JointReadings().after(message(1.0, "ab", 0.1, 0.2))
    after = before.after(message(2.0, "ab", 0.3))
    assert after.positions == {"a": 0.3, "b": 0.2} and after.time("b") == 1.0
    assert before.positions == {"a": 0.1, "b": 0.2}, "what was handed out stays as it is"
