"""The laws of motion that all scripted experts share; everything is a function of the current state alone.

Speeds are soft-limited, v = v_max e / sqrt(|e|^2 + s^2), so that a command never jumps when its target is reached, and
conditions blend with smoothsteps instead of switching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.observation import Observation
from saycan.place import Place
from saycan.privileged import PrivilegedState
from saycan.quaternion import rotation_matrix

Vector = NDArray[np.float64]

CARRY = np.array([0.47, 0.0, 1.14])
"""Where the end effector travels, in the base frame, m: whatever hangs in the gripper passes above everything."""

EE_STEP = 0.034  # m per control period
EE_TURN_STEP = 0.12  # rad
BASE_STEP = 0.045  # m
BASE_TURN_STEP = 0.09  # rad
ARRIVED = 0.03  # m
YAW_TIE = 0.1  # rad before half a period, in which the pull fades
SAFE_ABOVE = 0.24  # m above a surface, at which a hand with something in it passes over what stands there


def smoothstep(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, smooth between; with low > high it falls instead of rising."""
    t = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return t * t * (3.0 - 2.0 * t)


def soft_step(error: Vector, most: float, gain: float = 0.6) -> Vector:
    """A step towards zero error: gain * error when near, of length `most` when far."""
    knee = most / gain
    return np.asarray(error * (most / np.sqrt(float(error @ error) + knee * knee)))


def wrap(angle: float, period: float = 2.0 * np.pi) -> float:
    """The angle of the same meaning that is nearest to zero."""
    return float((angle + 0.5 * period) % period - 0.5 * period)


def yaw_pull(error: float, period: float) -> float:
    """An angle that pulls towards zero error and is continuous over the whole circle of `period`.

    It is the error itself, except near half a period, where both ways round are equally long: there it passes through
    (almost) zero instead of jumping from one way to the other.
    """
    error = wrap(error, period)
    return error * float(np.clip((0.5 * period - abs(error)) / YAW_TIE, 1e-3, 1.0))


