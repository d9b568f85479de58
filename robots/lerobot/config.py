"""A LeRobot robot's file: what LeRobot needs to make it, and what its motors are to the arm's description."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saycan.errors import BadInputError
from saycan.robot import Freshness, Limits
from saycan.robots.tables import above_zero, read_toml, table

_DEGREE = math.pi / 180.0
_SLOW = {"base_speed": 0.1, "base_turn": 0.5}  # m/s, rad/s: of a base, unless the file says otherwise
_FEW = 6  # joints, below which a hand cannot be anywhere in any direction


@dataclass(frozen=True)
class ArmConfig:
    """An arm.

    Attributes:
        motors: LeRobot's names of its motors, from the base on, without ".pos".
        joints: The description's names of the joints that they move.
        base, tip: Names of the links between which the end effector's pose counts.
        home: rad, for each joint; the posture that spare freedom is pulled towards.
        scale: rad of each joint for one unit of its motor, negative where it turns the other way. LeRobot's unit is a
            degree with `use_degrees = true`, and else a hundredth of half the calibrated range.
        offset: rad of each joint where its motor says 0.
        speed: rad/s, the fastest that a joint is sent.
        turning: See `saycan.robots.arm.ArmKinematics`; by default small for an arm of fewer than six joints.
    """

    motors: tuple[str, ...]
    joints: tuple[str, ...]
    base: str
    tip: str
    home: tuple[float, ...]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    speed: float = 1.0
    turning: float | None = None


@dataclass(frozen=True)
class GripperConfig:
    """A gripper.

    Attributes:
        motor: LeRobot's name of its motor.
        closed, open: What it says at either end.
    """

    motor: str
    closed: float = 0.0
    open: float = 100.0


@dataclass(frozen=True)
class BaseConfig:
    """A base that drives. Where it is comes of adding up the speeds that it measures, and drifts.

    Attributes:
        forward, left, turn: LeRobot's names of its speeds; "" for what it cannot do.
        scale: m/s, m/s and rad/s for one unit of each; by default LeKiwi's, which turns in degrees.
    """

    forward: str = "x.vel"
    left: str = "y.vel"
    turn: str = "theta.vel"
    scale: tuple[float, float, float] = (1.0, 1.0, _DEGREE)

    @property
    def speeds(self) -> tuple[str, str, str]:
        """Their names, as in `saycan.action.Action.base_delta`."""
        return self.forward, self.left, self.turn


@dataclass(frozen=True)
class LeRobotConfig:
    """A robot.

    Attributes:
        name: Shown to the user.
        robot: What LeRobot makes it of, as after `--robot.` on its command line: type, port, id, cameras, ...
        arm, gripper, base: Its parts; gripper and base may be absent. A base that is not named stands still.
        description: Path of its URDF, from the file's folder.
        plugins: Python modules that bring this type of robot to LeRobot, where it is none of LeRobot's own and its
            package is not called lerobot_robot_...; they are looked for on PYTHONPATH.
        server: "ws://127.0.0.1:PORT" where LeRobot's process runs already; by default it is started.
        rate: Hz, of control.
        patience: s that an answer may take.
        device: See `saycan.robot.RobotSpec`; by default the robot's port, else its remote_ip, else server, else name.
        limits, freshness: See `saycan.robot`.
    """

    name: str
    robot: Mapping[str, Any]
    arm: ArmConfig
    description: str
    gripper: GripperConfig | None = None
    base: BaseConfig | None = None
    plugins: tuple[str, ...] = ()
    server: str = ""
    rate: float = 10.0
    patience: float = 1.0
    device: str = ""
    limits: Limits = field(default_factory=lambda: Limits(base_speed=0.0, base_turn=0.0))
    freshness: Freshness = field(default_factory=Freshness)

    @property
    def motors(self) -> tuple[str, ...]:
        """Of the arm, then of the gripper."""
        return (*self.arm.motors, *([] if self.gripper is None else [self.gripper.motor]))


def read_config(path: str | Path) -> LeRobotConfig:
    """A robot from a file.

    Raises BadInputError for a file that is absent or no TOML, a key that is unknown or missing, another kind of value.
    """
    file = Path(path)
    try:
        data = read_toml(file)
    except FileNotFoundError:
        raise BadInputError(f"there is no robot {str(path)!r}: a TOML file as in docs/lerobot.md") from None
    try:
        config = _config(data)
    except BadInputError as error:
        raise BadInputError(f"{file}: {error}") from error
    return replace(config, description=str(file.parent / config.description))


def _config(data: dict[str, Any]) -> LeRobotConfig:
    parts: dict[str, Any] = {"arm": ArmConfig, "gripper": GripperConfig, "base": BaseConfig, "freshness": Freshness}
    found = {key: table(parts[key], value, key) if key in parts else value for key, value in data.items()}
    base = _SLOW if "base" in found else dict.fromkeys(_SLOW, 0.0)
    found["limits"] = table(Limits, found.get("limits", {}), "limits", **base)
    config = table(LeRobotConfig, found, "the robot")
    if not isinstance(config.robot, Mapping) or not isinstance(config.robot.get("type"), str):
        raise BadInputError('robot is a table with a type, such as type = "so101_follower"')
    above_zero(config.rate, "rate")
    arm, gripper = config.arm, config.gripper
    count = len(arm.motors)
    for name in ("joints", "home", "scale", "offset"):
        one = getattr(arm, name)
        if len(one) != count and (one or name in ("joints", "home")):
            raise BadInputError(f"arm.{name} has one for each of arm.motors ({count}), found {len(one)}")
    if not count or len({*config.motors}) != len(config.motors):
        raise BadInputError(f"arm.motors and gripper.motor name each motor once, found {', '.join(config.motors)}")
    if 0.0 in arm.scale:
        raise BadInputError("arm.scale is rad of a joint for one unit of its motor, never 0")
    if config.base is not None and (0.0 in config.base.scale or not any(config.base.speeds)):
        raise BadInputError("base.scale is m/s or rad/s for one unit of a speed, never 0, and base names some speed")
    if gripper is not None and gripper.closed == gripper.open:
        raise BadInputError(f"gripper.closed and gripper.open are different positions, found {gripper.open} twice")
    whole = replace(
        arm,
        scale=arm.scale or (_DEGREE,) * count,
        offset=arm.offset or (0.0,) * count,
        turning=(1.0 if count >= _FEW else 0.05) if arm.turning is None else arm.turning,
    )
    return replace(config, arm=whole)
