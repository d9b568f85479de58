"""Picking up, by privileged state."""

from __future__ import annotations

import numpy as np

from saycan.privileged import ObjectState, PrivilegedState
from saycan.skills.experts.motion import SAFE_ABOVE, Target, Vector, base_before, smoothstep, wrap

GRASP_BELOW_TOP = 0.016  # m below the top of a thing at which the fingertips take it
LIFTED = 0.18  # m over the surface at which the hand with the thing ends the skill
YAW_LEVER = 0.08  # m; a yaw error of one radian counts as this much of a position error


def pick(state: PrivilegedState, name: str) -> Target:
    """Over the thing, down, close, up; each phase follows from where hand and thing are."""
    thing = nearest(state, name)
    if thing is None or state.robot_place is None:
        return Target(gripper=0.0 if state.held else 1.0, terminate=True)
    place = state.places[state.robot_place]
    safe = place.rim + SAFE_ABOVE
    if thing.held:
        up = np.array([*state.ee_position[:2], safe])
        lifted = thing.place is None and float(state.ee_position[2]) > place.rim + LIFTED
        return Target(up, state.ee_yaw, gripper=0.0, terminate=lifted)
    yaw = thing.yaw + thing.grasp_yaw
    position, gripper = reach(state, grasp_point(thing), yaw, thing.grasp_period, safe)
    return Target(position, yaw, thing.grasp_period, gripper, base_before(place, thing.position))


def nearest(state: PrivilegedState, name: str) -> ObjectState | None:
    """The thing of this name to take: one that is held, else the one nearest to the hand at the robot's place."""
    here = [thing for thing in state.named(name) if thing.held or thing.place == state.robot_place is not None]
    if not here:
        return None
    return min(here, key=lambda thing: (not thing.held, float(np.linalg.norm(thing.position - state.ee_position))))


def grasp_point(thing: ObjectState) -> Vector:
    """(3,) where the fingertips close on a thing: near its top, never below its middle."""
    above = max(0.5 * float(thing.size[2]) - GRASP_BELOW_TOP, 0.0)
    return np.asarray(thing.position + np.array([0.0, 0.0, above]))


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
    gripper = smoothstep(float(np.hypot(sideways, gap[2])), 0.008, 0.02)
    return grasp + np.array([0.0, 0.0, height]), gripper
