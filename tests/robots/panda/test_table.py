"""A Panda at its table keeps the contract of robots, and the laws of its world; asserted on where things are."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from saycan.action import Action
from saycan.conformance import check_robot
from saycan.errors import BadInputError, MissingPartError, RobotError, SceneError, UnknownNameError
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.privileged import PrivilegedWorld, Resettable
from saycan.robots.panda import PandaTable
from saycan.robots.panda.kinematics import JOINT_ZERO, panda_arm
from saycan.robots.panda.layout import MOUNT

pytestmark = pytest.mark.bullet

THINGS = "coke can on table, sponge on table, tea on table"


def positions(robot: PandaTable) -> np.ndarray:
    return np.array([thing.position for thing in robot.privileged_state().objects])


def test_keeps_the_contract(panda) -> None:
    robot = panda(cameras=("head", "wrist"), image_size=16)
    assert isinstance(robot, PrivilegedWorld) and isinstance(robot, Resettable)
    assert len(check_robot(robot)) > 8


def test_the_hand_follows_its_commands_and_zero_stands_still(panda) -> None:
    robot = panda(THINGS)
    for direction in np.eye(3):
        before = robot.observe().ee_position
        for _ in range(4):
            robot.apply(Action([*(0.01 * direction), 0, 0, 0]))
        for _ in range(5):
            robot.apply(Action())
        moved = robot.observe().ee_position - before
        assert np.allclose(moved, 0.04 * direction, atol=0.002), moved


def test_the_base_does_not_drive_and_says_so(panda) -> None:
    robot = panda(THINGS)
    assert (robot.spec.limits.base_speed, robot.spec.limits.base_turn) == (0.0, 0.0)
    assert not Gate(robot).apply(Action(base_delta=(0.03, 0.01, 0.1))).base_delta.any()
    assert not robot.apply(Action(base_delta=(0.03, 0.01, 0.1))).base_delta.any()
    assert not robot.observe().base_pose.any()


def test_a_seed_decides_where_things_stand_and_what_becomes_of_them(panda) -> None:
    first, again, other = (panda(THINGS, seed=seed, cameras=("wrist",), image_size=16) for seed in (5, 5, 6))
    assert np.array_equal(positions(first), positions(again))
    assert np.abs(positions(first) - positions(other))[:, :2].max() > 0.02
    push = Action([0.02, 0.0, -0.034, 0.0, 0.0, 0.0], gripper=0.0)
    for _ in range(12):
        for robot in (first, again):
            robot.apply(push)
    one, two = first.observe(), again.observe()
    assert np.array_equal(positions(first), positions(again))
    assert np.array_equal(one.images["wrist"], two.images["wrist"])
    assert np.array_equal(one.proprioception(), two.proprioception())
    first.reset(seed=6)
    assert np.array_equal(positions(first), positions(other))


def test_the_table_stops_the_hand(panda) -> None:
    robot = panda("spill on table")
    for _ in range(40):
        robot.apply(Action([0.0, 0.0, -0.03, 0.0, 0.0, 0.0]))
    low = float(robot.observe().ee_position[2])
    assert 0.735 < low < 0.76  # the pads' middle is a little above their tips
    robot.apply(Action([0.0, 0.0, 0.03, 0.0, 0.0, 0.0]))
    robot.apply(Action([0.0, 0.0, 0.03, 0.0, 0.0, 0.0]))
    assert robot.observe().ee_position[2] > low + 0.02  # it had not run far ahead of what it could do


def test_what_is_held_is_held_by_friction_alone(panda) -> None:
    robot = panda("coke can in hand")
    client, start = robot._client, robot.observe().ee_position
    state = robot.privileged_state()
    assert state.held == "coke can"
    assert client.getNumConstraints() == 1  # the gear between the fingers
    for _ in range(10):
        robot.apply(Action([0.0, 0.03, 0.0, 0.0, 0.0, 0.0], gripper=0.0))
    carried = robot.privileged_state()
    assert carried.held == "coke can"
    moved = carried.by_id("coke can").position - state.by_id("coke can").position
    assert np.allclose(moved, robot.observe().ee_position - start, atol=0.01)
    for _ in range(8):
        robot.apply(Action(gripper=1.0))
    dropped = robot.privileged_state()
    assert dropped.held is None
    assert dropped.by_id("coke can").position[2] < carried.by_id("coke can").position[2] - 0.2


@pytest.mark.parametrize("name", ["coke can", "tea", "orange", "rice chips"])
def test_what_has_fallen_over_is_still_where_it_lies_however_it_has_rolled(panda, name: str) -> None:
    robot = panda(f"{name} on table")
    world = robot._world
    (body,) = world.bodies.values()
    position, _ = world.client.getBasePositionAndOrientation(body)
    lying = world.client.getQuaternionFromEuler([0.0, np.pi / 2, 0.0])
    for turn in np.linspace(0.0, np.pi, 5):
        rolled = world.client.getQuaternionFromEuler([0.0, 0.0, turn])
        _, both = world.client.multiplyTransforms([0, 0, 0], lying, [0, 0, 0], rolled)
        world.client.resetBasePositionAndOrientation(body, [*position[:2], robot.spec.places["table"].rim + 0.08], both)
        for _ in range(10):
            robot.apply(Action(gripper=1.0))
            thing = robot.privileged_state().by_id(name)
            assert thing.place == "table", (turn, thing.position)


def test_the_cameras_see_things_where_they_are(panda) -> None:
    robot = panda(THINGS, cameras=("head", "wrist"), image_size=128)
    seen, state = robot.observe(), robot.privileged_state()
    found = 0
    for name, pose in state.cameras.items():
        assert seen.images[name].shape == (128, 128, 3) and seen.images[name].dtype == np.uint8
        for thing in state.objects:
            x, y, visible = pose.project(thing.position)
            column, row = (int((value + 1) / 2 * 128) for value in (x, y))
            distance = float(-(thing.position - pose.position) @ pose.rotation[:, 2])
            depth = seen.depths[name][min(row, 127), min(column, 127)]
            found += visible and abs(depth - distance) < 0.5 * float(thing.size.max()) + 0.01
    assert found >= 4  # of six: the arm hides some from the head


def test_a_red_can_is_red_in_the_picture(panda) -> None:
    robot = panda("coke can on table", cameras=("wrist",))
    red, green, blue = (robot.observe().images["wrist"][..., k].astype(int) for k in range(3))
    assert ((red > 120) & (green < 60) & (blue < 60)).sum() >= 6


def test_looking_away_saves_the_pictures(panda) -> None:
    robot = panda(THINGS, cameras=("head",))
    robot.looking = False
    assert not robot.observe().images
    robot.looking = True
    assert [*robot.observe().images] == ["head"]


def test_hand_and_joints_agree_with_the_simulator(panda) -> None:
    robot = panda(THINGS)
    client, body = robot._client, robot._world.robot
    names = {client.getJointInfo(body, k)[12].decode(): k for k in range(client.getNumJoints(body))}
    for _ in range(5):
        robot.apply(Action([0.01, -0.02, -0.01, 0.0, 0.05, 0.1]))
    seen = robot.observe()
    link = client.getLinkState(body, names["ee"], computeForwardKinematics=True)
    assert np.allclose(seen.ee_position, link[4], atol=1e-4)
    x, y, z, w = link[5]
    assert abs(seen.ee_quaternion @ np.array([w, x, y, z])) > 1 - 1e-6
    angles = [client.getJointState(body, names[f"panda_link{k}"])[0] for k in range(1, 8)]
    assert np.allclose(seen.joints + JOINT_ZERO, angles)
    low, high = np.array(robot.spec.limits.joints_low), np.array(robot.spec.limits.joints_high)
    assert ((low < seen.joints) & (seen.joints < high)).all()


def test_at_home_the_hand_looks_straight_down_over_the_table(panda) -> None:
    seen: Observation = panda(THINGS).observe()
    assert np.allclose(seen.ee_position, [0.47, 0.0, 1.14], atol=2e-3)
    assert abs(seen.ee_quaternion[0]) > 0.9999
    reach = np.linalg.norm(panda_arm().pose(JOINT_ZERO)[0] - np.array(MOUNT))
    assert 0.5 < reach < 1.2


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        ("coke can on close counter", "has no 'close counter'"),
        ("spill on far counter", "is on the table"),
        ("drawer open", "no drawer"),
        ("with operator, " + ", ".join(f"{name} on table" for name in
         ("coke can", "pepsi can", "7up can", "tea", "apple", "orange")), "at most 5 fit"),
    ],
)  # fmt: skip
def test_what_its_world_lacks_is_told_and_the_old_scene_stays(panda, scene: str, expected: str) -> None:
    robot = panda(THINGS)
    before = positions(robot)
    with pytest.raises(SceneError, match=expected):
        robot.reset(scene)
    assert np.array_equal(positions(robot), before)
    robot.apply(Action())


def test_things_stand_apart_and_within_reach(panda) -> None:
    robot = panda("coke can on table, tea on table, apple on table, sponge on table, rice chips on table")
    for seed in range(5):
        robot.reset(seed=seed)
        places = [thing.position[:2] for thing in robot.privileged_state().objects]
        assert {thing.place for thing in robot.privileged_state().objects} == {"table"}
        assert all(np.linalg.norm(np.array(place) - MOUNT[:2]) < 0.7 for place in places)
        assert min(np.linalg.norm(np.array(a) - b) for k, a in enumerate(places) for b in places[:k]) > 0.14


def test_nothing_of_pybullet_is_printed(panda, capfd) -> None:
    panda(THINGS, cameras=("head",)).observe()
    assert capfd.readouterr() == ("", "")


def test_bad_arguments_say_what_is_valid(panda) -> None:
    with pytest.raises(BadInputError, match="from 16 to 1024"):
        panda(image_size=4)
    with pytest.raises(UnknownNameError, match="head, wrist"):
        panda(cameras=("chest",))
    robot = panda(THINGS)
    with pytest.raises(BadInputError, match="a scene is words"):
        robot.reset(7)
    robot.close()
    with pytest.raises(RobotError, match="closed"):
        robot.reset()


def test_the_view_for_people_has_its_size(panda) -> None:
    picture = panda(THINGS).view(80, 60)
    assert picture.shape == (60, 80, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_the_clock_goes_on_by_its_rate(panda) -> None:
    robot = panda(THINGS, rate=20.0)
    times = []
    for _ in range(4):
        robot.apply(Action())
        times.append(robot.observe().time)
    assert np.allclose([b - a for a, b in pairwise(times)], 0.05)
    with pytest.raises(BadInputError, match=r"found the rate 50 Hz; .* valid: 48 and 60 Hz"):
        panda(THINGS, rate=50.0)


def test_without_pybullet_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pybullet", None)
    with pytest.raises(MissingPartError, match=r"pip install .*\[pybullet\].*Linux x86-64 and Python 3.11"):
        PandaTable()
