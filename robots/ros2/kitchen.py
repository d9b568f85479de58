"""The MuJoCo kitchen as a ROS 2 robot: for trying an agent on one, and for tests, with no hardware.

    python -m saycan.robots.ros2.kitchen [--scene "apple on table"] [--seed 0] [--speed 1.0] [--goal GOAL]

It has what a mobile manipulator under ros2_control has: actions follow_joint_trajectory and gripper_cmd, topics
cmd_vel, joint_states, odom, robot_description, two cameras, and /clock. A new trajectory takes the place of the old
one; one that is cancelled, or at its end, leaves the arm where it is. Its base has a dead-man: it stops where no
cmd_vel came for `DEAD_MAN` seconds, whatever has become of whoever sent the last one.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan import goals
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.control import ARM_JOINTS, GRIP_WIDTH, ROBOT_XML
from saycan.robots.reference import LEASH_BASE, leashed
from saycan.robots.ros2.pictures import from_picture
from saycan.ros import Session, stamp

RATE = 50.0  # Hz, of physics' control and of joint states
LOOKS = 5  # periods from one picture to the next
DEAD_MAN = 0.3  # s
GRIPPER_JOINT = "gripper"


class KitchenNode:
    """See the module.

    Args:
        scene, seed: Of `saycan.robots.kitchen.Kitchen`.
        speed: Simulated seconds in one of the wall clock, at most.
    """

    def __init__(self, scene: str | None = None, seed: int = 0, speed: float = 1.0) -> None:
        with contextlib.ExitStack() as undo:
            self.kitchen = Kitchen(scene, seed, rate=RATE)
            undo.callback(self.kitchen.close)
            self._speed = speed
            self._fov = {name: camera.fovy for name, camera in self.kitchen.privileged_state().cameras.items()}
            self._session = Session("saycan_kitchen", threads=4)
            undo.callback(self._session.close)
            self._lock = threading.Lock()
            seen = self.kitchen.observe()
            self._base, self._joints, self._gripper = seen.base_pose.copy(), seen.joints.copy(), seen.gripper
            self._measured = seen.base_pose
            self._velocity, self._velocity_at = np.zeros(3), -np.inf
            self._trajectory: Trajectory | None = None
            self._time = seen.time
            self._stopping = False  # no Event: its lock may be held by the line that a signal's handler interrupts
            self._offer()
            self._session.start()
            undo.pop_all()

    def run(self) -> None:
        """Simulate until `stop`, in the calling thread. Raises RobotError when commands are not heard any more."""
        count, due = 0, time.monotonic()
        while not self._stopping:
            self._session.require_serving()
            self._step()
            self._publish(count % LOOKS == 0)
            count += 1
            due = max(due + 1.0 / (RATE * self._speed), time.monotonic() - 0.2)
            time.sleep(max(0.0, due - time.monotonic()))

    def stop(self) -> None:
        """End `run`, within a control period. From any thread, and from a signal's handler."""
        self._stopping = True

    def close(self) -> None:
        """End `run`, the node and the kitchen."""
        self.stop()  # a trajectory that is carried out yet would be waited for
        self._session.close()
        self.kitchen.close()

    def _step(self) -> None:
        """One control period of simulation."""
        with self._lock:
            velocity = self._velocity if self._time - self._velocity_at <= DEAD_MAN else np.zeros(3)
            yaw = self._base[2]
            turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
            self._base[:2] = leashed(self._base[:2], self._measured[:2], LEASH_BASE) + turn @ velocity[:2] / RATE
            self._base[2] += velocity[2] / RATE
            if self._trajectory is not None:
                self._joints = self._trajectory.at(self._time + 1.0 / RATE)
            goal = self._base.copy(), self._joints.copy(), self._gripper
        self.kitchen.go(*goal)
        self._time += 1.0 / RATE

    def _offer(self) -> None:
        """Topics and actions."""
        from control_msgs.action import FollowJointTrajectory, GripperCommand
        from geometry_msgs.msg import Twist
        from nav_msgs.msg import Odometry
        from rclpy.action import ActionServer, CancelResponse
        from rclpy.callback_groups import ReentrantCallbackGroup
        from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
        from rosgraph_msgs.msg import Clock
        from sensor_msgs.msg import CameraInfo, Image, JointState
        from std_msgs.msg import String

        node = self._session.node
        self._clock = node.create_publisher(Clock, "/clock", 10)
        self._states = node.create_publisher(JointState, "/joint_states", 10)
        self._odometry = node.create_publisher(Odometry, "/odom", 10)
        self._cameras = {
            name: (
                node.create_publisher(Image, f"/{name}_camera/image_raw", qos_profile_sensor_data),
                node.create_publisher(CameraInfo, f"/{name}_camera/camera_info", qos_profile_sensor_data),
            )
            for name in self.kitchen.spec.cameras
        }
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        description = node.create_publisher(String, "/robot_description", latched)
        description.publish(String(data=urdf(mujoco.MjSpec.from_file(str(ROBOT_XML)).compile())))
        node.create_subscription(Twist, "/cmd_vel", self._drive, 10)
        group = ReentrantCallbackGroup()
        servers = {
            "/arm_controller/follow_joint_trajectory": (FollowJointTrajectory, self._follow, self._fits),
            "/gripper_controller/gripper_cmd": (GripperCommand, self._grip, None),
        }
        self._servers = [
            ActionServer(
                node, kind, name, carry_out, callback_group=group,
                cancel_callback=lambda goal: CancelResponse.ACCEPT, **({"goal_callback": fits} if fits else {}),
            )
            for name, (kind, carry_out, fits) in servers.items()
        ]  # fmt: skip

    def _drive(self, twist: Any) -> None:
        velocity = np.array([twist.linear.x, twist.linear.y, twist.angular.z])
        if np.isfinite(velocity).all():
            with self._lock:
                self._velocity, self._velocity_at = velocity, self._time

    def _fits(self, goal: Any) -> Any:
        from rclpy.action import GoalResponse

        trajectory = goal.trajectory
        right = {*trajectory.joint_names} == {*ARM_JOINTS} and len(trajectory.points) > 0
        right &= all(len(one.positions) == 7 and np.isfinite(one.positions).all() for one in trajectory.points)
        return GoalResponse.ACCEPT if right else GoalResponse.REJECT

    def _follow(self, handle: Any) -> Any:
        from control_msgs.action import FollowJointTrajectory

        order = [handle.request.trajectory.joint_names.index(name) for name in ARM_JOINTS]
        points = handle.request.trajectory.points
        with self._lock:
            mine = self._trajectory = Trajectory(
                [self._time, *(self._time + _seconds(one.time_from_start) for one in points)],
                np.array([self._joints, *(np.array(one.positions)[order] for one in points)]),
            )
        result = FollowJointTrajectory.Result()
        while not self._stopping:
            with self._lock:
                if self._trajectory is not mine:
                    handle.abort()
                    result.error_string = "another goal came"
                    return result
                if handle.is_cancel_requested:
                    self._trajectory = None
                    handle.canceled()
                    return result
                if self._time >= mine.times[-1]:
                    handle.succeed()
                    return result
            time.sleep(0.005)
        handle.abort()
        return result

    def _grip(self, handle: Any) -> Any:
        from control_msgs.action import GripperCommand

        with self._lock:
            self._gripper = float(np.clip(handle.request.command.position / GRIP_WIDTH, 0.0, 1.0))
        handle.succeed()
        return GripperCommand.Result(position=handle.request.command.position, reached_goal=True)

    def _publish(self, looks: bool) -> None:
        """What is measured; pictures where it is their turn."""
        from nav_msgs.msg import Odometry
        from rosgraph_msgs.msg import Clock
        from sensor_msgs.msg import JointState

        self.kitchen.looking = looks
        seen = self.kitchen.observe()
        self._measured = seen.base_pose
        now = stamp(seen.time)
        state = JointState(name=[*ARM_JOINTS, GRIPPER_JOINT], position=[*seen.joints, seen.gripper * GRIP_WIDTH])
        state.header.stamp = now
        odometry = Odometry(child_frame_id="base_link")
        odometry.header.stamp, odometry.header.frame_id = now, "odom"
        pose, (x, y, yaw) = odometry.pose.pose, seen.base_pose.tolist()
        pose.position.x, pose.position.y = x, y
        pose.orientation.z, pose.orientation.w = float(np.sin(yaw / 2)), float(np.cos(yaw / 2))
        for name, picture in seen.images.items():
            images, infos = self._cameras[name]
            message = from_picture(picture)
            message.header.stamp, message.header.frame_id = now, f"{name}_camera"
            images.publish(message)
            infos.publish(self._info(message))
        self._odometry.publish(odometry)
        self._clock.publish(Clock(clock=now))
        self._states.publish(state)

    def _info(self, image: Any) -> Any:
        """Intrinsics of an ideal pinhole camera."""
        from sensor_msgs.msg import CameraInfo

        name = image.header.frame_id.removesuffix("_camera")
        focal = 0.5 * image.height / np.tan(0.5 * self._fov[name])
        right, down = (image.width - 1) / 2, (image.height - 1) / 2  # whole numbers are the middles of pixels
        message = CameraInfo(header=image.header, height=image.height, width=image.width, distortion_model="plumb_bob")
        message.k = [focal, 0.0, right, 0.0, focal, down, 0.0, 0.0, 1.0]
        message.d = [0.0] * 5
        message.r = np.eye(3).reshape(9).tolist()
        message.p = [focal, 0.0, right, 0.0, 0.0, focal, down, 0.0, 0.0, 0.0, 1.0, 0.0]
        return message


