"""Real nodes in separate processes over loopback: the kitchen as a ROS 2 robot, our driver, and the whole agent.

They run where ROS 2 and the interfaces are installed (.ci/ros2 makes such an environment), and in CI always.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed; .ci/ros2 makes an environment that has it")

from saycan import check_robot
from saycan.action import Action
from saycan.adapters import as_policy
from saycan.errors import HaltedError, LeaseError, RobotError
from saycan.executor import execute
from saycan.gate import Gate
from saycan.lease import Lease
from saycan.robot import Freshness
from saycan.robots.arm import ArmKinematics
from saycan.robots.ros2.commands import CommandGripper
from saycan.robots.ros2.config import ArmConfig, BaseConfig, CameraConfig, GripperConfig, Ros2Config, read_config
from saycan.robots.ros2.driver import Ros2Robot
from saycan.robots.ros2.joints import JointReadings
from saycan.robots.ros2.kitchen import DEAD_MAN, KitchenNode
from saycan.ros import Session, seconds, stamp
from saycan.skill import Skill
from saycan.step import Outcome
from tests.robots.ros2.processes import Process, until

pytestmark = pytest.mark.ros2
KITCHEN = ("-m", "saycan.robots.ros2.kitchen")
HERE = Path(__file__).parent
DOMAINS = itertools.count(random.Random(os.getpid()).randrange(1, 90))
SLOW = 0.01  # m/s, which counts as standing still


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """A ROS domain for this test alone."""
    number = 1 + next(DOMAINS) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return number


@pytest.fixture
def odometer(domain: int) -> Iterator[Odometer]:
    """Watches the base."""
    watching = Odometer()
    yield watching
    watching.close()


class Odometer:
    """Where the base was, by the robot's clock."""

    def __init__(self) -> None:
        from nav_msgs.msg import Odometry

        self.way: list[tuple[float, float, float]] = []
        self._session = Session("odometer")
        self._session.node.create_subscription(Odometry, "/odom", self._take, 50)
        self._session.start()

    def _take(self, message: Any) -> None:
        position = message.pose.pose.position
        self.way.append((seconds(message.header.stamp), position.x, position.y))

    def speed(self) -> float:
        """m/s over the newest tenth of a second."""
        if len(self.way) < 6:
            return 0.0
        (t0, x0, y0), (t1, x1, y1) = self.way[-6], self.way[-1]
        return float(np.hypot(x1 - x0, y1 - y0)) / max(t1 - t0, 1e-6)

    def close(self) -> None:
        self._session.close()


class Client:
    """Asks the node for something."""

    def __init__(self) -> None:
        from rclpy.action import ActionClient
        from saycan_interfaces.action import Instruct
        from saycan_interfaces.msg import Decision, State

        self._kind = Instruct
        self._session = Session("client")
        self._client = ActionClient(self._session.node, Instruct, "/saycan/instruct")
        self.feedback: list[Any] = []
        self.decisions: list[Any] = []
        self.states: list[str] = []
        self._session.node.create_subscription(Decision, "/saycan/decision", self.decisions.append, 10)
        self._session.node.create_subscription(State, "/saycan/state", lambda s: self.states.append(s.status), 10)
        self._session.start()
        assert self._client.wait_for_server(timeout_sec=60.0)

    def send(self, instruction: str) -> Any:
        """The goal's handle, accepted or not."""
        goal = self._kind.Goal(instruction=instruction, max_steps=12)
        future = self._client.send_goal_async(goal, feedback_callback=lambda m: self.feedback.append(m.feedback))
        until(future.done, 20.0)
        return future.result()

    def result(self, handle: Any, patience: float = 240.0) -> Any:
        """Status and result."""
        future = handle.get_result_async()
        until(future.done, patience, "no result")
        return future.result()

    def call(self, name: str) -> Any:
        """A service without arguments."""
        from std_srvs.srv import Trigger

        client = self._session.node.create_client(Trigger, name)
        assert client.wait_for_service(timeout_sec=20.0)
        future = client.call_async(Trigger.Request())
        until(future.done, 20.0)
        return future.result()

    def close(self) -> None:
        self._session.close()


