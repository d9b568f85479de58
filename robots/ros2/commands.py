"""How a ROS 2 robot is told to move: the interfaces that ros2_control, Isaac Sim and bases have."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saycan.errors import MissingPartError, RobotError
from saycan.robots.ros2.config import ArmConfig, BaseConfig, GripperConfig, Ros2Config
from saycan.ros import duration

_SAME = 0.01  # of a gripper's way: less is no new command


class Arm(Protocol):
    """Sends joint positions."""

    def missing(self) -> str | None:
        """What does not answer yet, or None."""
        ...

    def send(self, joints: NDArray[np.float64], seconds: float) -> None:
        """Be at (J,) rad in so many seconds, whatever was sent before. Raises RobotError where it was refused."""
        ...

    def stop(self, joints: NDArray[np.float64]) -> None:
        """Stay at (J,) rad, where the arm is. Never raises."""
        ...


class Gripper(Protocol):
    """Sends an opening."""

    def missing(self) -> str | None:
        """What does not answer yet, or None."""
        ...

    def send(self, opening: float) -> None:
        """0 closed to 1 open. Raises RobotError where it was refused."""
        ...

    def forget(self) -> None:
        """Whatever was sent before, the next opening is sent: it may have been moved since."""
        ...


class ActionGoals:
    """Goals of one action, each in place of the one before, whose results nobody waits for.

    Args:
        node: That sends.
        kind: Type of the action.
        name: Of the action.
    """

    def __init__(self, node: Any, kind: Any, name: str) -> None:
        from rclpy.action import ActionClient

        self._client, self._name = ActionClient(node, kind, name), name
        self._lock = threading.Lock()
        self._handle: Any = None
        self._refused = False
        self._sent = self._cancelled = 0  # how many, and up to which they are not wanted any more

    def missing(self) -> str | None:
        """The server, where it does not answer."""
        return None if self._client.server_is_ready() else f"action server {self._name}"

    def require_accepted(self) -> None:
        """Raise RobotError, once, where one has been refused."""
        with self._lock:
            refused, self._refused = self._refused, False
        if refused:
            raise RobotError(f"{self._name} refused a goal; the log of its node says why")

    def send(self, goal: Any) -> None:
        """Send one. Raises RobotError where an earlier one was refused."""
        self.require_accepted()
        with self._lock:
            self._sent += 1
            number = self._sent
        self._client.send_goal_async(goal).add_done_callback(lambda future: self._answered(future, number))

    def cancel(self) -> None:
        """End all of them, also what has not been answered yet."""
        with self._lock:
            self._cancelled, handle, self._handle = self._sent, self._handle, None
        if handle is not None:
            handle.cancel_goal_async()

    def _answered(self, future: Any, number: int) -> None:
        handle = future.result()
        with self._lock:
            if not handle.accepted:
                self._refused = number > self._cancelled
                return
            unwanted = number <= self._cancelled
            if not unwanted:
                self._handle = handle
        if unwanted:
            handle.cancel_goal_async()


class TrajectoryArm:
    """An arm behind a joint trajectory controller: a goal of one point each period, or a message of one."""

    def __init__(self, node: Any, config: ArmConfig) -> None:
        from trajectory_msgs.msg import JointTrajectory

        self._joints = list(config.joints)
        self._goals: ActionGoals | None = None
        if config.interface == "follow_joint_trajectory":
            self._kind = _action("FollowJointTrajectory")
            self._goals = ActionGoals(node, self._kind, config.command)
        else:
            self._publisher = node.create_publisher(JointTrajectory, config.command, 1)
            self._name = config.command

    def missing(self) -> str | None:
        """Whoever carries it out."""
        if self._goals is not None:
            return self._goals.missing()
        return None if self._publisher.get_subscription_count() else f"subscriber of {self._name}"

    def send(self, joints: NDArray[np.float64], seconds: float) -> None:
        """One point."""
        trajectory = self._trajectory(joints, seconds)
        if self._goals is not None:
            self._goals.send(self._kind.Goal(trajectory=trajectory))
        else:
            self._publisher.publish(trajectory)

    def stop(self, joints: NDArray[np.float64]) -> None:
        """Cancel, which makes the controller hold; or a point where it is."""
        if self._goals is not None:
            self._goals.cancel()
        else:
            self._publisher.publish(self._trajectory(joints, 0.05))

    def _trajectory(self, joints: NDArray[np.float64], seconds: float) -> Any:
        from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

        point = JointTrajectoryPoint(positions=joints.tolist(), time_from_start=duration(seconds))
        return JointTrajectory(joint_names=self._joints, points=[point])  # stamp 0: at once


class JointStateParts:
    """Arm and gripper behind one topic of joint positions, as Isaac Sim's bridge takes them."""

    def __init__(self, node: Any, config: Ros2Config) -> None:
        from sensor_msgs.msg import JointState

        self._publisher = node.create_publisher(JointState, config.arm.command, 1)
        self._name, self._arm = config.arm.command, list(config.arm.joints)
        self._positions: dict[str, float] = {}
        self._gripper = config.gripper

    def missing(self) -> str | None:
        """Whoever listens."""
        return None if self._publisher.get_subscription_count() else f"subscriber of {self._name}"

    def send(self, joints: NDArray[np.float64], seconds: float) -> None:
        """All positions."""
        self._positions.update(zip(self._arm, joints.tolist(), strict=True))
        self._publish()

    def stop(self, joints: NDArray[np.float64]) -> None:
        """The positions where it is."""
        self.send(joints, 0.0)

    def open(self, opening: float) -> None:
        """Fingers go along with the arm's next positions."""
        gripper = self._gripper
        assert gripper is not None
        position = gripper.closed + opening * (gripper.open - gripper.closed)
        self._positions.update(dict.fromkeys(gripper.joints or (gripper.joint,), position))

    def _publish(self) -> None:
        from sensor_msgs.msg import JointState

        self._publisher.publish(JointState(name=list(self._positions), position=list(self._positions.values())))


