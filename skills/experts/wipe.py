"""Wiping a spill with a held sponge, by privileged state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.privileged import PrivilegedState
from saycan.skills.experts.drive import drive
from saycan.skills.experts.motion import SAFE_ABOVE, Target, Vector, base_before, smoothstep, to_base, to_map, wrap
from saycan.skills.experts.pick import bottom_of

PRESS = 0.001  # m that the hand aims below the surface; more, and the sponge slips up until the fingers rub on it
LEFT, NEAR = 0.618, 0.2  # how much a metre to the left, and one less to go, count beside one towards the robot
LOOK = (0.45, -0.05, 0.38)
"""m ahead and to the left of the base, and above the surface: from there each camera sees nine tenths of what can be
reached. With the hand on the left and lower, the arm hides up to half of it from both."""
TURN = 0.5
"""rad to the left that the hand is turned before it rises from what is wiped, until it is high enough to look."""
DOWN = 0.02  # m above the surface where the hand wipes
SHARP = 0.004  # m; cells that come this much later pull the sponge a third as strongly


def wipe(state: PrivilegedState, where: str) -> Target:
    """Bring the sponge down on the spill and follow what is left of it; when nothing is, rise and draw back to look.

    Whoever imitates this cannot know that nothing is left before all of it is to be seen: under the sponge, and between
    it and the robot, the cameras show nothing. From `LOOK` a forgotten cell is as plain as the spill was before. On the
    way down to it the sponge hides it again: then a hand that is straight is on its way down, and one that is turned on
    its way up (`TURN`), whatever is to be seen. A controller without memory keeps it in its own pose.
    """
    surface, spill = state.places[where], state.spill_at(where)
    held = state.by_id(state.held) if state.held else None
    if held is None or held.name != "sponge" or spill is None:
        return _look(state, where, held is not None and held.name == "sponge")
    top, straight = float(surface.center[2]), float(surface.dock[2]) + 0.5 * np.pi
    base = base_before(state, surface, spill.cells.mean(axis=0))
    next_to_wipe = next_cells(spill.cells, held.position, float(surface.dock[2]))
    dirty = np.array([*next_to_wipe, top])
    if not state.at(where):
        return replace(drive(state, base), goal=dirty)
    to_do = next_to_wipe - held.position[:2]
    gap = bottom_of(held) - top
    sideways = float(np.linalg.norm(to_do))
    standing = float(np.linalg.norm(base[:2] - state.base_pose[:2]))
    # Once down it stays down for the next cells. It comes down where it is over them to within half a sponge, and not
    # before the base stands: did it have to be more exact, over a cell that the sponge hides no label would say "down".
    low = smoothstep(gap, 0.06, 0.03) * smoothstep(standing, 0.30, 0.18)
    aside = low * smoothstep(sideways, 0.16, 0.26) + (1.0 - low) * smoothstep(sideways, 0.02, 0.06)
    height = SAFE_ABOVE * max(aside, smoothstep(standing, 0.12, 0.24))  # it sees the spill best from above
    rising = _turned(state, straight) * smoothstep(gap, 0.03, 0.06) * _below(state, top)
    height += rising * (LOOK[2] - height)
    goal = state.ee_position + np.array([*((1.0 - rising) * to_do), height - gap - PRESS])
    return Target(goal, straight + TURN * rising, np.pi, 0.0, base, ee_step=0.03, goal=dirty)


def _look(state: PrivilegedState, where: str, wiping: bool) -> Target:
    """Draw back to `LOOK`, and end there.

    Args:
        state, where: As in `wipe`.
        wiping: Whether the sponge is held: then the hand is turned before it rises, and where it is halfway down and
            straight it first goes down, as it would if something were below it. Without the sponge it rises as it is.
    """
    surface = state.places[where]
    top, straight = float(surface.center[2]), float(surface.dock[2]) + 0.5 * np.pi
    hand = to_base(state.base_pose, state.ee_position)
    look = np.array([*LOOK[:2], LOOK[2] + top])
    below = _below(state, top) if wiping else 0.0
    up = smoothstep(float(hand[2]) - top, 0.06, 0.16)  # straight up before it draws back
    high = look[2] - below * (1.0 - _turned(state, straight)) * (LOOK[2] - DOWN)
    back = to_map(state.base_pose, np.array([*(hand[:2] + up * (look - hand)[:2]), high]))
    clear = float(np.linalg.norm(hand - look)) < 0.05
    yaw = straight + TURN * below if wiping else state.ee_yaw
    return Target(back, yaw, np.pi, gripper=0.0 if state.held else 1.0, terminate=clear or not state.at(where))


def _turned(state: PrivilegedState, straight: float) -> float:
    """Whether the hand is turned by `TURN`, 0 to 1."""
    return smoothstep(wrap(state.ee_yaw - straight, np.pi), 0.4 * TURN, 0.8 * TURN)


def _below(state: PrivilegedState, top: float) -> float:
    """Whether the hand is so low that what it is over may be hidden, 0 to 1."""
    return smoothstep(float(state.ee_position[2]) - top, SAFE_ABOVE + 0.07, SAFE_ABOVE + 0.03)


def next_cells(cells: Vector, sponge: Vector, yaw: float) -> Vector:
    """(2,) where to wipe next: what is nearest to the robot, and there what is furthest to the left; smooth.

    It depends on what is left of the spill and hardly on the sponge (which decides between ends that come almost at
    once), so that whoever sees the spill knows where to go. From a sponge in the middle of a spill, with its nearest
    cells all around, nobody does, and who imitates that stands still. `LEFT` is no fraction of small numbers: no two
    cells of the grid come at once. The camera at the wrist looks ahead over the sponge: what lies behind it, towards
    the robot, is best done already.

    Args:
        cells: (N, 3) middles of what is left, map frame, m.
        sponge: (3,) its middle.
        yaw: Direction in which the robot looks at the spill.
    """
    ahead, left = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
    offset = cells[:, :2] - sponge[:2]
    order = offset @ (LEFT * left - ahead) - NEAR * np.linalg.norm(offset, axis=1)
    weights = np.exp((order - order.max()) / SHARP)
    return np.asarray(weights @ cells[:, :2] / weights.sum())
