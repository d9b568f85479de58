"""The last thing between an agent and a driver.

Every action passes in this order: finite check (before any clamp, since NaN survives `min` and `max`), terminate,
speed limits, gripper range, workspace box, driver. What the driver says it really sent comes back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from saycan.action import Action
from saycan.errors import RobotError, UnsafeActionError
from saycan.observation import Observation
from saycan.robot import Robot, RobotSpec

_EE = ("ee x", "ee y", "ee z", "ee roll", "ee pitch", "ee yaw")
_BASE = ("base x", "base y", "base yaw")


class Gate:
    """A robot that lets nothing unsafe through to the driver it wraps; itself a `Robot`.

    Limits hold per control period: a translation longer than `ee_speed / rate` is shortened in its direction, a
    rotation vector and the base's translation likewise, the base's yaw is clipped. The end effector may not be
    commanded out of the workspace box (base frame); from outside it, it may only move back in. Where it is counts from
    the newest observation plus what has been sent since.

    Args:
        robot: The driver. Wrapping a Gate gives the same Gate.

    Raises:
        RobotError: Not a robot, or a specification with limits that are not finite and non-negative.
    """

    def __new__(cls, robot: Robot) -> Gate:
        """The gate of this robot; a gate needs no second one."""
        return robot if isinstance(robot, Gate) else super().__new__(cls)

    def __init__(self, robot: Robot) -> None:
        if robot is self:
            return
        missing = [verb for verb in ("spec", "observe", "apply", "hold", "close") if not hasattr(robot, verb)]
        if missing:
            raise RobotError(
                f"{type(robot).__name__} is not a robot: it has no {', '.join(missing)}; "
                "a robot has spec, observe(), apply(action), hold() and close()"
            )
        self._driver = robot
        self._spec = spec = robot.spec
        limits = spec.limits
        speeds = (limits.ee_speed, limits.ee_turn, limits.base_speed, limits.base_turn)
        if not (math.isfinite(spec.rate) and spec.rate > 0):
            raise RobotError(f"{spec.name}: the control rate must be a positive number of Hz, found {spec.rate}")
        if not all(math.isfinite(speed) and speed >= 0 for speed in speeds):
            raise RobotError(f"{spec.name}: speed limits must be finite and not negative, found {limits}")
        if not all(low <= high for low, high in zip(limits.workspace_low, limits.workspace_high, strict=True)):
            raise RobotError(f"{spec.name}: the workspace's low corner must lie below its high corner, found {limits}")
        self._step_ee, self._turn_ee, self._step_base, self._turn_base = (speed / spec.rate for speed in speeds)
        self._low, self._high = limits.workspace_low, limits.workspace_high
        self._ee_position: list[float] | None = None
        self._closed = False

    @property
    def driver(self) -> Robot:
        """What it wraps: for reading (a simulator's state, its pictures), never for moving."""
        return self._driver

    @property
    def spec(self) -> RobotSpec:
        """The driver's."""
        return self._spec

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def observe(self) -> Observation:
        """The driver's newest observation. Raises RobotError, also for shapes or numbers that the spec rules out."""
        self._require_open()
        try:
            observation = self._driver.observe()
        except RobotError:
            raise
        except Exception as error:
            raise RobotError(f"{self._spec.name}: observe() failed: {_describe(error)}") from error
        problem = find_problem(observation, self._spec)
        if problem:
            raise RobotError(f"{self._spec.name}: bad observation: {problem}")
        self._ee_position = observation.ee_position.tolist()
        return observation

    def apply(self, action: Action) -> Action:
        """Send what is safe of an action, for one control period; returns what was really sent.

        Raises UnsafeActionError for what is not an action or not finite (the robot is held and gets nothing of it),
        RobotError when the driver fails (the robot is held).
        """
        self._require_open()
        safe = self.limit(action)
        try:
            sent = self._driver.apply(safe)
        except RobotError:
            self.hold()
            raise
        except Exception as error:
            self.hold()
            raise RobotError(f"{self._spec.name}: apply() failed: {_describe(error)}") from error
        if not isinstance(sent, Action):
            self.hold()
            raise RobotError(f"{self._spec.name}: apply() must return the Action it sent, found {type(sent).__name__}")
        if self._ee_position is not None:
            self._ee_position = [x + dx for x, dx in zip(self._ee_position, sent.ee_delta.tolist(), strict=False)]
        return sent

    def limit(self, action: Action) -> Action:
        """What `apply` would send: the action itself when it is within all limits.

        Raises UnsafeActionError for what is not an action or not finite (the robot is held).
        """
        if not isinstance(action, Action):
            self.hold()
            raise UnsafeActionError(f"refused: expected an Action, found {type(action).__name__}; the robot is held")
        ee: list[float] = action.ee_delta.tolist()
        base: list[float] = action.base_delta.tolist()
        gripper = action.gripper
        # A sum is finite only if all of its terms are (or, rarely, they overflow together: as unsafe).
        if not math.isfinite(sum(ee) + sum(base) + gripper):
            self.hold()
            numbers = dict(zip((*_EE, "gripper", *_BASE), (*ee, gripper, *base), strict=True))
            bad = ", ".join(f"{name} = {value}" for name, value in numbers.items() if not abs(value) < 1e300)
            raise UnsafeActionError(f"refused an action that is not finite: {bad}; the robot is held")

        if action.terminate:  # nothing moves in that period
            safe_ee, safe_base = [0.0] * 6, [0.0] * 3
        else:
            moved = self._into_workspace(_shorten(ee[:3], self._step_ee))
            safe_ee = [*moved, *_shorten(ee[3:], self._turn_ee)]
            yaw = min(max(base[2], -self._turn_base), self._turn_base)
            safe_base = [*_shorten(base[:2], self._step_base), yaw]
        safe_gripper = min(max(gripper, 0.0), 1.0)
        if safe_ee == ee and safe_base == base and safe_gripper == gripper:
            return action
        return Action(safe_ee, safe_gripper, safe_base, action.terminate)

    def hold(self) -> None:
        """Stop where it is. Always allowed, never raises, nothing to do after close()."""
        if not self._closed:
            # A driver that cannot even hold has nothing more to offer, and the caller is on an exit path already.
            with contextlib.suppress(Exception):
                self._driver.hold()

    def close(self) -> None:
        """Hold, then release the driver. Idempotent. Raises RobotError when the driver's close() fails."""
        if self._closed:
            return
        self.hold()
        self._closed = True
        try:
            self._driver.close()
        except RobotError:
            raise
        except Exception as error:
            raise RobotError(f"{self._spec.name}: close() failed: {_describe(error)}") from error

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Gate({self._driver!r})"

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError(f"{self._spec.name} was closed; make a new one to go on")

    def _into_workspace(self, move: list[float]) -> list[float]:
        """The move, shortened axis by axis so that it does not leave the box, nor lead further out of it."""
        if self._ee_position is None:
            self.observe()
            assert self._ee_position is not None
        for axis, here in enumerate(self._ee_position):
            target = here + move[axis]
            if target > self._high[axis] and move[axis] > 0:
                move[axis] = max(self._high[axis] - here, 0.0)
            elif target < self._low[axis] and move[axis] < 0:
                move[axis] = min(self._low[axis] - here, 0.0)
        return move


def find_problem(observation: Observation, spec: RobotSpec) -> str | None:
    """What is wrong with an observation under a specification, in words; None when nothing is."""
    if not isinstance(observation, Observation):
        return f"expected an Observation, found {type(observation).__name__}"
    vectors = (
        ("joints", observation.joints, spec.joints),
        ("ee_position", observation.ee_position, 3),
        ("ee_quaternion", observation.ee_quaternion, 4),
        ("base_pose", observation.base_pose, 3),
    )
    for name, vector, size in vectors:
        shape = getattr(vector, "shape", None)
        if shape != (size,):
            return f"{name} must be an array of shape ({size},), found {shape or type(vector).__name__}"
        if not all(map(math.isfinite, vector.tolist())):
            return f"{name} is not finite: {vector.tolist()}"
    if not (math.isfinite(observation.gripper) and math.isfinite(observation.time)):
        return f"gripper {observation.gripper} and time {observation.time} must be finite"
    for camera, full in spec.cameras.items():
        image = observation.images.get(camera)
        if image is None:
            return f"no image of camera {camera!r}; found {sorted(observation.images) or 'none'}"
        if image.shape != tuple(full) or image.dtype != np.uint8:
            return f"image {camera!r} must be uint8 of shape {tuple(full)}, found {image.dtype} of shape {image.shape}"
    return None


def _shorten(vector: Sequence[float], longest: float) -> list[float]:
    length = math.hypot(*vector)
    if length <= longest:
        return list(vector)
    scale = longest / length
    return [component * scale for component in vector]


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
