"""A ROS 2 robot's names and measures, read from a TOML file; robots/ros2/configs has some."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saycan.errors import BadInputError
from saycan.place import Place
from saycan.robot import Freshness, Limits
from saycan.robots.tables import above_zero, one_of, read_toml, table, tables

ARM_INTERFACES = ("follow_joint_trajectory", "joint_trajectory", "joint_state")
GRIPPER_INTERFACES = ("gripper_command", "joint_state")


@dataclass(frozen=True)
class ArmConfig:
    """An arm.

    Attributes:
        joints: Names of its joints, from the base on.
        base, tip: Names of the links between which the end effector's pose counts.
        home: rad, for each joint; the posture that spare freedom is pulled towards.
        command: Name of the action or topic.
        interface: "follow_joint_trajectory" (control_msgs action, as of ros2_control), "joint_trajectory"
            (trajectory_msgs topic), or "joint_state" (sensor_msgs topic, as Isaac Sim takes it).
        speed: rad/s, the fastest that a joint is sent.
    """

    joints: tuple[str, ...]
    base: str
    tip: str
    home: tuple[float, ...]
    command: str
    interface: str = ARM_INTERFACES[0]
    speed: float = 2.0


@dataclass(frozen=True)
class GripperConfig:
    """A gripper.

    Attributes:
        joint: Whose position tells how far it is open.
        closed, open: That position at either end (m or rad).
        command: Name of the action; "" with "joint_state", which commands `joints` on the arm's topic.
        interface: "gripper_command" (control_msgs action) or "joint_state".
        effort: N, the most that it closes with.
        joints: With "joint_state", the joints that are sent; `joint` alone where empty.
    """

    joint: str
    closed: float
    open: float
    command: str = ""
    interface: str = GRIPPER_INTERFACES[0]
    effort: float = 20.0
    joints: tuple[str, ...] = ()


@dataclass(frozen=True)
class BaseConfig:
    """A base that drives.

    Attributes:
        command: Topic of geometry_msgs/Twist.
        odometry: Topic of nav_msgs/Odometry.
        frames: Instead of odometry, two tf frames, such as ("map", "base_link"): where the second is in the first.
    """

    command: str
    odometry: str = ""
    frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class CameraConfig:
    """A camera.

    Attributes:
        image: Topic of sensor_msgs/Image.
        info: Topic of its sensor_msgs/CameraInfo; "" without.
        depth: Topic of its depth (16UC1 in mm or 32FC1 in m), aligned with the image; "" without.
        size: Height and width that pictures are brought to; as they come where empty.
    """

    image: str
    info: str = ""
    depth: str = ""
    size: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ros2Config:
    """A robot.

    Attributes:
        name: Shown to the user.
        arm, gripper, base, cameras: Its parts; gripper and base may be absent.
        joint_states: Topic of sensor_msgs/JointState.
        description: Topic of the URDF (std_msgs/String, latched), or the path of a file.
        rate: Hz, of control.
        sim_time: Whether time is what /clock says.
        patience: s that is waited for topics and servers before it is said what is missing.
        device: See `saycan.robot.RobotSpec`; by default the ROS domain and the arm's command.
        limits, freshness: See `saycan.robot`; in a file without base its speeds are 0 unless it says otherwise.
        places: The map of the furniture.
    """

    name: str
    arm: ArmConfig
    gripper: GripperConfig | None = None
    base: BaseConfig | None = None
    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)
    joint_states: str = "/joint_states"
    description: str = "/robot_description"
    rate: float = 10.0
    sim_time: bool = False
    patience: float = 10.0
    device: str = ""
    limits: Limits = field(default_factory=Limits)
    freshness: Freshness = field(default_factory=Freshness)
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def node_name(self) -> str:
        """Of the driver's node; ROS takes letters, digits and underscores alone."""
        return f"saycan_{re.sub(r'[^A-Za-z0-9_]', '_', self.name)}_driver"


def read_config(path: str | Path) -> Ros2Config:
    """A robot from a file, or by the name of a packaged one ("kitchen").

    Raises BadInputError for a file that is absent or no TOML, a key that is unknown or missing, another kind of value.
    """
    packaged = Path(__file__).with_name("configs") / f"{path}.toml"
    file = packaged if packaged.is_file() else Path(path)
    try:
        data = read_toml(file)
    except FileNotFoundError:
        known = ", ".join(sorted(one.stem for one in packaged.parent.glob("*.toml")))
        raise BadInputError(f"there is no robot {str(path)!r}: a TOML file, or one of {known}") from None
    try:
        return _config(data)
    except BadInputError as error:
        raise BadInputError(f"{file}: {error}") from error


def _config(data: dict[str, Any]) -> Ros2Config:
    parts: dict[str, Any] = {"arm": ArmConfig, "gripper": GripperConfig, "base": BaseConfig, "freshness": Freshness}
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key in parts:
            found[key] = table(parts[key], value, key)
        elif key == "cameras":
            found[key] = {name: table(CameraConfig, one, f"cameras.{name}") for name, one in tables(value, key)}
        elif key == "places":
            found[key] = {name: _place(name, one) for name, one in tables(value, key)}
        else:
            found[key] = value
    still = {} if "base" in data else {"base_speed": 0.0, "base_turn": 0.0}
    found["limits"] = table(Limits, found.get("limits", {}), "limits", **still)
    config = table(Ros2Config, found, "the robot")
    above_zero(config.rate, "rate")
    arm, gripper = config.arm, config.gripper
    if len(arm.home) != len(arm.joints) or not arm.joints:
        raise BadInputError(f"arm.home has a number for each of arm.joints ({len(arm.joints)}), found {len(arm.home)}")
    one_of(arm.interface, ARM_INTERFACES, "arm.interface")
    if gripper is not None:
        one_of(gripper.interface, GRIPPER_INTERFACES, "gripper.interface")
        if gripper.closed == gripper.open:
            raise BadInputError(f"gripper.closed and gripper.open are different positions, found {gripper.open} twice")
        if gripper.interface == "joint_state" and arm.interface != "joint_state":
            raise BadInputError("gripper.interface = 'joint_state' goes with the same interface of the arm")
    base = config.base
    if base is not None and bool(base.odometry) == (len(base.frames) == 2):
        raise BadInputError("base needs odometry (a topic) or frames (two names), and not both")
    return config


def _place(name: str, data: Any) -> Place:
    found = table(_PlaceTable, data, f"places.{name}")
    arrays = {key: np.array(getattr(found, key), np.float64) for key in ("dock", "center", "half_size")}
    if [array.shape for array in arrays.values()] != [(3,), (3,), (2,)]:
        raise BadInputError(f"places.{name}: dock and center are three numbers, half_size two")
    one_of(found.kind, ("surface", "bin", "tray", "drawer"), f"places.{name}.kind")
    rim = float(arrays["center"][2]) if found.rim is None else found.rim
    return Place(name, found.kind, **arrays, rim=rim)  # type: ignore[arg-type]  # the kind was checked


@dataclass(frozen=True)
class _PlaceTable:
    kind: str
    dock: tuple[float, ...]
    center: tuple[float, ...]
    half_size: tuple[float, ...]
    rim: float | None = None
