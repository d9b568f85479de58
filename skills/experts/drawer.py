"""Opening and closing a drawer by its handle, by privileged state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.privileged import DrawerState, PrivilegedState
from saycan.skills.experts.drive import drive
from saycan.skills.experts.motion import SAFE_ABOVE, Target, smoothstep
from saycan.skills.experts.pick import reach

LEAD = 0.04  # m that the hand aims ahead of the handle while it pulls or pushes
GRIPPED = 0.30  # opening below which the fingers have the bar
OPEN, SHUT = 0.94, 0.03  # share of the travel at which the handle is let go


def move_drawer(state: PrivilegedState, drawer: DrawerState, open: bool) -> Target:
    """Take the handle from above, pull it out or push it in, let go, rise."""
    where = state.places[drawer.name]
    if state.held is not None:
        return Target(gripper=0.0, terminate=True)
    if state.robot_place != drawer.name:
        return replace(drive(state, np.asarray(where.dock)), goal=drawer.handle)
    share = drawer.opening / drawer.travel
    safe = float(drawer.handle[2]) + 0.5 * SAFE_ABOVE
    yaw = float(np.arctan2(drawer.direction[1], drawer.direction[0]))
    if share >= OPEN if open else share <= SHUT:
        up = np.array([*state.ee_position[:2], safe])
        done = float(state.ee_position[2]) > safe - 0.03
        return Target(up, yaw, terminate=done, base=where.dock, goal=drawer.handle)
    position, gripper = reach(state, drawer.handle, yaw, np.pi, safe)
    sign = 1.0 if open else -1.0
    pull = sign * LEAD * smoothstep(state.gripper, GRIPPED + 0.1, GRIPPED) * (1.0 - gripper)
    position = position + pull * np.array([*drawer.direction, 0.0])
    return Target(position, yaw, np.pi, gripper, where.dock, goal=drawer.handle)