# The driver -----------------------------------------------------------------------------------------------------------


def test_the_driver_keeps_the_contract_of_robots(domain: int) -> None:
    with Process([*KITCHEN, "--scene", "at table, apple on table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        clauses = check_robot(Ros2Robot("kitchen"))
        assert len(clauses) > 8


def test_what_is_commanded_is_done_and_seen(domain: int) -> None:
    with Process([*KITCHEN, "--scene", "at table, apple on table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        with Gate(Ros2Robot("kitchen")) as robot:
            assert {*robot.spec.cameras} == {"head", "wrist"} and "table" in robot.spec.places
            matrix = robot.driver.intrinsics["head"]
            assert matrix[0, 0] == matrix[1, 1] > 20 and matrix[0, 2] == matrix[1, 2] == 31.5
            before = robot.observe()
            assert 30 < before.images["head"].mean() < 220
            for _ in range(10):
                robot.observe()
                robot.apply(Action([0.0, 0.02, 0.01, 0, 0, 0.03], 0.2, [-0.02, 0.0, 0.0]))
            for _ in range(5):
                robot.observe()
                robot.apply(Action(gripper=0.2))
            after = robot.observe()
            moved = after.ee_position - before.ee_position
            # On a busy machine a command may come late; the robot waits for it, and some of the way is missing.
            assert 0.7 < moved[1] / 0.2 < 1.1
            np.testing.assert_allclose(moved, [0.0, moved[1], moved[1] / 2], atol=0.01)
            assert 0.7 < (before.base_pose[0] - after.base_pose[0]) / 0.2 < 1.15
            assert after.gripper == pytest.approx(0.2, abs=0.06)
            assert after.time - before.time == pytest.approx(1.5, abs=0.25)
            with pytest.raises(LeaseError, match="is driven by"), Gate(Ros2Robot("kitchen")):
                pass


def test_the_hand_comes_to_rest_within_the_workspace(domain: int) -> None:
    with Process([*KITCHEN, "--scene", "at table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        config = read_config("kitchen")
        with Gate(Ros2Robot(replace(config, limits=replace(config.limits, workspace_high=(0.98, 0.2, 1.45))))) as robot:
            for _ in range(20):
                seen = robot.observe()
                robot.apply(Action([0.0, 0.04, 0.0, 0, 0, 0]))
            assert seen.ee_position[1] == pytest.approx(0.2, abs=0.005)


def test_a_robot_that_is_not_there_is_said_not_to_be(domain: int) -> None:
    config = Ros2Config("ghost", ArmConfig(("a",), "base", "tip", (0.0,), "/arm", "joint_trajectory"), patience=0.5)
    with pytest.raises(RobotError, match=r"no message on /joint_states; .*description; no subscriber of /arm"):
        Ros2Robot(config)


def test_nothing_is_served_before_all_is_made(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from rclpy.action import ActionClient
    from rclpy.node import Node

    add = Node.add_waitable

    def add_slowly(node: Any, waitable: Any) -> None:
        add(node, waitable)  # the executor knows the action client then, which has no lock yet
        if isinstance(waitable, ActionClient):
            time.sleep(1.0)

    with Process([*KITCHEN, "--scene", "at table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        first = Ros2Robot("kitchen")
        first.apply(Action())  # from now on a new client is told at once what became of a goal
        first.close()
        monkeypatch.setattr(Node, "add_waitable", add_slowly)
        with Gate(Ros2Robot("kitchen")) as robot:
            robot.observe()
            robot.apply(Action())


PUPPET = Ros2Config(
    "puppet",
    ArmConfig(("hinge",), "base", "tip", (0.0,), "/arm", "joint_trajectory"),
    cameras={"eye": CameraConfig("/image", size=(8, 8))},
    freshness=Freshness(observation=0.6, picture=1.0),
)


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("nan", "joints is not finite"),
        ("torn picture", "8 x 8 rgb8 came with 168 bytes"),
        ("late picture", "the newest picture of camera 'eye' is 3.. s old"),
        ("frozen clock", "have not changed their time for"),
        ("no positions", "have not changed their time for"),
        ("silence", "have not changed their time for"),
    ],
)
def test_malformed_and_late_messages_end_in_an_error_and_no_motion(domain: int, mode: str, problem: str) -> None:
    with Process([str(HERE / "puppet.py"), mode], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(PUPPET)) as robot:
            began = time.monotonic()
            with pytest.raises(RobotError, match=problem):
                while time.monotonic() - began < 20.0:
                    robot.observe()
                    robot.apply(Action())
            if "clock" in mode or "late" in mode:
                with pytest.raises(HaltedError):
                    robot.apply(Action())


def test_what_is_not_finite_is_neither_followed_nor_sent_and_the_arm_stays_where_it_was(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trajectory_msgs.msg import JointTrajectory

    told: list[float] = []
    with closing(Session("watching")) as watching, Process([str(HERE / "puppet.py"), "nan"], domain) as puppet:
        watching.node.create_subscription(JointTrajectory, "/arm", lambda m: told.append(m.points[0].positions[0]), 50)
        watching.start()
        puppet.hear("the puppet is there")
        with closing(Ros2Robot(PUPPET)) as robot:
            with pytest.raises(RobotError, match="refused an action that is not finite"):
                robot.apply(Action([np.nan, 0, 0, 0, 0, 0]))
            with monkeypatch.context() as patch:
                patch.setattr(ArmKinematics, "solve", lambda *_: np.array([np.nan]))
                with pytest.raises(RobotError, match="leads nowhere"):
                    robot.apply(Action())
            robot.apply(Action())
            with pytest.raises(RobotError, match="joints is not finite"):
                for _ in range(100):
                    robot.apply(Action())
            held = len(told)
            robot.hold()
            until(lambda: len(told) > held, 5.0, "it was not told to stay")
        assert told == pytest.approx([0.1] * len(told), abs=1e-4)


def test_a_robot_that_cannot_be_used_is_let_go(domain: int) -> None:
    config = replace(PUPPET, cameras={"eye": CameraConfig("/depth")})
    with Process([str(HERE / "puppet.py"), "good"], domain) as puppet:
        puppet.hear("the puppet is there")
        with pytest.raises(RobotError, match="an image in '16UC1' cannot be read") as failed:
            Ros2Robot(config)
        Lease(f"ros2:{domain}/arm").release()  # free again, though the failure is still being looked at
        assert "ros2 saycan_puppet_driver" not in {thread.name for thread in threading.enumerate()}
        assert failed.tb is not None


def test_a_thread_that_dies_is_told_with_the_reason(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("torn")

    reason = r"the ROS 2 node saycan_puppet_driver hears nothing any more, .*: ValueError: torn; close"
    with Process([str(HERE / "puppet.py"), "good"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(PUPPET)) as robot:
            robot.observe()
            with monkeypatch.context() as patch:
                patch.setattr(JointReadings, "after", fail)
                with pytest.raises(RobotError, match=reason):
                    robot.apply(Action())
            with pytest.raises(RobotError, match=reason):
                robot.observe()
        monkeypatch.setattr(JointReadings, "after", fail)
        with pytest.raises(RobotError, match=reason):
            Ros2Robot(PUPPET)


def test_a_joint_state_without_positions_changes_nothing(domain: int) -> None:
    with Process([str(HERE / "puppet.py"), "short"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(PUPPET)) as robot:
            began = time.monotonic()
            while time.monotonic() - began < 6.0:
                seen = robot.observe()
                robot.apply(Action())
            assert seen.joints == pytest.approx([0.1])


HANDY = replace(
    PUPPET,
    arm=ArmConfig(("hinge",), "base", "tip", (0.0,), "/joint_command", "joint_state", speed=5.0),
    gripper=GripperConfig("finger", closed=0.0, open=0.04, interface="joint_state"),
)


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("dead arm", "have not changed their time for"),
        (
            "dead gripper",
            r"joint 'finger' on /joint_states is \d\.\d s older than the arm's joints, more than .*0\.6 s",
        ),
    ],
)
def test_one_of_two_publishers_of_joint_states_that_dies_ends_in_an_error(domain: int, mode: str, problem: str) -> None:
    with Process([str(HERE / "puppet.py"), mode], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(HANDY)) as robot:
            began = time.monotonic()
            with pytest.raises(RobotError, match=problem):
                while time.monotonic() - began < 10.0:
                    robot.observe()
                    robot.apply(Action())
            assert time.monotonic() - began > 1.0, "it was no error while both were there"


def test_a_gripper_whose_joint_is_told_more_slowly_holds_up_neither_clock_nor_control(domain: int) -> None:
    with Process([str(HERE / "puppet.py"), "slow gripper"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(HANDY)) as robot:
            times = [robot.observe().time]
            for _ in range(20):
                robot.apply(Action())
                times.append(robot.observe().time)
            assert np.diff(times).min() > 0.0
            assert times[-1] - times[0] == pytest.approx(2.0, abs=0.3)


def test_a_clock_that_is_behind_does_not_make_control_periods_longer(domain: int) -> None:
    with Process([str(HERE / "puppet.py"), "slow clock"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(PUPPET)) as robot:
            times = [robot.observe().time]
            began = time.monotonic()
            for _ in range(20):
                robot.apply(Action())
                times.append(robot.observe().time)
            assert time.monotonic() - began == pytest.approx(2.0, abs=0.5)
            assert np.diff(times).min() > 0.0


MOBILE = replace(PUPPET, base=BaseConfig("/cmd_vel", "/odom"))


def test_odometry_that_ends_while_all_else_goes_on_ends_the_run_and_stops_the_robot(domain: int) -> None:
    from geometry_msgs.msg import Twist

    speeds: list[float] = []
    with (
        closing(Session("watching")) as watching,
        Process([str(HERE / "puppet.py"), "dead odometry"], domain) as puppet,
    ):
        watching.node.create_subscription(Twist, "/cmd_vel", lambda twist: speeds.append(twist.linear.x), 50)
        watching.start()
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(MOBILE)) as robot:
            policy = as_policy(lambda observation, skill: Action(base_delta=[0.02, 0.0, 0.0]))
            carried_out = execute(robot, policy, Skill("drive", "drive", seconds=10.0))
            with pytest.raises(StopIteration) as ended:
                while True:
                    next(carried_out)
            step, fault = ended.value.value
            assert step.outcome is Outcome.FAILED and isinstance(fault, RobotError)
            problem = r"odometry on /odom is \d\.\d s older than the arm's joints, .*0\.6 s.*topic hz /odom"
            assert re.search(problem, step.message), step.message
            assert step.ticks > 10, "it was no error while odometry came"
            until(lambda: speeds[-1] == 0.0, 5.0, "it drives on")
            assert max(speeds) == pytest.approx(0.2)


def test_odometry_that_comes_seldom_is_no_error(domain: int) -> None:
    with Process([str(HERE / "puppet.py"), "slow odometry"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(MOBILE)) as robot:
            for _ in range(20):
                assert robot.observe().base_pose == pytest.approx([0.25, 0.0, 0.0])
                robot.apply(Action())


def test_a_transform_that_is_old_is_an_error_and_a_static_one_never(
    domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geometry_msgs.msg import TransformStamped

    age: list[float | None] = [None]  # s; None is static

    class Buffer:
        def can_transform(self, *_: object) -> bool:
            return True

        def lookup_transform(self, *_: object) -> TransformStamped:
            found = TransformStamped()
            found.transform.translation.x = 0.5
            if age[0] is not None:
                found.header.stamp = stamp(time.time() - age[0])
            return found

    listener = SimpleNamespace(Buffer=Buffer, TransformListener=lambda *_: None)
    monkeypatch.setitem(sys.modules, "tf2_ros", listener)
    with Process([str(HERE / "puppet.py"), "good"], domain) as puppet:
        puppet.hear("the puppet is there")
        robot = Ros2Robot(replace(MOBILE, base=BaseConfig("/cmd_vel", frames=("map", "base_link"))))
        try:
            for fresh in (None, 0.0, 0.3, -1.0):  # also one that is stamped with until when it holds
                age[0] = fresh
                assert robot.observe().base_pose == pytest.approx([0.5, 0.0, 0.0])
            age[0] = 3.0
            with pytest.raises(
                RobotError, match=r"the transform from map to base_link is [23]\.\d s older .*tf2_monitor"
            ):
                robot.observe()
        finally:
            robot.close()


def test_an_arm_and_a_gripper_behind_joint_states_and_a_camera_with_depth(domain: int) -> None:
    camera = CameraConfig("/image", depth="/depth", size=(4, 4))
    with Process([str(HERE / "puppet.py"), "good"], domain) as puppet:
        puppet.hear("the puppet is there")
        with Gate(Ros2Robot(replace(HANDY, cameras={"eye": camera}))) as robot:
            before = robot.observe()
            assert before.gripper == 0.0 and before.images["eye"].shape == (4, 4, 3)
            np.testing.assert_allclose(before.depths["eye"], np.full((4, 4), 1.5))
            for _ in range(10):
                robot.observe()
                robot.apply(Action([0.0, 0.0, 0.0, 0.0, 0.0, 0.05], 0.75))
            after = robot.observe()
            assert after.gripper == pytest.approx(0.75, abs=0.01)
            assert after.joints[0] - before.joints[0] == pytest.approx(0.5, abs=0.1)


def test_depth_that_ends_while_pictures_go_on_is_an_error(domain: int) -> None:
    with Process([str(HERE / "puppet.py"), "dead depth"], domain) as puppet:
        puppet.hear("the puppet is there")
        with closing(Ros2Robot(replace(PUPPET, cameras={"eye": CameraConfig("/image", depth="/depth")}))) as robot:
            problem = r"depth on /depth is 1\.\d s older than its picture, more than freshness\.picture \(1 s\)"
            began = time.monotonic()
            with pytest.raises(RobotError, match=problem):
                while time.monotonic() - began < 10.0:
                    robot.observe()
                    time.sleep(0.05)
            assert time.monotonic() - began > 1.0, "it was no error while both came"


def test_the_arm_refuses_what_is_not_finite_and_the_driver_says_so(domain: int) -> None:
    with Process([*KITCHEN, "--scene", "at table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        robot = Ros2Robot("kitchen")
        try:
            robot._arm.send(np.full(7, np.nan), 0.1)
            with pytest.raises(RobotError, match="/arm_controller/follow_joint_trajectory refused a goal"):
                for _ in range(20):
                    robot.apply(Action())
        finally:
            robot.close()


def test_a_gripper_that_refuses_is_told_of_and_asked_again(domain: int) -> None:
    from control_msgs.action import GripperCommand
    from rclpy.action import ActionServer, GoalResponse

    asked: list[float] = []

    def fits(goal: Any) -> Any:
        asked.append(goal.command.position)
        return GoalResponse.REJECT if len(asked) == 1 else GoalResponse.ACCEPT

    def grip(handle: Any) -> Any:
        handle.succeed()
        return GripperCommand.Result(reached_goal=True)

    with closing(Session("hand")) as hand, closing(Session("driver")) as driver:
        server = ActionServer(hand.node, GripperCommand, "/grip", grip, goal_callback=fits)
        gripper = CommandGripper(driver.node, GripperConfig("finger", closed=0.0, open=0.04, command="/grip"))
        hand.start()
        driver.start()
        until(lambda: gripper.missing() is None)
        with pytest.raises(RobotError, match="/grip refused a goal"):
            for _ in range(100):
                gripper.send(0.5)
                time.sleep(0.05)
        assert asked == [0.02]
        gripper.send(0.5)
        until(lambda: len(asked) == 2, 5.0, "it was not asked again")
        for _ in range(20):
            gripper.send(0.5)
            time.sleep(0.02)
        assert asked == [0.02, 0.02], "what was accepted is not sent again"
        server.destroy()


def test_a_gripper_is_told_its_opening_again_after_the_robot_was_held(domain: int) -> None:
    from control_msgs.action import GripperCommand
    from rclpy.action import ActionServer

    asked: list[float] = []

    def grip(handle: Any) -> Any:
        asked.append(handle.request.command.position)
        handle.succeed()
        return GripperCommand.Result(reached_goal=True)

    with closing(Session("hand")) as hand, Process([str(HERE / "puppet.py"), "good"], domain) as puppet:
        server = ActionServer(hand.node, GripperCommand, "/grip", grip)
        hand.start()
        puppet.hear("the puppet is there")
        config = replace(PUPPET, gripper=GripperConfig("finger", closed=0.0, open=0.04, command="/grip"))
        with closing(Ros2Robot(config)) as robot:
            for times in (1, 2):
                for _ in range(3):
                    robot.apply(Action(gripper=0.5))
                until(lambda times=times: len(asked) >= times, 5.0, "it was not told")
                assert asked == [0.02] * times
                robot.hold()
        server.destroy()


# The whole agent ------------------------------------------------------------------------------------------------------

AGENT = ("-m", "saycan", "ros2", "--robot", "ros2:kitchen")
APPLE = "at table, apple on close counter, coke can on far counter"


@pytest.mark.model
def test_bring_me_the_apple(domain: int) -> None:
    goal = "at('apple', 'operator')"
    with Process([*KITCHEN, "--scene", APPLE, "--seed", "1", "--goal", goal], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        with Process(AGENT, domain) as agent:
            agent.hear("the node /saycan is there", 120.0)
            client = Client()
            handle = client.send("bring me the apple")
            assert handle.accepted
            assert not client.send("and the coke can").accepted, "one thing at a time"
            until(lambda: client.decisions, 60.0)
            answer = client.result(handle, 400.0)
            told = [(one.skill, one.outcome, one.message) for one in client.feedback]
            assert answer.result.end == "finished", f"{answer.result.message}\n{told}\n{agent.text}"
            assert "bring the apple to the operator" in answer.result.plan
            until(lambda: [one.skill for one in client.feedback if one.outcome] == list(answer.result.plan), 5.0)
            first = client.decisions[0]
            assert first.instruction == "bring me the apple" and first.skills[first.chosen].endswith("the apple")
            until(lambda: {"running", "idle"} <= {*client.states}, 5.0)
            client.close()
        assert "holds" in kitchen.end().splitlines()[-1]


SCRIPTED = ("--llm", "scripted:go to the far counter|go to the close counter|go to the far counter")


@contextmanager
def asked(domain: int) -> Iterator[Client]:
    """A kitchen, an agent that drives to and fro in it, and somebody who asks it to."""
    with Process([*KITCHEN, "--scene", "at close counter"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        with Process([*AGENT, *SCRIPTED], domain) as agent:
            agent.hear("the node /saycan is there", 120.0)
            client = Client()
            yield client
            client.close()


def test_cancelling_holds_the_robot_and_then_answers(domain: int, odometer: Odometer) -> None:
    with asked(domain) as client:
        for _ in range(2):  # once more: it goes on as before
            handle = client.send("drive")
            assert handle.accepted
            until(lambda: odometer.speed() > 0.2, 60.0, "it never drove")
            handle.cancel_goal_async()
            answer = client.result(handle, 30.0)
            assert answer.status == 5 and answer.result.end == "stopped", answer  # 5: canceled
            until(lambda: odometer.speed() < SLOW, 2.0, "it drives on")


def test_after_an_emergency_stop_only_a_recovery_lets_it_move(domain: int, odometer: Odometer) -> None:
    with asked(domain) as client:
        handle = client.send("drive")
        until(lambda: odometer.speed() > 0.2, 60.0, "it never drove")
        assert client.call("/saycan/emergency_stop").success
        until(lambda: odometer.speed() < SLOW, 2.0, "it drives on")
        assert client.result(handle, 30.0).result.end in ("failed", "stopped")
        assert "emergency stop" in client.result(client.send("drive"), 30.0).result.message
        until(lambda: client.states[-1:] == ["halted"], 5.0)
        assert client.call("/saycan/recover").success
        handle = client.send("drive")
        until(lambda: odometer.speed() > 0.2, 60.0, "it never drove again")
        handle.cancel_goal_async()
        client.result(handle, 30.0)


def test_an_agent_that_is_killed_leaves_a_robot_that_stands_still(domain: int, odometer: Odometer) -> None:
    with Process([*KITCHEN, "--scene", "at close counter"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        agent = Process([*AGENT, *SCRIPTED], domain)
        agent.hear("the node /saycan is there", 120.0)
        client = Client()
        client.send("drive")
        until(lambda: odometer.speed() > 0.2, 60.0, "it never drove")
        killed = odometer.way[-1][0]
        agent.kill()
        until(lambda: odometer.speed() < SLOW, 3.0, "it drives on")
        stood = odometer.way[-1][0]
        print(f"stood still {stood - killed:.2f} s after the agent was killed")
        assert stood - killed < DEAD_MAN + 1.0
        where = odometer.way[-1][1:]
        time.sleep(1.0)
        assert np.hypot(*np.subtract(odometer.way[-1][1:], where)) < 0.01
        client.close()


def test_a_robot_that_is_killed_ends_the_run_with_an_error(domain: int, odometer: Odometer) -> None:
    kitchen = Process([*KITCHEN, "--scene", "at close counter"], domain)
    kitchen.hear("the kitchen is there")
    with Process([*AGENT, *SCRIPTED], domain) as agent:
        agent.hear("the node /saycan is there", 120.0)
        client = Client()
        handle = client.send("drive")
        until(lambda: odometer.speed() > 0.2, 60.0, "it never drove")
        kitchen.kill()
        answer = client.result(handle, 40.0)
        assert answer.result.end == "failed" and "the robot failed" in answer.result.message, answer
        assert agent.popen.poll() is None, "the node itself goes on"
        client.close()


def test_a_kitchen_whose_thread_dies_ends_with_an_error(domain: int) -> None:
    from geometry_msgs.msg import Twist

    class Torn(KitchenNode):
        def _drive(self, twist: Any) -> None:
            raise ValueError("torn")

    with closing(Session("hand")) as hand, closing(Torn("at table")) as kitchen:
        drive = hand.node.create_publisher(Twist, "/cmd_vel", 10)
        hand.node.create_timer(0.1, lambda: drive.publish(Twist()))
        hand.start()
        late = threading.Timer(20.0, kitchen.stop)
        late.start()
        with pytest.raises(RobotError, match=r"node saycan_kitchen hears nothing any more, .*: ValueError: torn"):
            kitchen.run()
        late.cancel()


def test_a_node_whose_thread_dies_ends_the_run_and_says_so(domain: int) -> None:
    from saycan.node import AgentNode

    stopped, died = threading.Event(), threading.Event()
    agent: Any = SimpleNamespace(robot=None, stop=stopped.set)  # whose state cannot be published
    with closing(AgentNode(agent, died.set)) as node:
        assert died.wait(10.0) and stopped.is_set()
        with pytest.raises(RobotError, match=r"node saycan hears nothing any more, .*AttributeError: .*'halted'"):
            node.require_serving()


def test_nothing_of_ours_is_left_running(domain: int) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with Process([*KITCHEN, "--scene", "at table"], domain) as kitchen:
        kitchen.hear("the kitchen is there")
        Ros2Robot("kitchen").close()
    assert {thread.name for thread in threading.enumerate()} <= before | {"MainThread"}
    assert kitchen.popen.returncode == 0
