"""A robot that speaks ROS 2, behind the four verbs of `saycan.Robot`."""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import BadInputError, RobotError
from saycan.lease import Lease
from saycan.observation import Observation
from saycan.robot import RobotSpec
from saycan.robots.arm import ArmKinematics, urdf_model
from saycan.robots.reference import Reference
from saycan.robots.ros2.commands import make_commands, opening_of
from saycan.robots.ros2.config import CameraConfig, Ros2Config, read_config
from saycan.robots.ros2.joints import JointReadings
from saycan.robots.ros2.pictures import to_depth, to_intrinsics, to_picture
from saycan.robots.ros2.transforms import Transforms, planar
from saycan.ros import Session, domain, seconds

_LOOK_AHEAD = (
    1.5  # periods that a goal may take: the next one replaces it before it ends, so that the arm does not stop
)
_LAG = 0.06  # s that messages take to the robot and back
_TOPIC = re.compile(r"[A-Za-z0-9_/~{}]+")
_SLOW_CLOCK = 30.0  # wall-clock periods that one period of the robot's clock may last


class Ros2Robot:
    """A robot that speaks ROS 2: joints, gripper, base and cameras are topics and actions that a file names.

    Hand motions become joint positions here, by the robot's own description (URDF).

    Time is the stamp of the arm joint that has been silent longest: when one of several publishers dies, it stands
    still, and the gate stops the robot. The gripper's joint is no part of that clock, since its publisher may be slower
    than control, and the clock has to go on with every action; it may be `freshness.observation` older. So may
    odometry, or the transform that stands for it, which need not come as often either; a static transform does not age.

    Args:
        config: A file, the name of a packaged one ("kitchen"), or what was read from one.

    Attributes:
        spec: What it is.
        lease: Of its device, from before it connects until after it has let go.
        intrinsics: Camera name to (3, 3) float64, the pinhole matrix for its pictures as they are observed (pixels), of
            every camera whose CameraInfo is named.

    Raises:
        BadInputError: The file or the robot's description cannot be used.
        MissingPartError: ROS 2, or the messages that this robot needs, are not installed.
        RobotError: Something that the file names did not come in `config.patience` seconds.
        LeaseError: Another program drives it; nothing was touched.
    """

    def __init__(self, config: str | Path | Ros2Config = "kitchen") -> None:
        self._config = config = config if isinstance(config, Ros2Config) else read_config(config)
        self._urdf = _description(config)
        self._news = threading.Condition()
        self._newest: dict[str, Any] = {}
        self._awaited: dict[str, str] = {}
        self._heard = JointReadings()
        self._here = np.zeros(0)  # (J,) rad, the newest joints that are finite
        self._closed = False
        with contextlib.ExitStack() as undo:
            self.lease = Lease(config.device or f"ros2:{domain()}{config.arm.command}")
            undo.callback(self.lease.release)
            self._session = Session(config.node_name, config.sim_time)
            undo.callback(self._session.close)
            self._subscribe()
            self._arm, self._gripper, self._base = make_commands(self._session.node, config)
            self._session.start()
            self._await()
            urdf = str(self._newest["description"].data) if self._urdf is None else self._urdf
            self._kinematics = ArmKinematics(
                urdf_model(urdf), config.arm.joints, config.arm.tip, config.arm.home, config.arm.base
            )
            pictures = {name: self._picture(name, camera) for name, camera in config.cameras.items()}
            self.spec = RobotSpec(
                config.name,
                config.rate,
                config.limits,
                {name: picture.shape for name, picture in pictures.items()},
                joints=len(config.arm.joints),
                freshness=config.freshness,
                device=self.lease.device,
                places=config.places,
            )
            self.intrinsics = {
                name: to_intrinsics(self._newest[f"info {name}"], pictures[name].shape[:2])
                for name, camera in config.cameras.items()
                if camera.info
            }
            joint_step = np.full(len(config.arm.joints), config.arm.speed / config.rate)
            limits = config.limits
            box = limits.workspace_low, limits.workspace_high
            self._reference = Reference(self._kinematics, joint_step, _LAG * limits.ee_speed, box)
            self._tick: float | None = None
            self._lock = threading.RLock()  # hold() comes from any thread
            self._begin_anew()
            undo.pop_all()

    def observe(self) -> Observation:
        """The newest of every topic; `time` is that of the arm's joints.

        Raises RobotError after close(), when no message is heard any more since the node's thread has died, when
        gripper or base were measured `freshness.observation` before that, and when depth was `freshness.picture` before
        its picture.
        """
        self._require_open()
        with self._news:
            newest = dict(self._newest)
        now = self._time(newest["joints"])
        base_pose, base_time = self._base_pose(newest)
        self._require_gripper(newest["joints"], now)
        self._require_base(base_time, now)
        self._require_depths(newest)
        positions = newest["joints"].positions
        joints = self._joints(positions)
        position, quaternion = self._kinematics.pose(joints)
        cameras = self._config.cameras
        depths = {name: f"depth {name}" for name, camera in cameras.items() if camera.depth}
        return Observation(
            time=now,
            images={name: to_picture(newest[f"image {name}"], camera.size) for name, camera in cameras.items()},
            joints=joints,
            gripper=opening_of(self._config.gripper, positions),
            ee_position=position,
            ee_quaternion=quaternion,
            base_pose=base_pose,
            depths={
                name: to_depth(newest[key], cameras[name].size) for name, key in depths.items() if key in newest
            },
            image_times={name: seconds(newest[f"image {name}"].header.stamp) for name in cameras},
        )  # fmt: skip

    def apply(self, action: Action) -> Action:
        """Send it, and return it when its control period is over by the robot's clock.

        By how much `arm.speed` has shortened it is not told. Raises RobotError after close(), for an action or a
        measurement that is not finite (nothing is sent then), when a controller refuses, when the clock stands still,
        and when no message is heard any more since the node's thread has died.
        """
        self._require_open()
        if not action.is_finite():
            raise RobotError(f"{self._config.name}: refused an action that is not finite: {action}")
        period = 1.0 / self._config.rate
        with self._lock:
            now = self._session.now()
            if self._tick is None or not now - period < self._tick <= now + period:
                if self._tick is None:
                    self._begin_anew()
                self._tick = now
            self._tick = tick = self._tick + period
            with self._news:
                newest = dict(self._newest)
            behind = max(0.0, now - self._time(newest["joints"]))
            self._reference.advance(*self._measured(newest), action)
            if not np.isfinite(self._reference.goal).all():
                self._tick = None  # the next one begins anew
                raise RobotError(f"{self._config.name}: {action} leads nowhere: {self._reference.goal.tolist()}")
            if not action.terminate:
                self._arm.send(self._reference.goal[3:], _LOOK_AHEAD * period)
                if self._gripper is not None:
                    self._gripper.send(action.gripper)
            if self._base is not None:
                forward, left, turn = (0.0, 0.0, 0.0) if action.terminate else (action.base_delta / period).tolist()
                self._base.send(forward, left, turn)
        self._wait_for(tick, behind)
        return action

    def hold(self) -> None:
        """The base stops, the arm stays where it is or last said that it is, the gripper keeps what it has."""
        if self._closed:
            return
        with contextlib.suppress(Exception), self._lock:
            if self._base is not None:
                self._base.send(0.0, 0.0, 0.0)
            self._arm.stop(self._here)
            self._tick = None

    def close(self) -> None:
        """Hold, then end the node. Idempotent."""
        if not self._closed:
            self.hold()
            time.sleep(0.05)  # what was sent last is on its way yet
            self._closed = True
            try:
                self._session.close()
            finally:
                self.lease.release()

    def __repr__(self) -> str:
        return f"Ros2Robot({self._config.name!r})"

    def _begin_anew(self) -> None:
        """What is measured is the reference, and the gripper is told its opening again."""
        with self._news:
            newest = dict(self._newest)
        gripper = opening_of(self._config.gripper, newest["joints"].positions)
        self._reference.reset(*self._measured(newest), gripper)
        if self._gripper is not None:
            self._gripper.forget()

    def _measured(self, newest: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Base pose (3,) and joints (J,) rad. Raises RobotError where one is not finite, as all goals would be."""
        base, joints = self._base_pose(newest)[0], self._joints(newest["joints"].positions)
        for name, vector in (("base_pose", base), ("joints", joints)):
            if not np.isfinite(vector).all():
                raise RobotError(f"{self._config.name}: {name} is not finite: {vector.tolist()}")
        return base, joints

    def _subscribe(self) -> None:
        from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
        from sensor_msgs.msg import CameraInfo, Image, JointState
        from std_msgs.msg import String

        config = self._config
        self._listen("joints", JointState, config.joint_states, qos_profile_sensor_data, self._hear)
        if self._urdf is None:
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._listen("description", String, config.description, latched)
        for name, camera in config.cameras.items():
            self._listen(f"image {name}", Image, camera.image, qos_profile_sensor_data)
            if camera.info:
                self._listen(f"info {name}", CameraInfo, camera.info, qos_profile_sensor_data)
            if camera.depth:
                self._listen(f"depth {name}", Image, camera.depth, qos_profile_sensor_data)
        if config.base is not None and config.base.odometry:
            from nav_msgs.msg import Odometry

            self._listen("odometry", Odometry, config.base.odometry, qos_profile_sensor_data)
        elif config.base is not None:
            self._transforms = Transforms(self._session.node, *config.base.frames)

    def _listen(
        self, key: str, kind: Any, topic: str, profile: Any, read: Callable[[Any], Any] = lambda message: message
    ) -> None:
        def keep(message: Any) -> None:
            found = read(message)
            if found is not None:
                with self._news:
                    self._newest[key] = found
                    self._news.notify_all()

        self._awaited[key] = topic
        self._session.node.create_subscription(kind, topic, keep, profile)

    def _hear(self, message: Any) -> JointReadings | None:
        """All joints, once each that is needed has told where it is; a message may hold but some."""
        self._heard = self._heard.after(message)
        wanted = {*self._config.arm.joints}
        if self._config.gripper is not None:
            wanted.add(self._config.gripper.joint)
        if not wanted <= self._heard.positions.keys():
            return None
        joints = self._joints(self._heard.positions)
        if np.isfinite(joints).all():
            self._here = joints
        return self._heard

    def _await(self) -> None:
        """Wait until everything has come once. Raises RobotError that lists what has not."""
        deadline = time.monotonic() + self._config.patience
        while True:
            self._session.require_serving()
            with self._news:
                missing = [f"message on {topic}" for key, topic in self._awaited.items() if key not in self._newest]
            parts = (self._arm, self._gripper, self._base)
            missing += [what for part in parts if part is not None and (what := part.missing())]
            if self._config.base is not None and self._config.base.frames and not self._transforms.there():
                missing.append(f"tf from {' to '.join(self._config.base.frames)}")
            if not missing:
                return
            if time.monotonic() > deadline:
                raise RobotError(
                    f"{self._config.name}: after {self._config.patience:g} s there is no {'; no '.join(missing)}. "
                    f"Is the robot running, in ROS domain {domain()}? `ros2 topic list` shows what there is"
                )
            time.sleep(0.02)

    def _picture(self, name: str, camera: CameraConfig) -> NDArray[np.uint8]:
        return to_picture(self._newest[f"image {name}"], camera.size)

    def _joints(self, positions: Mapping[str, float]) -> NDArray[np.float64]:
        return np.array([positions[name] for name in self._config.arm.joints], np.float64)

    def _time(self, readings: JointReadings) -> float:
        return readings.time(self._config.arm.joints)

    def _require_gripper(self, readings: JointReadings, now: float) -> None:
        """Raise RobotError when its joint has been silent for too long while the arm's were not."""
        gripper, topic = self._config.gripper, self._config.joint_states
        if gripper is not None:
            self._require_recent(
                f"joint {gripper.joint!r} on {topic}",
                readings.times[gripper.joint],
                now,
                f"`ros2 topic info -v {topic}` shows who publishes",
            )

    def _require_base(self, taken: float, now: float) -> None:
        """Raise RobotError when nobody has said for too long where it is, while the arm's joints came."""
        base = self._config.base
        if base is not None and base.frames:
            look = f"`ros2 run tf2_ros tf2_monitor {' '.join(base.frames)}` shows who sends it"
            self._require_recent(f"the transform from {' to '.join(base.frames)}", taken, now, look)
        elif base is not None:
            look = f"`ros2 topic hz {base.odometry}` shows whether it comes"
            self._require_recent(f"odometry on {base.odometry}", taken, now, look)

    def _require_depths(self, newest: dict[str, Any]) -> None:
        """Raise RobotError when a camera has sent no depth for too long while its pictures came."""
        for name, camera in self._config.cameras.items():
            if camera.depth:
                depth, picture = (seconds(newest[f"{kind} {name}"].header.stamp) for kind in ("depth", "image"))
                look = f"`ros2 topic hz {camera.depth}` shows whether it comes"
                self._require_recent(f"depth on {camera.depth}", depth, picture, look, "its picture", "picture")

    def _require_recent(
        self, what: str, taken: float, now: float, look: str, than: str = "the arm's joints", limit: str = "observation"
    ) -> None:
        age, longest = now - taken, getattr(self._config.freshness, limit)
        if age > longest:
            raise RobotError(
                f"{self._config.name}: {what} is {age:.1f} s older than {than}, more than freshness.{limit} "
                f"({longest:g} s). Does its node still run, by the same clock? {look}"
            )

    def _base_pose(self, newest: dict[str, Any]) -> tuple[NDArray[np.float64], float]:
        """(3,) x m, y m, yaw rad, and when it was measured in s: inf where it does not age."""
        if self._config.base is None:
            return np.zeros(3), math.inf
        if self._config.base.frames:
            return self._transforms.pose()
        message = newest["odometry"]
        pose = message.pose.pose
        return planar(pose.position, pose.orientation), seconds(message.header.stamp)

    def _wait_for(self, tick: float, behind: float) -> None:
        """Until the clock reaches a time, and the arm's joint states do, which are so many s `behind` it."""
        period = 1.0 / self._config.rate
        deadline = time.monotonic() + _SLOW_CLOCK * period + 1.0
        while not self._closed:
            self._session.require_serving()
            with self._news:
                left = tick - self._session.now()
                due = tick - behind - self._time(self._newest["joints"])
                if left <= 0 and (due <= 0.01 or left < -period):  # what is measured then is on its way
                    return
                self._news.wait(min(max(left, 0.002), 0.02))
            if time.monotonic() > deadline:
                raise RobotError(
                    f"{self._config.name}: its clock goes on by less than {period:g} s in a second or more"
                )

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError(f"{self._config.name} was closed; make a new one to go on")
        self._session.require_serving()


def _description(config: Ros2Config) -> str | None:
    """The URDF in the file that `description` names; None where it names a topic. Raises BadInputError."""
    file = Path(config.description)
    if not file.is_file() and _TOPIC.fullmatch(config.description):
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{config.name}: description is the topic of the robot's URDF or the path of a file with it, found "
            f"{config.description!r}, which is no topic's name and cannot be read in {Path.cwd()}: {error}. Robots' "
            "makers publish the file: put it there, or give its path in a file of your own (--robot ros2:FILE)"
        ) from error
