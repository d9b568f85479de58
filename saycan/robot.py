"""The contract for whoever has hands: four verbs and a specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saycan.action import GRIPPER, TERMINATE, Action
from saycan.observation import Observation
from saycan.place import Place

if TYPE_CHECKING:
    from saycan.lease import Lease


@dataclass(frozen=True)
class Limits:
    """What one action may command, and where the end effector may go. The gate enforces it in front of every driver.

    Attributes:
        ee_speed: m/s, largest end-effector speed.
        ee_turn: rad/s, largest end-effector angular speed.
        base_speed: m/s, largest planar base speed; 0 on a fixed base.
        base_turn: rad/s, largest base yaw rate; 0 on a fixed base.
        workspace_low, workspace_high: Corners (x, y, z) in m of the box, in the base frame, that the end effector may
            be commanded into.
        ee_step: m, largest translation in one action, however slow the rate.
        ee_acceleration: m/s^2, of the end effector's translation; None for what the driver bears anyway.
        base_acceleration: m/s^2, of the base's translation; None likewise.
        joints_low, joints_high: rad, for each arm joint; empty where the driver alone knows. A joint outside them may
            only move back.
    """

    ee_speed: float = 0.5
    ee_turn: float = 1.5
    base_speed: float = 0.5
    base_turn: float = 1.0
    workspace_low: tuple[float, float, float] = (-1.0, -1.0, 0.0)
    workspace_high: tuple[float, float, float] = (1.0, 1.0, 2.0)
    ee_step: float = 0.1
    ee_acceleration: float | None = None
    base_acceleration: float | None = None
    joints_low: tuple[float, ...] = ()
    joints_high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Freshness:
    """How long nothing new may come, in seconds, before a robot is halted.

    Attributes:
        command: Between two actions, on a real robot; it is held then, and the next action moves it again.
        observation: Between an observation and an action that follows from it, and between two times that the robot's
            own clock shows.
        picture: In which a camera shows the very same picture, a black one, or one that is older than that.
        noisy_pictures: Whether cameras have noise, so that no two pictures are the same. A simulator's have none behind
            any driver: there the same picture counts only once the robot has moved.
    """

    command: float = 0.5
    observation: float = 2.0
    picture: float = 1.0
    noisy_pictures: bool = True


@dataclass(frozen=True)
class RobotSpec:
    """What a robot is, so that policies and the gate can fit themselves to it.

    Attributes:
        name: Shown to the user and written into traces.
        rate: Control rate in Hz: one `apply` spans 1 / rate seconds.
        limits: See `Limits`.
        cameras: Camera name to image shape (H, W, 3).
        joints: Number of arm joints.
        simulated: True where apply() advances a simulated clock, False where it waits on the real one.
        freshness: See `Freshness`.
        device: What is driven, where only one program may at a time: "/dev/ttyUSB0". "" for a simulated robot of one's
            own.
        places: The map of the furniture by name, where the robot knows one: what it needs to drive to a named place.
    """

    name: str
    rate: float = 10.0
    limits: Limits = field(default_factory=Limits)
    cameras: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    joints: int = 7
    simulated: bool = False
    freshness: Freshness = field(default_factory=Freshness)
    device: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def action_space(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest action vector, (11,) each, in the order of `Action.to_vector`, for one control period.

        The gate shortens translations and rotations by their length, so a corner of this box is not sent as it is.
        """
        limits, period = self.limits, 1.0 / self.rate
        ee, turn, base = limits.ee_speed * period, limits.ee_turn * period, limits.base_speed * period
        high = np.array([ee, ee, ee, turn, turn, turn, 1.0, base, base, limits.base_turn * period, 1.0])
        low = -high
        low[[GRIPPER, TERMINATE]] = 0.0
        return low, high


@runtime_checkable
class Robot(Protocol):
    """A robot driver. Constructing one touches no device that `close` would not release, and none that another program
    drives (`Leased`).

    The four verbs are final: drivers for other hardware implement these and nothing else, and `saycan.check_robot`
    proves them. Agents never call a driver directly but through `saycan.Gate`.
    """

    @property
    def spec(self) -> RobotSpec:
        """What this robot is; constant over its life."""
        ...

    def observe(self) -> Observation:
        """The newest images and proprioception. Raises RobotError when they cannot be had."""
        ...

    def apply(self, action: Action) -> Action:
        """Carry out one action and return when its control period is over.

        The driver keeps the time (a simulator advances its own clock, hardware waits on the real one), so whoever
        drains a run needs no sleep. Returns the action that was sent, after limits of the driver's own on an
        `Action`. What is taken off joint by joint behind it is not told: the next observation shows it. Raises
        RobotError when it cannot be sent.
        """
        ...

    def hold(self) -> None:
        """Stop where you are and keep what is in the gripper. Always allowed, from any thread, never raises."""
        ...

    def close(self) -> None:
        """Hold, then release every resource. Idempotent."""
        ...


@runtime_checkable
class Leased(Protocol):
    """A robot that is connected from its constructor on: it takes its device's lease before, and gives it back last.

    For any other robot with `RobotSpec.device` the gate takes it, which is too late for whoever has connected by then.
    """

    @property
    def lease(self) -> Lease:
        """Of `spec.device`."""
        ...


@runtime_checkable
class MotorDriven(Protocol):
    """A robot whose motors policies may know: those that were trained on what it records of them."""

    @property
    def motors(self) -> tuple[str, ...]:
        """Their names, in the order in which it records them."""
        ...

    def read_motors(self, observation: Observation) -> NDArray[np.float64]:
        """(M,) positions in an observation of this robot, in the motors' own units."""
        ...

    def toward(self, motors: NDArray[np.float64]) -> Action:
        """The action that leads to (M,) positions from what was commanded last. Raises RobotError where it cannot."""
        ...


@runtime_checkable
class EmergencyStoppable(Protocol):
    """A robot that can do more than hold when everything has to end at once, such as cutting power to its motors."""

    def emergency_stop(self) -> None:
        """At once, from any thread; never raises."""
        ...

    def recover(self) -> None:
        """Make it ready again after `emergency_stop`. Raises RobotError where that needs a hand."""
        ...
