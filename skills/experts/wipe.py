"""Wiping a spill with a held sponge, by privileged state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.privileged import PrivilegedState
from saycan.skills.experts.drive import drive
from saycan.skills.experts.motion import SAFE_ABOVE, Target, Vector, base_before, smoothstep
from saycan.skills.experts.pick import bottom_of

PRESS = 0.001  # m that the hand aims below the surface; more, and the sponge slips up until the fingers rub on it
NEAR = 0.035  # m; cells within about this distance pull the sponge


def wipe(state: PrivilegedState, where: str) -> Target:
    """Bring the sponge down on the spill and follow what is left of it; rise when nothing is left."""
    surface, spill = state.places[where], state.spill_at(where)
    held = state.by_id(state.held) if state.held else None
    safe = float(surface.center[2]) + SAFE_ABOVE
    if held is None or held.name != "sponge" or spill is None:
        up = np.array([*state.ee_position[:2], safe])
        clear = float(state.ee_position[2]) > safe - 0.08 or state.robot_place != where
        return Target(up, state.ee_yaw, gripper=0.0 if held else 1.0, terminate=clear)
    base = base_before(surface, spill.cells.mean(axis=0))
    next_to_wipe = next_cells(spill.cells, held.position)
    dirty = np.array([*next_to_wipe, float(surface.center[2])])
    if state.robot_place != where:
        return replace(drive(state, base), goal=dirty)
    to_do = next_to_wipe - held.position[:2]
    gap = bottom_of(held) - float(surface.center[2])
    sideways = float(np.linalg.norm(to_do))
    low = smoothstep(gap, 0.06, 0.03)  # once down it stays down for the next cells; on the way it comes straight down
    height = SAFE_ABOVE * (low * smoothstep(sideways, 0.10, 0.20) + (1.0 - low) * smoothstep(sideways, 0.01, 0.05))
    goal = state.ee_position + np.array([*to_do, height - gap - PRESS])
    return Target(goal, surface.dock[2] + 0.5 * np.pi, np.pi, 0.0, base, ee_step=0.03, goal=dirty)


def next_cells(cells: Vector, sponge: Vector) -> Vector:
    """(2,) where to wipe next: the cells near the sponge, weighted by nearness, so that the goal never jumps."""
    squared = ((cells[:, :2] - sponge[:2]) ** 2).sum(axis=1)
    weights = np.exp(-(squared - squared.min()) / (2 * NEAR * NEAR))
    return np.asarray(weights @ cells[:, :2] / weights.sum())
