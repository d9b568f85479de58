"""Picking up, by privileged state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saycan.privileged import ObjectState, PrivilegedState
from saycan.quaternion import rotation_matrix
from saycan.skills.experts.motion import SAFE_ABOVE, Target, Vector, base_before, smoothstep, wrap

LIFTED = 0.18  # m over the surface at which the hand with the thing ends the skill
CLEAR = 0.06
"""m over the surface for the thing's own lowest point. It counts as lifted from 0.03 on: who learns from an expert that
ends there ends a little below, and a bottle, which is held high, has not been picked up then."""
YAW_LEVER = 0.08  # m; a yaw error of one radian counts as this much of a position error
CLOSE_SIDEWAYS, CLOSE_HEIGHT = (0.020, 0.026), (0.018, 0.024)
"""m from a grasp within which the fingers close, wholly at the first and not at all beyond the second.

Far wider than where the hand is led to: who learns from this aims a few millimetres beside it, comes to rest there, and
would wait for ever for the very spot. Once the fingers are down around a thing, they may as well close.
"""

BELOW_TOP = 0.045
"""m below the top of a thing at which the middle of the pads takes it, at most: who takes it two centimetres higher by
mistake still has it."""

PALM = 0.006  # m that is kept between the palm and what is grasped

UPRIGHT = 0.95  # cosine of the tilt up to which a thing counts as standing


@dataclass(frozen=True, eq=False)
class Grasp:
    """Where and how the fingers close.

    Attributes:
        point: (3,) middle between the fingertips, map frame, m.
        yaw: Direction in which they close, map frame, rad.
        period: Every multiple of it added to `yaw` is as good.
        width: Of the thing in that direction, m.
    """

    point: Vector
    yaw: float
    period: float
    width: float


def pick(state: PrivilegedState, name: str) -> Target:
    """Over the thing, down, close, up; each phase follows from where hand and thing are."""
    thing = nearest(state, name)
    here = thing.place if thing is not None and state.bolted and thing.place else state.robot_place
    if thing is None or here is None:
        return Target(gripper=0.0 if state.held else 1.0, terminate=True)
    place = state.places[here]
    safe = place.rim + SAFE_ABOVE
    if thing.held:
        up = np.array([*state.ee_position[:2], safe])
        risen = bottom_of(thing) > place.rim + CLEAR and float(state.ee_position[2]) > place.rim + LIFTED
        lifted = thing.place is None and risen
        return Target(up, state.ee_yaw, gripper=0.0, terminate=lifted, goal=thing.position)
    grasp = grasp_of(thing, state.gripper_depth)
    if grasp.width > state.gripper_width:
        return Target(terminate=True, goal=thing.position)
    position, gripper = reach(state, grasp.point, grasp.yaw, grasp.period, safe)
    base = base_before(state, place, thing.position)
    return Target(position, grasp.yaw, grasp.period, gripper, base, goal=grasp.point)


def nearest(state: PrivilegedState, name: str) -> ObjectState | None:
    """The thing of this name to take: one that is held, else the one nearest to the hand at the robot's place."""
    here = [thing for thing in state.named(name) if thing.held or state.at(thing.place)]
    if not here:
        return None
    return min(here, key=lambda thing: (not thing.held, float(np.linalg.norm(thing.position - state.ee_position))))


def grasp_of(thing: ObjectState, depth: float = np.inf) -> Grasp:
    """From above, in the upper half; of a thing that has toppled, across its narrower side.

    Args:
        thing: What to take.
        depth: From the middle of the pads up to the palm, m, which stays clear of it.
    """
    axes = axes_of(thing)
    vertical = int(np.argmax(np.abs(axes[2])))
    height = float(np.abs(axes[2]) @ thing.size)
    below_top = min(BELOW_TOP, 0.36 * height, depth - PALM)
    point = np.asarray(thing.position + np.array([0.0, 0.0, max(0.5 * height - below_top, 0.0)]))
    if vertical == 2 and abs(axes[2, 2]) > UPRIGHT:
        return Grasp(point, thing.yaw + thing.grasp_yaw, thing.grasp_period, float(thing.size[:2].min()))
    narrow = min((axis for axis in range(3) if axis != vertical), key=lambda axis: float(thing.size[axis]))
    yaw = float(np.arctan2(axes[1, narrow], axes[0, narrow]))
    return Grasp(point, yaw, np.pi, float(thing.size[narrow]))


def axes_of(thing: ObjectState) -> Vector:
    """(3, 3) rotation matrix of a thing; its columns are its own axes in the map frame."""
    return rotation_matrix(thing.quaternion)


def bottom_of(thing: ObjectState) -> float:
    """Height z of the lowest point of a thing's box, m."""
    return float(thing.position[2]) - 0.5 * float(np.abs(axes_of(thing)[2]) @ thing.size)


def reach(state: PrivilegedState, grasp: Vector, yaw: float, period: float, safe: float) -> tuple[Vector, float]:
    """A funnel over a grasp: stay at height `safe` until the hand is aligned, then come down, and close at the bottom.

    Args:
        state: Now.
        grasp: (3,) where the fingertips shall close.
        yaw, period: The direction in which they close, and after which angle it repeats.
        safe: Height z from which to come down.

    Returns:
        (3,) where the hand goes, and the gripper's opening.
    """
    gap = grasp - state.ee_position
    turn = wrap(yaw - state.ee_yaw, period)
    sideways = float(np.hypot(np.linalg.norm(gap[:2]), YAW_LEVER * turn))
    height = smoothstep(sideways, 0.008, 0.035) * max(safe - float(grasp[2]), 0.0)
    gripper = max(smoothstep(sideways, *CLOSE_SIDEWAYS), smoothstep(abs(float(gap[2])), *CLOSE_HEIGHT))
    return grasp + np.array([0.0, 0.0, height]), gripper
