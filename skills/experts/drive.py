"""Driving to a place, by odometry and the known map of the furniture."""

from __future__ import annotations

from saycan.privileged import PrivilegedState
from saycan.skills.experts.motion import Target, Vector, arrived


def drive(state: PrivilegedState, base: Vector) -> Target:
    """Hand up and in, then straight to a base pose; ends when the base is there."""
    gripper = 0.0 if state.held else 1.0
    return Target(gripper=gripper, base=base, terminate=arrived(state.base_pose, base))
