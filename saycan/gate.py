"""The last thing between an agent and a driver.

Every action passes in this order: is the robot free to move, is what it follows from fresh, finite check (before any
clamp, since NaN survives `min` and `max`), terminate, speed, step size, acceleration, gripper range, workspace box,
driver. What the driver says it sent comes back. What comes from the driver is looked at on the way out: shapes
and numbers, a clock that goes on, joints within their limits, cameras that show something new.

Whatever is wrong holds the robot, and is a `Halt` of some `Severity`: hold < stop < emergency stop.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from saycan.action import Action
from saycan.errors import HaltedError, RobotError, UnsafeActionError
from saycan.halt import Halt, Severity
from saycan.inspection import Inspection, find_problem
from saycan.observation import Observation
from saycan.robot import EmergencyStoppable, Leased, Robot, RobotSpec
from saycan.watchdog import Watchdog

_EE = ("ee x", "ee y", "ee z", "ee roll", "ee pitch", "ee yaw")
_BASE = ("base x", "base y", "base yaw")
_PERIODS = 3  # without an action before a real robot is held, however short `spec.freshness.command`


class Gate:
    """A robot that lets nothing unsafe through to the driver it wraps; itself a `Robot`.

    Limits hold per control period: a translation longer than `ee_speed / rate` or `ee_step` is shortened in its
    direction, a rotation vector and the base's translation likewise, the base's yaw is clipped; translations change
    from one period to the next by no more than the acceleration allows. The end effector may not be commanded out of
    the workspace box (base frame); from outside it, it may only move back in. Where it is counts from the newest
    observation plus what has been sent since.

    On a real robot a watchdog holds it when no action came for `spec.freshness.command`, and with `spec.device` the
    gate takes the `Lease` of the device, unless the driver has (`saycan.robot.Leased`). A process that is killed
    watches nothing any more: drivers of real robots have a dead-man of their own on the robot's side.

    Args:
        robot: The driver. Wrapping a Gate gives the same Gate.

    Raises:
        RobotError: Not a robot, or a specification with limits that are not finite and non-negative.
        LeaseError: Another program drives the device.
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
        _check(spec)
        limits = spec.limits
        speeds = (limits.ee_speed, limits.ee_turn, limits.base_speed, limits.base_turn)
        self._step_ee, self._turn_ee, self._step_base, self._turn_base = (speed / spec.rate for speed in speeds)
        self._step_ee = min(self._step_ee, limits.ee_step)
        self._change_ee, self._change_base = (
            math.inf if acceleration is None else acceleration / spec.rate**2
            for acceleration in (limits.ee_acceleration, limits.base_acceleration)
        )
        self._low, self._high = limits.workspace_low, limits.workspace_high
        self._ee_position: list[float] | None = None
        self._sent_ee, self._sent_base = [0.0] * 3, [0.0] * 2
        self._inspection = Inspection(spec)
        self._halt: Halt | None = None
        self._emergencies = 0
        self._ladder = threading.Lock()
        self._closed = self._left = False
        self._lease = None
        if spec.device:
            from saycan.lease import Lease

            # Of a driver that has the device already, one gate at a time.
            self._lease = Lease(f"the driver of {spec.device}" if isinstance(robot, Leased) else spec.device)
        self._watchdog: Watchdog | None = None
        if not spec.simulated:
            patience = max(spec.freshness.command, _PERIODS / spec.rate)
            self._watchdog = Watchdog(patience, lambda: self.halt(Severity.HOLD, f"no action came for {patience:g} s"))

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

    @property
    def halted(self) -> Halt | None:
        """Why the robot stands still, the worst reason of those that hold; None when it does not."""
        return self._halt

    def observe(self) -> Observation:
        """The driver's newest observation.

        Raises RobotError, also for shapes or numbers that the spec rules out; HaltedError, and the robot is stopped,
        for a clock that stands still, a joint that leaves its limits, and a camera that is frozen, black or late.
        """
        self._require_open()
        try:
            observation = self._driver.observe()
        except RobotError:
            raise
        except Exception as error:
            raise RobotError(f"{self._spec.name}: observe() failed: {_describe(error)}") from error
        try:
            problem = find_problem(observation, self._spec)
        except Exception as error:  # of kinds that it is not made for, such as words for numbers
            problem = _describe(error)
        if problem:
            raise RobotError(f"{self._spec.name}: bad observation: {problem}")
        problem = self._inspection.problem(observation)
        self._ee_position = observation.ee_position.tolist()
        if problem:
            self.halt(Severity.STOP, problem)
            self.require_free()
        return observation

    def apply(self, action: Action) -> Action:
        """Send what is safe of an action, for one control period; returns what the driver says it sent.

        Raises UnsafeActionError for what is not an action, not finite, or follows from an observation of long ago (the
        robot is held and gets nothing of it), HaltedError while it is stopped, RobotError when the driver fails (the
        robot is held).
        """
        self._require_open()
        if self._left:
            raise RobotError(f"{self._spec.name} was left to its driver; make a new gate or agent to move it")
        self.require_free()
        self._require_fresh()
        safe = self.limit(action)
        if self._watchdog is not None:
            self._watchdog.feed()
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
        if self._watchdog is not None:
            self._watchdog.feed()
        self._inspection.applied()
        moved = sent.ee_delta.tolist()
        self._sent_ee, self._sent_base = moved[:3], sent.base_delta.tolist()[:2]
        if self._ee_position is not None:
            self._ee_position = [x + dx for x, dx in zip(self._ee_position, moved, strict=False)]
        with self._ladder:
            if self._halt is not None and self._halt.severity is Severity.HOLD:
                self._halt = None
        self.require_free()  # whoever stopped it meanwhile may have come before the action did
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
            moved = _eased(_shorten(ee[:3], self._step_ee), self._sent_ee, self._change_ee)
            safe_ee = [*self._into_workspace(moved), *_shorten(ee[3:], self._turn_ee)]
            yaw = min(max(base[2], -self._turn_base), self._turn_base)
            driven = _eased(_shorten(base[:2], self._step_base), self._sent_base, self._change_base)
            safe_base = [*driven, yaw]
        safe_gripper = min(max(gripper, 0.0), 1.0)
        if safe_ee == ee and safe_base == base and safe_gripper == gripper:
            return action
        return Action(safe_ee, safe_gripper, safe_base, action.terminate)

    def hold(self) -> None:
        """Stop where it is. Always allowed, never raises, nothing to do after close()."""
        if self._watchdog is not None:
            self._watchdog.rest()
        if not self._closed:
            self._sent_ee, self._sent_base = [0.0] * 3, [0.0] * 2
            # A driver that cannot even hold has nothing more to offer, and the caller is on an exit path already.
            with contextlib.suppress(Exception):
                self._driver.hold()

    def halt(self, severity: Severity, reason: str) -> None:
        """Hold the robot, and keep it from moving as `severity` says; from any thread, never raises.

        Of several reasons the first of the worst stays. An emergency stop calls the driver's `emergency_stop` where it
        has one.
        """
        with self._ladder:
            self._emergencies += severity is Severity.EMERGENCY
            if self._halt is None or severity > self._halt.severity:
                self._halt = Halt(severity, reason, time.time())
        if severity is Severity.EMERGENCY and isinstance(self._driver, EmergencyStoppable) and not self._closed:
            with contextlib.suppress(Exception):  # whatever it could not do, holding is left
                self._driver.emergency_stop()
        self.hold()

    def emergency_stop(self, reason: str = "somebody said so") -> None:
        """Everything ends at once, until a person calls `recover`. From any thread, never raises."""
        self.halt(Severity.EMERGENCY, reason)

    def require_free(self) -> None:
        """Raise HaltedError while it is stopped, by whatever severity but a mere hold."""
        halt = self._halt
        if halt is not None and halt.severity > Severity.HOLD:
            self.hold()
            raise HaltedError(f"{self._spec.name} does not move, {halt}; {halt.way_out}")

    def release(self) -> None:
        """Let it move again after a hold or a stop: somebody asks for something new. An emergency stop stays."""
        with self._ladder:
            if self._halt is None or self._halt.severity is Severity.EMERGENCY:
                return
            self._halt = None
        self._inspection.forget()

    def recover(self) -> None:
        """Let it move again after an emergency stop: for the person who has seen that it is safe.

        Raises RobotError where the driver fails or needs a hand first, HaltedError where somebody stops it again
        meanwhile; and the stop stays.
        """
        self._require_open()
        emergencies = self._emergencies
        if self._halt is not None and self._halt.severity is Severity.EMERGENCY:
            if isinstance(self._driver, EmergencyStoppable):
                try:
                    self._driver.recover()
                except RobotError:
                    raise
                except Exception as error:
                    raise RobotError(f"{self._spec.name}: recover() failed: {_describe(error)}") from error
            with self._ladder:
                again = self._emergencies != emergencies
                if not again:
                    self._halt = None
            if again:
                self.emergency_stop()  # the driver's power may be back since
                self.require_free()
            self._inspection.forget()
        self.release()

    def leave(self) -> None:
        """Let another gate drive, for whoever holds it and leaves its driver open: watchdog and lease end here.

        The driver is not touched. Afterwards `apply` raises RobotError, and `hold` and `close` do what they always do.
        Idempotent.
        """
        self._left = True
        if self._watchdog is not None:
            self._watchdog.close()
        if self._lease is not None:
            self._lease.release()

    def close(self) -> None:
        """Hold, release driver and lease. Idempotent. Raises RobotError when the driver's close() fails."""
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
        finally:
            self.leave()

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

    def _require_fresh(self) -> None:
        """What an action follows from has to be new."""
        age, longest = self._inspection.age(), self._spec.freshness.observation
        if age > longest:
            self.halt(Severity.HOLD, f"an action followed from an observation {age:.1f} s old")
            raise UnsafeActionError(
                f"refused an action that follows from an observation {age:.1f} s old, more than {longest:g} s; "
                "observe() before every action; the robot is held"
            )

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


