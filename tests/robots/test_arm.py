from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.robots.arm import rotated, rotation_between
from saycan.robots.kitchen.control import HOME, kitchen_arm

KINEMATICS = kitchen_arm()
small = st.floats(-1.0, 1.0)


def test_home_is_straight_down_before_the_robot() -> None:
    position, quaternion = KINEMATICS.pose(HOME)
    assert position == pytest.approx([0.47, 0.0, 1.14], abs=2e-3)
    assert np.abs(quaternion) == pytest.approx([1, 0, 0, 0], abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.45, 0.73), st.floats(-0.25, 0.25), st.floats(0.76, 1.05), st.floats(-1.2, 1.2))  # all within reach
def test_inverse_of_forward(x: float, y: float, z: float, yaw: float) -> None:
    target = np.array([x, y, z])
    quaternion = np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
    joints = HOME
    for _ in range(12):  # a dozen control periods
        joints = KINEMATICS.solve(joints, target, quaternion)
    position, found = KINEMATICS.pose(joints)
    assert position == pytest.approx(target, abs=1e-3)
    assert rotation_between(found, quaternion) == pytest.approx(np.zeros(3), abs=3e-3)
    assert (joints >= KINEMATICS.low).all()
    assert (joints <= KINEMATICS.high).all()


def test_out_of_reach_goes_as_far_as_the_joints_allow() -> None:
    joints = HOME
    for _ in range(30):
        joints = KINEMATICS.solve(joints, np.array([3.0, 0.0, 1.0]), np.array([1.0, 0, 0, 0]))
    position, _ = KINEMATICS.pose(joints)
    assert np.isfinite(joints).all()
    assert 0.7 < position[0] < 1.1


@given(st.tuples(small, small, small), st.tuples(small, small, small))
def test_rotations_are_undone(first: tuple[float, float, float], second: tuple[float, float, float]) -> None:
    start = rotated(np.array([1.0, 0, 0, 0]), np.array(first))
    end = rotated(start, np.array(second))
    assert np.linalg.norm(end) == pytest.approx(1.0)
    assert rotation_between(start, end) == pytest.approx(np.array(second), abs=1e-6)
