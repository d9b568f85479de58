"""An arm's kinematics from a URDF, against the same arm by hand."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from saycan.action import Action
from saycan.errors import BadInputError
from saycan.robots.arm import ArmKinematics, rotation_between, urdf_model
from saycan.robots.reference import Reference

LINK = '<link name="{name}"><visual><geometry><mesh filename="package://x/{name}.dae"/></geometry></visual></link>'
JOINT = """<joint name="{name}" type="{type}"><parent link="{parent}"/><child link="{child}"/>
<origin xyz="{xyz}" rpy="0 0 {yaw}"/><axis xyz="{axis}"/><limit lower="-2" upper="2" effort="1" velocity="1"/>
</joint>"""


def urdf() -> str:
    """A planar arm of two links (0.5 m, 0.3 m) on a plinth that is turned by a quarter."""
    joints = [
        ("stand", "fixed", "world_link", "plinth", "1 2 0.5", np.pi / 2, "0 0 1"),
        ("shoulder", "revolute", "plinth", "upper", "0 0 0.1", 0, "0 0 1"),
        ("elbow", "revolute", "upper", "lower", "0.5 0 0", 0, "0 0 1"),
        ("tool", "fixed", "lower", "tip", "0.3 0 0", 0, "0 0 1"),
        ("finger", "prismatic", "tip", "pad", "0 0 0", 0, "0 1 0"),
    ]
    links = ["world_link", "plinth", "upper", "lower", "tip", "pad"]
    names = ("name", "type", "parent", "child", "xyz", "yaw", "axis")
    body = "".join(LINK.format(name=name) for name in links)
    body += "".join(JOINT.format(**dict(zip(names, joint, strict=True))) for joint in joints)
    return f'<robot name="two"><transmission name="t"/>{body}</robot>'


def planar(first: float, second: float) -> tuple[float, float]:
    both = first + second
    return 0.5 * np.cos(first) + 0.3 * np.cos(both), 0.5 * np.sin(first) + 0.3 * np.sin(both)


@pytest.mark.parametrize("joints", [(0.0, 0.0), (0.4, -1.1), (-1.5, 1.9)])
def test_poses_are_in_the_frame_of_the_base(joints: tuple[float, float]) -> None:
    arm = ArmKinematics(urdf_model(urdf()), ("shoulder", "elbow"), "tip", (0, 0), base="plinth")
    position, quaternion = arm.pose(np.array(joints))
    np.testing.assert_allclose(position, [*planar(*joints), 0.1], atol=1e-9)
    assert rotation_between(np.array([1.0, 0, 0, 0]), quaternion) == pytest.approx([0, 0, sum(joints)])
    world, _ = ArmKinematics(urdf_model(urdf()), ("shoulder", "elbow"), "tip", (0, 0)).pose(np.array(joints))
    x, y = planar(*joints)
    np.testing.assert_allclose(world, [1 - y, 2 + x, 0.6], atol=1e-9)


def test_the_tip_goes_where_it_is_sent() -> None:
    arm = ArmKinematics(urdf_model(urdf()), ("shoulder", "elbow"), "tip", (0, 0), base="plinth")
    wanted = np.array([0.7, -0.6])
    position, quaternion = arm.pose(wanted)
    joints = np.array([0.5, -0.4])
    for _ in range(20):
        joints = arm.solve(joints, position, quaternion)
    np.testing.assert_allclose(arm.pose(joints)[0], position, atol=1e-3)
    np.testing.assert_allclose([arm.low, arm.high], [[-1.98] * 2, [1.98] * 2])


@pytest.mark.parametrize("shoulder", [4.0, -9.0])
def test_a_joint_without_limits_stays_where_it_stands_and_turns_on_from_there(shoulder: float) -> None:
    text = urdf().replace('name="shoulder" type="revolute"', 'name="shoulder" type="continuous"')
    arm = ArmKinematics(urdf_model(text), ("shoulder", "elbow"), "tip", (0, 0), base="plinth")
    np.testing.assert_array_equal([arm.low, arm.high], [[-np.inf, -1.98], [np.inf, 1.98]])
    reference, joints = Reference(arm, np.full(2, 0.2)), np.array([shoulder, -0.7])
    reference.reset(np.zeros(3), joints, 1.0)
    for _ in range(5):
        reference.advance(np.zeros(3), joints, Action())
    np.testing.assert_allclose(reference.goal[3:], joints, atol=1e-3)
    aside = 0.005 * np.array([-np.sin(shoulder), np.cos(shoulder), 0.0])  # across the upper arm: it turns on
    reference.advance(np.zeros(3), joints, Action(np.concatenate([aside, np.zeros(3)])))
    assert shoulder < reference.goal[3] < shoulder + 0.05


def test_what_is_no_urdf_or_has_no_such_joint_is_told() -> None:
    for text, problem in {"<robot": "is no URDF", "<mujoco/>": "a <mujoco>, not a <robot>"}.items():
        with pytest.raises(BadInputError, match=problem):
            urdf_model(text)
    with pytest.raises(BadInputError, match="no joint 'wrist'; its joints: shoulder, elbow, finger"):
        ArmKinematics(urdf_model(urdf()), ("shoulder", "wrist"), "tip", (0, 0))
    with pytest.raises(BadInputError, match="no site or body 'hand'"):
        ArmKinematics(urdf_model(urdf()), ("shoulder",), "hand", (0,))
    with pytest.raises(BadInputError, match="a number for each of the 2 joints"):
        ArmKinematics(urdf_model(urdf()), ("shoulder", "elbow"), "tip", (0,))
    assert mujoco.mj_name2id(urdf_model(urdf()), mujoco.mjtObj.mjOBJ_BODY, "pad") >= 0, "fixed links are kept"


def test_an_arm_without_a_joint_to_spare_keeps_its_way_when_one_is_at_its_end() -> None:
    text = (Path(__file__).parent / "lerobot/arm.urdf").read_text()
    home = np.radians([0.0, -45.0, 90.0, 0.0, 0.0])  # the elbow ends at 97 degrees
    arm = ArmKinematics(urdf_model(text), ("1", "2", "3", "4", "5"), "tip", home, "base", turning=0.05)
    start, quaternion = arm.pose(home)
    joints = home
    for period in range(1, 16):
        wanted = start + period * np.array([0.0, 0.004, -0.002])
        joints = arm.solve(joints, wanted, quaternion)
        position, quaternion = arm.pose(joints)
        np.testing.assert_allclose(position, wanted, atol=0.003)
    assert joints[2] == pytest.approx(arm.high[2], abs=0.01)