class Trajectory:
    """Joint positions over time, straight from one point to the next."""

    def __init__(self, times: Sequence[float], points: NDArray[np.float64]) -> None:
        self.times, self._points = np.array(times), points

    def at(self, time: float) -> NDArray[np.float64]:
        """(J,) the last point after the end."""
        return np.array([np.interp(time, self.times, column) for column in self._points.T])


def urdf(model: mujoco.MjModel) -> str:
    """The chain of the arm's joints, as a URDF from "base_link" to "ee"."""
    site = model.site("ee")
    chain, body = [], int(site.bodyid[0])
    while body:
        chain.append(body)
        body = int(model.body_parentid[body])
    links, joints, parent = ['<link name="base_link"/>'], [], "base_link"
    names = {model.jnt_bodyid[model.joint(name).id]: name for name in ARM_JOINTS}
    for body in reversed(chain):
        child, name = model.body(body).name, names.get(body)
        limits = ""
        if name is not None:
            low, high = model.joint(name).range
            axis = " ".join(map(str, model.joint(name).axis))
            limits = f'<axis xyz="{axis}"/><limit lower="{low}" upper="{high}" effort="100" velocity="2"/>'
        joints.append(_joint(name, parent, child, model.body_pos[body], model.body_quat[body], limits))
        links.append(f'<link name="{child}"/>')
        parent = child
    joints.append(_joint(None, parent, "ee", site.pos, site.quat, ""))
    return f'<robot name="kitchen">{"".join(links)}<link name="ee"/>{"".join(joints)}</robot>'