def _check(spec: RobotSpec) -> None:
    """Raise RobotError for a specification that limits nothing."""
    limits = spec.limits
    numbers = [limits.ee_speed, limits.ee_turn, limits.base_speed, limits.base_turn, limits.ee_step]
    numbers += [one for one in (limits.ee_acceleration, limits.base_acceleration) if one is not None]
    if not (math.isfinite(spec.rate) and spec.rate > 0):
        raise RobotError(f"{spec.name}: the control rate must be a positive number of Hz, found {spec.rate}")
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise RobotError(f"{spec.name}: speed limits must be finite and not negative, found {limits}")
    if not all(low <= high for low, high in zip(limits.workspace_low, limits.workspace_high, strict=True)):
        raise RobotError(f"{spec.name}: the workspace's low corner must lie below its high corner, found {limits}")
    joints = (limits.joints_low, limits.joints_high)
    if any(joints) and (
        any(len(one) != spec.joints for one in joints)
        or not all(low <= high for low, high in zip(*joints, strict=True))
    ):
        raise RobotError(f"{spec.name}: joint limits must be {spec.joints} pairs, low below high, found {limits}")
    fresh = spec.freshness
    if not all(math.isfinite(one) and one > 0 for one in (fresh.command, fresh.observation, fresh.picture)):
        raise RobotError(f"{spec.name}: what is fresh must be a positive number of seconds, found {fresh}")


def _shorten(vector: Sequence[float], longest: float) -> list[float]:
    length = math.hypot(*vector)
    if length <= longest:
        return list(vector)
    scale = longest / length
    return [component * scale for component in vector]


def _eased(move: list[float], before: list[float], most: float) -> list[float]:
    """The move, changed from the one before by no more than `most`."""
    change = [now - then for now, then in zip(move, before, strict=True)]
    if math.hypot(*change) <= most:
        return move
    return [then + one for then, one in zip(before, _shorten(change, most), strict=True)]


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