def rotation(yaw: float) -> Vector:
    """(2, 2) rotation matrix."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s], [s, c]])


def to_map(base_pose: Vector, point: Vector) -> Vector:
    """(3,) point of the base frame in the map frame."""
    return np.array([*(base_pose[:2] + rotation(base_pose[2]) @ point[:2]), point[2]])


def to_base(base_pose: Vector, point: Vector) -> Vector:
    """(3,) point of the map frame in the base frame."""
    return np.array([*(rotation(-base_pose[2]) @ (point[:2] - base_pose[:2])), point[2]])


@dataclass(frozen=True, eq=False)
class Target:
    """Where an expert wants the body to be.

    Attributes:
        position: (3,) end effector in the map frame, m; None carries it before the base.
        yaw: Direction in which the fingers close, in the map frame, rad; None is across the robot.
        yaw_period: Every multiple of it added to `yaw` is as good.
        gripper: Opening, 0 to 1.
        base: (3,) base pose; None stays.
        terminate: The skill has ended.
        ee_step: Longest end-effector step in m.
        goal: (3,) what the hand is here for, map frame, m: where to grasp, the spot to fill, the cells to wipe, the
            handle. Nothing moves by it; it labels demonstrations. None for mere driving.
    """

    position: Vector | None = None
    yaw: float | None = None
    yaw_period: float = np.pi
    gripper: float = 1.0
    base: Vector | None = None
    terminate: bool = False
    ee_step: float = EE_STEP
    goal: Vector | None = None


def act(state: PrivilegedState, observation: Observation, target: Target) -> Action:
    """The action of one control period towards a target."""
    if target.terminate:
        return Action(gripper=target.gripper, terminate=True)
    base = state.base_pose
    base_step = np.zeros(3) if target.base is None else base_towards(base, target.base)
    base_delta = np.array([*(rotation(-base[2]) @ base_step[:2]), base_step[2]])
    if target.position is None:
        return travel(observation, base_delta, target.gripper, target.ee_step)
    ee_next = state.ee_position + soft_step(target.position - state.ee_position, target.ee_step)
    # The step is meant in the map frame: the arm makes up for what the base is about to do.
    ee_delta = to_base(base + base_step, ee_next) - to_base(base, state.ee_position)
    if target.yaw is None:
        turn = wrap(-yaw_of(observation), np.pi)
    else:
        turn = yaw_pull(target.yaw - state.ee_yaw, target.yaw_period) - base_step[2]
    return Action(np.concatenate([ee_delta, _turn(observation, turn)]), target.gripper, base_delta)


def travel(observation: Observation, base_delta: Vector, gripper: float, ee_step: float = EE_STEP) -> Action:
    """The action of one control period on the way: the hand goes up, then in to `CARRY`, then the base may go.

    What hangs in the hand must not sweep over the counter. It needs no simulator: driving by the map is the same.

    Args:
        observation: Where the hand is.
        base_delta: (3,) step of the base in its own frame, m and rad, once the hand is out of the way.
        gripper: Opening.
        ee_step: Longest end-effector step in m.
    """
    error = CARRY - observation.ee_position
    clear = smoothstep(float(np.linalg.norm(error)), 0.12, 0.04)
    error[:2] *= smoothstep(float(observation.ee_position[2]), CARRY[2] - 0.10, CARRY[2] - 0.03)
    turn = _turn(observation, wrap(-yaw_of(observation), np.pi))
    return Action(np.concatenate([soft_step(error, ee_step), turn]), gripper, base_delta * clear)


def base_towards(base: Vector, goal: Vector) -> Vector:
    """(3,) step of one control period from one base pose (3,) towards another, map frame, m and rad."""
    turn = soft_step(np.array([wrap(float(goal[2] - base[2]))]), BASE_TURN_STEP)
    return np.concatenate([soft_step(goal[:2] - base[:2], BASE_STEP), turn])


def _turn(observation: Observation, yaw: float) -> Vector:
    """(3,) step of the hand's rotation: level, and about the vertical towards an angle."""
    level = soft_step(tilt_of(observation), EE_TURN_STEP)
    return np.concatenate([level, soft_step(np.array([yaw]), EE_TURN_STEP)])


def arrived(base: Vector, goal: Vector) -> bool:
    """Whether one base pose (3,) is as good as another (`ARRIVED`); 30 degrees count as 0.3 m."""
    turn = abs(wrap(float(goal[2] - base[2]))) * 0.3 / np.radians(30.0)
    return float(np.hypot(np.linalg.norm(goal[:2] - base[:2]), turn)) < ARRIVED


def across_and_deep(place: Place, point: Vector) -> Vector:
    """(2,) a map point from the middle of a place: across (to the left, seen from its dock) and deep."""
    return np.asarray((rotation(-place.dock[2]) @ (point[:2] - place.center[:2]))[::-1])


def from_across_and_deep(place: Place, across: float, deep: float) -> Vector:
    """(2,) the inverse of `across_and_deep`."""
    return np.asarray(place.center[:2] + rotation(place.dock[2]) @ np.array([deep, across]))


def base_before(state: PrivilegedState, place: Place, point: Vector) -> Vector:
    """(3,) base pose on the place's line of docks that has `point` straight ahead; a bolted base stays where it is."""
    if state.bolted:
        return state.base_pose
    reach = max(float(place.half_size[0]) - 0.15, 0.0)
    across = float(np.clip(across_and_deep(place, point)[0], -reach, reach))
    left = rotation(place.dock[2]) @ np.array([0.0, across])
    return np.array([*(place.dock[:2] + left), place.dock[2]])


def yaw_of(observation: Observation) -> float:
    """Yaw of the end effector in the base frame, rad."""
    turned = rotation_matrix(observation.ee_quaternion)
    return float(np.arctan2(turned[1, 0], turned[0, 0]))


def tilt_of(observation: Observation) -> Vector:
    """(2,) rotation vector (x, y in the base frame) that points the gripper straight down again."""
    x, y, _ = rotation_matrix(observation.ee_quaternion)[:, 2]  # the hand's z axis
    return np.array([y, -x])