def _joint(
    name: str | None, parent: str, child: str, position: NDArray[np.float64], quaternion: NDArray[np.float64], rest: str
) -> str:
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    m = matrix.reshape(3, 3)
    roll, yaw = np.arctan2(m[2, 1], m[2, 2]), np.arctan2(m[1, 0], m[0, 0])
    pitch = np.arctan2(-m[2, 0], np.hypot(m[2, 1], m[2, 2]))
    kind = "revolute" if name else "fixed"
    return (
        f'<joint name="{name or f"{child}_fixed"}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{" ".join(map(str, position))}" rpy="{roll} {pitch} {yaw}"/>{rest}</joint>'
    )


def _seconds(duration: Any) -> float:
    return float(duration.sec) + 1e-9 * float(duration.nanosec)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", help='in words: "apple on table, spill on close counter"')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--goal", help="say at the end whether it holds in the simulator's own state")
    parser.add_argument("--speed", type=float, default=1.0, help="simulated seconds in a second, at most")
    options = parser.parse_args(arguments)
    goal = None if options.goal is None else goals.parse(options.goal)
    node = KitchenNode(options.scene, options.seed, options.speed)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: node.stop())
    sys.stdout.write("the kitchen is there\n")
    sys.stdout.flush()
    try:
        node.run()
        if goal is not None:
            holds = goal.holds(node.kitchen.privileged_state())
            sys.stdout.write(f"the goal {goal} {'holds' if holds else 'does not hold'}\n")
    finally:
        node.close()


if __name__ == "__main__":
    main()
