"""Placing, putting down, throwing away and bringing, by privileged state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.place import Place
from saycan.privileged import ObjectState, PrivilegedState
from saycan.skills.experts.drive import drive
from saycan.skills.experts.motion import (
    SAFE_ABOVE,
    Target,
    Vector,
    across_and_deep,
    base_before,
    from_across_and_deep,
    smoothstep,
)
from saycan.skills.experts.pick import bottom_of

CLEARANCE = 0.15  # m between the middles of what stands there and of what is put there: room for the open hand
ACROSS, DEEP, STEP = 0.34, 0.08, 0.02
"""m from the middle of a place within which things are put down, and between the spots that are considered. In a
drawer they lie in one line: it is hardly deeper than a hand."""

DROP_HEIGHT = {"bin": 0.05, "drawer": 0.03}  # m over the bin's rim or the drawer's floor, at which a thing is let go
RELEASE = {"surface": (0.012, 0.04), "tray": (0.012, 0.04), "bin": (0.05, 0.06), "drawer": (0.03, 0.05)}
"""Kind of place to height over rest and distance from the spot, m, within which a thing is let go.

Wider than where the hand is led to, for the same reason as in `saycan.skills.experts.pick`.
"""

PRESS = 0.006
"""m below its resting height to which a thing is lowered, so that it touches: who learns from this errs, and what is
left hanging over the counter is never let go."""

LOOSE = 0.01  # m that the hand rises while it lets go: who presses on a bottle wedges its neck between the pads
RISEN = 0.06  # m that the open hand rises over what it has put down
LOST = 0.2  # m; what is lower has fallen to the floor


def place(state: PrivilegedState, name: str, where: str) -> Target:
    """Carry the held thing to a place, lower it onto a free spot, open, rise."""
    spot_place = state.places[where]
    held = state.by_id(state.held) if state.held else None
    if held is None or held.name != name:
        return _leave(state, name, where)
    spot = free_spot(state, spot_place, held)
    end = np.array([*spot, float(spot_place.center[2])])
    if not state.at(where):
        return replace(drive(state, base_before(state, spot_place, spot)), goal=end)
    below = float(state.ee_position[2]) - bottom_of(held)  # from the fingertips down to the thing's lowest point
    floor = spot_place.rim if spot_place.kind == "bin" else float(spot_place.center[2])
    rest = floor + DROP_HEIGHT.get(spot_place.kind, 0.0)
    safe = max(spot_place.rim + SAFE_ABOVE, rest + below)
    goal = np.array([*(spot - held.position[:2] + state.ee_position[:2]), rest + below])
    sideways = float(np.linalg.norm(spot - held.position[:2]))
    goal[2] += smoothstep(sideways, 0.012, 0.05) * max(safe - float(goal[2]), 0.0)
    if spot_place.kind in ("surface", "tray"):
        goal[2] -= PRESS
    gap = bottom_of(held) - rest
    low, near = RELEASE[spot_place.kind]
    gripper = smoothstep(gap, low + 0.004, low) * smoothstep(sideways, near + 0.01, near)
    goal[2] += gripper * (float(state.ee_position[2]) + LOOSE - float(goal[2]))
    return Target(goal, gripper=gripper, base=base_before(state, spot_place, spot), ee_step=0.025, goal=end)


def put_down(state: PrivilegedState, name: str) -> Target:
    """Put the held thing on the surface before the robot; without one there, end."""
    here = state.robot_place
    if here is None or state.places[here].kind not in ("surface", "tray"):
        return Target(gripper=0.0 if state.held else 1.0, terminate=True)
    return place(state, name, here)


def free_spot(state: PrivilegedState, where: Place, held: ObjectState) -> Vector:
    """(2,) the free spot nearest to what is held, in the map frame; the emptiest one when all are taken.

    From elsewhere it is the one nearest to the middle. The nearest spot stays the nearest while the thing moves there.
    """
    if where.kind == "bin":
        return np.asarray(where.center[:2])
    taken = [across_and_deep(where, thing.position) for thing in state.objects if _stands(thing, where, held)]
    taken += [
        across_and_deep(where, cell) for spill in state.spills if spill.place == where.name for cell in spill.cells
    ]
    reach = min(ACROSS, max(float(where.half_size[0]) - 0.1, 0.0))
    across, deep = np.meshgrid(_steps(reach), _steps(0.0 if where.kind == "drawer" else DEEP))
    spots = np.stack([across.ravel(), deep.ravel()], axis=1)
    room = np.full(len(spots), np.inf)
    for other in taken:
        room = np.minimum(room, np.linalg.norm(spots - other, axis=1))
    here = across_and_deep(where, held.position) if state.at(where.name) else np.zeros(2)
    free = room >= CLEARANCE
    cost = np.where(free, np.linalg.norm(spots - here, axis=1), np.inf) if free.any() else -room
    return from_across_and_deep(where, *spots[int(np.argmin(cost))])


def _steps(reach: float) -> Vector:
    """Every `STEP` from -reach to reach, 0 among them."""
    count = int(reach / STEP + 1e-9)
    return np.arange(-count, count + 1).astype(float) * STEP


def _stands(thing: ObjectState, where: Place, held: ObjectState) -> bool:
    return thing.place == where.name and thing.id != held.id


def _leave(state: PrivilegedState, name: str, where: str) -> Target:
    """Nothing of that name in the hand: rise from what was let go and wait until it rests; else end at once."""
    if state.held is not None:
        return Target(gripper=0.0, terminate=True)
    top, falling = float("-inf"), False
    for thing in state.named(name):
        if float(np.linalg.norm(thing.position[:2] - state.ee_position[:2])) < 0.2:
            if thing.place == where:
                top = max(top, float(thing.position[2] + 0.5 * thing.size[2]))
            falling |= thing.place is None and float(thing.position[2]) > LOST
    up = state.ee_position + np.array([0.0, 0.0, 0.05])
    return Target(up, state.ee_yaw, terminate=not falling and float(state.ee_position[2]) > top + RISEN)
