"""The conformance suites accept what is right and name what is not."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from saycan import check_policy, check_robot
from saycan.action import Action
from saycan.conformance import ConformanceError
from saycan.errors import RobotError
from saycan.gate import Gate
from saycan.robot import RobotSpec
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill


class Shared(FakeRobot):
    """Hands out its own arrays."""

    def observe(self):
        return replace(super().observe(), base_pose=self._base, ee_position=self._ee)


class Frozen(FakeRobot):
    time = 0.0


class Fast(FakeRobot):
    time = property(lambda self: 0.2 * len(self.actions))


class Turned(FakeRobot):
    def observe(self):
        return replace(super().observe(), ee_quaternion=np.array([2.0, 0, 0, 0]))


class Silent(FakeRobot):
    def apply(self, action):
        super().apply(action)


class Greedy(FakeRobot):
    def apply(self, action):
        return Action(2 * super().apply(action).ee_delta, action.gripper)


class Nervous(FakeRobot):
    def hold(self):
        if self.closed:
            raise OSError("gone")


class Undead(FakeRobot):
    def close(self):
        pass


class Once(FakeRobot):
    def close(self):
        if self.closed:
            raise OSError("closed already")
        self.closed = True


class Blind(FakeRobot):
    def observe(self):
        return replace(super().observe(), images={})


def test_a_good_robot_passes_and_the_clauses_are_listed() -> None:
    robot = FakeRobot(image_size=8)
    clauses = check_robot(robot)
    assert len(clauses) >= 9 and robot.closed


@pytest.mark.parametrize(
    ("robot", "message"),
    [
        (Shared(), "an observation stays as it was.*hand out copies"),
        (Frozen(), "lets the clock go on"),
        (Fast(), "5 control periods to take 0.5 s, found 1 s"),
        (Turned(), "ee_quaternion of length 1"),
        (Silent(), "return the Action it sent, found NoneType"),
        (Greedy(), "not to exceed what was commanded"),
        (Nervous(), "hold.. after it. It raised OSError"),
        (Undead(), "after close.*RobotError.*found that it works"),
        (Once(), "close.. can be called twice.*closed already"),
        (Blind(image_size=8), "no image of camera 'head'"),
        (FakeRobot(rate=0), "positive number of Hz|ZeroDivisionError"),
        (object(), "a Robot, found object"),
        (FakeRobot(fail_after=2), "the fake robot fails after 2"),
    ],
)
def test_each_broken_clause_is_named(robot, message) -> None:
    with pytest.raises(ConformanceError, match=message):
        check_robot(robot)


@pytest.mark.parametrize("kind", [FakeRobot, Frozen])
def test_whatever_came_of_it_the_robot_is_closed_and_its_device_free(kind) -> None:
    robot = kind()
    robot.spec = replace(robot.spec, device="conformance", simulated=False)
    with suppress(ConformanceError):
        check_robot(robot)
    with pytest.raises(RobotError):
        robot.observe()
    again = FakeRobot()
    again.spec = replace(again.spec, device="conformance")
    Gate(again).close()


def test_a_gate_is_not_what_to_prove() -> None:
    with pytest.raises(ConformanceError, match="a Gate"):
        check_robot(Gate(FakeRobot()))


def still(observation, skill) -> Action:
    return Action()


def writes(observation, skill) -> Action:
    observation.base_pose[0] = 7.0
    return Action()


def asks(observation, skill) -> Action:
    assert observation.images["head"].shape == (8, 8, 3)
    return Action(terminate=skill.phrase == "bow")


def test_a_good_policy_passes_on_a_robot_and_on_a_specification() -> None:
    robot = FakeRobot(image_size=8)
    assert len(check_policy(asks, robot, ["wave", Skill("bow", "bow")])) == 5
    assert robot.holds and not robot.closed
    assert check_policy(asks, robot.spec)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda o, s: None, "'wave': .*return an Action, found NoneType"),
        (lambda o, s: Action([np.nan] * 6), "a finite action"),
        (lambda o, s: Action(gripper=2.0), r"gripper command in \[0, 1\], found 2.0"),
        (lambda o, s: 1 / 0, "It raised ZeroDivisionError"),
        (writes, "it does not change its observation"),
        ("wave", "takes an object with reset"),
    ],
)
def test_each_broken_promise_of_a_policy_is_named(policy, message) -> None:
    for robot in (FakeRobot(), RobotSpec("paper")):
        with pytest.raises(ConformanceError, match=message):
            check_policy(policy, robot)


def test_a_policy_is_proven_again_on_the_same_robot(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    robot = FakeRobot()
    robot.spec = replace(robot.spec, device="conformance", simulated=False)
    threads = threading.active_count()
    for _ in range(2):
        check_policy(still, robot)
    assert threading.active_count() == threads
    with Gate(robot) as gate:
        check_policy(still, gate)
        gate.apply(Action())


def test_a_policy_needs_a_phrase_to_be_tried_on() -> None:
    with pytest.raises(ConformanceError, match="at least one phrase"):
        check_policy(still, FakeRobot(), [])