class JointStateGripper:
    """The gripper's side of `JointStateParts`."""

    def __init__(self, parts: JointStateParts) -> None:
        self._parts = parts

    def missing(self) -> str | None:
        """The arm's side tells."""
        return None

    def send(self, opening: float) -> None:
        """With the arm's next positions."""
        self._parts.open(opening)

    def forget(self) -> None:
        """All positions are sent each time."""


class CommandGripper:
    """A gripper behind control_msgs' GripperCommand."""

    def __init__(self, node: Any, config: GripperConfig) -> None:
        self._kind, self._config = _action("GripperCommand"), config
        self._goals = ActionGoals(node, self._kind, config.command)
        self._last: float | None = None

    def missing(self) -> str | None:
        """Its server."""
        return self._goals.missing()

    def send(self, opening: float) -> None:
        """When it is another one than before, or the one before was refused: that is told once, and then sent again."""
        try:
            self._goals.require_accepted()
        except RobotError:
            self._last = None
            raise
        if self._last is not None and abs(opening - self._last) < _SAME:
            return
        self._last = opening
        config = self._config
        goal = self._kind.Goal()
        goal.command.position = config.closed + opening * (config.open - config.closed)
        goal.command.max_effort = config.effort
        self._goals.send(goal)

    def forget(self) -> None:
        """What was sent before counts no more."""
        self._last = None


class Base:
    """A base behind geometry_msgs/Twist."""

    def __init__(self, node: Any, config: BaseConfig) -> None:
        from geometry_msgs.msg import Twist

        self._publisher, self._name = node.create_publisher(Twist, config.command, 1), config.command

    def missing(self) -> str | None:
        """Whoever listens."""
        return None if self._publisher.get_subscription_count() else f"subscriber of {self._name}"

    def send(self, forward: float, left: float, turn: float) -> None:
        """m/s, m/s, rad/s, until the next one; the robot's side stops by itself when none comes."""
        from geometry_msgs.msg import Twist

        twist = Twist()
        twist.linear.x, twist.linear.y, twist.angular.z = forward, left, turn
        self._publisher.publish(twist)


def make_commands(node: Any, config: Ros2Config) -> tuple[Arm, Gripper | None, Base | None]:
    """What moves this robot. Raises MissingPartError where its messages are not installed."""
    base = None if config.base is None else Base(node, config.base)
    if config.arm.interface == "joint_state":
        parts = JointStateParts(node, config)
        return parts, None if config.gripper is None else JointStateGripper(parts), base
    gripper = None if config.gripper is None else CommandGripper(node, config.gripper)
    return TrajectoryArm(node, config.arm), gripper, base


def _action(name: str) -> Any:
    try:
        import control_msgs.action
    except ImportError as error:
        raise MissingPartError(
            f"{name} is an action of control_msgs, which is not installed: apt install ros-$ROS_DISTRO-control-msgs"
        ) from error
    return getattr(control_msgs.action, name)


def opening_of(config: GripperConfig | None, positions: Mapping[str, float]) -> float:
    """How far a gripper is open, 0 to 1, by the position of its joint; 1 without one."""
    if config is None:
        return 1.0
    return float(np.clip((positions[config.joint] - config.closed) / (config.open - config.closed), 0.0, 1.0))
