"""The fake robot, and the kitchen without physics that it moves in."""

from __future__ import annotations

import numpy as np
import pytest

from saycan import check_robot
from saycan.action import Action
from saycan.agent import Agent
from saycan.errors import RobotError, SceneError, UnknownNameError
from saycan.privileged import PrivilegedWorld, Resettable
from saycan.robot import Robot
from saycan.robots.fake import OBJECTS, FakeRobot
from saycan.step import Outcome, Step


def perform(robot: FakeRobot, *phrases: str) -> None:
    agent = Agent(robot, record=None)
    for phrase in phrases:
        *_, step = agent.perform(phrase)
        assert isinstance(step, Step) and step.outcome is Outcome.SUCCEEDED, (phrase, step.message)


def test_it_keeps_every_contract() -> None:
    robot = FakeRobot(image_size=8)
    assert isinstance(robot, Robot) and isinstance(robot, PrivilegedWorld) and isinstance(robot, Resettable)
    check_robot(robot)


def test_what_is_commanded_happens_and_is_recorded() -> None:
    robot = FakeRobot(rate=20.0)
    before = robot.observe()
    action = Action([0.01, 0.02, -0.03, 0, 0, 0.1], 0.4, [0.1, 0.0, np.pi / 2])
    assert robot.apply(action) is action
    after = robot.observe()
    np.testing.assert_allclose(after.ee_position - before.ee_position, [0.01, 0.02, -0.03])
    np.testing.assert_allclose(after.base_pose, [0.1, 0.0, np.pi / 2])
    np.testing.assert_allclose(after.ee_quaternion, [np.cos(0.05), 0, 0, np.sin(0.05)])
    assert (after.gripper, after.time) == (0.4, 0.05)
    robot.apply(Action(base_delta=[0.1, 0.0, 0.0]))
    np.testing.assert_allclose(robot.observe().base_pose, [0.1, 0.1, np.pi / 2], atol=1e-12)
    assert robot.actions[0] is action and len(robot.actions) == 2


def test_knobs_for_tests() -> None:
    robot = FakeRobot(fail_after=2, image_size=4)
    assert robot.observe().images["head"].shape == (4, 4, 3)
    robot.apply(Action())
    robot.apply(Action())
    for call in (robot.observe, lambda: robot.apply(Action())):
        with pytest.raises(RuntimeError, match="fails after 2 actions"):
            call()
    robot.hold()
    assert robot.holds == 1
    robot.close()
    with pytest.raises(RobotError, match="closed"):
        robot.observe()


def test_the_experts_do_every_kind_of_skill_in_it() -> None:
    robot = FakeRobot()
    perform(robot, "find the sponge", "pick up the sponge", "wipe the close counter with the sponge")
    assert robot.privileged_state().spill_at("close counter") is None
    perform(robot, "place the sponge on the table", "open the drawer", "find the apple", "pick up the apple")
    perform(robot, "place the apple in the drawer", "close the drawer", "go to the close counter")
    perform(robot, "pick up the coke can", "put the coke can in the trash can", "find the rice chips")
    perform(robot, "pick up the rice chips", "put down the rice chips", "pick up the rice chips")
    perform(robot, "bring the rice chips to the operator")
    state = robot.privileged_state()
    places = {thing.id: thing.place for thing in state.objects}
    assert places == {
        "sponge": "table",
        "coke can": "trash can",
        "pepsi can": "table",
        "apple": "drawer",
        "rice chips": "operator",
    }
    assert state.held is None and state.drawers[0].opening < 0.02
    assert set(state.visited) == set(state.places)


def test_a_sponge_that_is_not_held_or_not_down_wipes_nothing() -> None:
    robot = FakeRobot({"sponge": "close counter"})
    dirty = len(robot.privileged_state().spills[0].cells)
    perform(robot, "find the sponge", "pick up the sponge", "go to the table", "go to the close counter")
    assert len(robot.privileged_state().spills[0].cells) == dirty


def test_the_hand_takes_the_thing_it_is_at_and_no_other() -> None:
    robot = FakeRobot()
    robot.apply(Action(gripper=0.0))
    assert robot.privileged_state().held is None and robot.observe().gripper == 0.0


def test_a_snapshot_stays_as_it_was() -> None:
    robot = FakeRobot()
    state = robot.privileged_state()
    sponge = state.by_id("sponge").position.copy()
    perform(robot, "find the sponge", "pick up the sponge")
    np.testing.assert_array_equal(state.by_id("sponge").position, sponge)
    assert state.held is None and robot.privileged_state().held == "sponge"
    assert not np.allclose(robot.privileged_state().by_id("sponge").position, sponge)


def test_things_stand_apart_and_where_they_were_asked_to() -> None:
    robot = FakeRobot({"coke can": "table", "coke can 2": "table", "coke can 3": "table", "tea": "the near counter"})
    state = robot.privileged_state()
    spots = [thing.position for thing in state.named("coke can")]
    assert len(spots) == 3 and state.named("tea")[0].place == "close counter"
    assert min(np.linalg.norm(a - b) for i, a in enumerate(spots) for b in spots[:i]) > 0.1


def test_reset_starts_again() -> None:
    robot = FakeRobot()
    perform(robot, "find the sponge", "pick up the sponge")
    robot.reset()
    state = robot.privileged_state()
    assert (state.held, state.visited, robot.actions, robot.time) == (None, (), [], 0.0)
    assert {thing.id: thing.place for thing in state.objects} == OBJECTS
    robot.reset({"tea": "table"})
    assert [thing.id for thing in robot.privileged_state().objects] == ["tea"]
    with pytest.raises(SceneError, match="takes a mapping"):
        robot.reset("pepsi can on table")


def test_what_does_not_exist_cannot_stand_there() -> None:
    with pytest.raises(UnknownNameError, match="unknown object 'unicorn'"):
        FakeRobot({"unicorn": "table"})
    with pytest.raises(UnknownNameError, match="unknown place 'moon'"):
        FakeRobot({"tea": "moon"})
    with pytest.raises(SceneError, match="no spill on the drawer"):
        FakeRobot(spills=["drawer"])
