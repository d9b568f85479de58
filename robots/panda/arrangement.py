"""Where exactly the things of a scene stand before the Panda: seeded rejection sampling within its reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError
from saycan.robots.kitchen.objects import ObjectModel
from saycan.robots.kitchen.scene import HAND, Scene, Thing
from saycan.robots.kitchen.spill import CELL, pour
from saycan.robots.panda.layout import BIN, BIN_FLOOR, BIN_WALL, PLACES, TABLE, TRAY

APART = 0.15
"""Least distance in m between the middles of two things: the open hand, 0.2 m long, fits down beside a neighbour."""

GAP = 0.02  # m, least between two footprints, and between a footprint and a spill
MOST = {TABLE: 5, BIN: 2, TRAY: 2}
"""How many things fit, by place."""

AREAS = {
    TABLE: ((0.47, -0.27), (0.69, 0.27)),
    BIN: ((0.31, 0.53), (0.41, 0.63)),
    TRAY: ((0.30, -0.60), (0.44, -0.54)),
}
"""Corners (x, y) in m of where middles may lie, by place."""

_SPILLED = ((0.53, -0.14), (0.62, 0.14))  # corners of where a spill's middle may lie
_DROP = 0.002  # m above the surface at which a thing starts
_TRIES, _RESTARTS = 100, 100


@dataclass(frozen=True)
class Placement:
    """One thing at the start: middle (x, y, z) m, map frame, yaw and tilt in rad."""

    thing: Thing
    model: ObjectModel
    position: tuple[float, float, float]
    yaw: float
    tilt: float = 0.0


@dataclass(frozen=True, eq=False)
class Arrangement:
    """A scene with every position drawn.

    Attributes:
        placements: The things that stand somewhere.
        spills: Place to (N, 3) middles of the cells of its spill.
        held: What the gripper holds.
    """

    placements: tuple[Placement, ...]
    spills: dict[str, NDArray[np.float64]]
    held: Thing | None


def arrange(scene: Scene, seed: int) -> Arrangement:
    """Draw every position, from the scene's own seed where it has one. Raises SceneError when the things do not fit."""
    rng = np.random.default_rng(seed if scene.seed is None else scene.seed)
    _require_known(scene)
    for _ in range(_RESTARTS):
        spills = {place: _spill(place, scene.wiped, rng) for place in scene.spills}
        placements: list[Placement] = []
        for thing in scene.things:
            if thing.place == HAND:
                continue
            placed = _place(scene, thing, placements, spills, rng)
            if placed is None:
                break
            placements.append(placed)
        else:
            return Arrangement(tuple(placements), spills, scene.in_hand)
    raise SceneError(f"these things do not fit on the Panda's table: {scene.describe()}. Take some away")


def _require_known(scene: Scene) -> None:
    there = ", ".join(PLACES)
    for thing in scene.things:
        if thing.place not in (*PLACES, HAND):
            raise SceneError(f"the Panda's world has no {thing.place!r} for the {thing.name}; it has: {there}")
    for place in scene.spills:
        if place != TABLE:
            raise SceneError(f"a spill before the Panda is on the {TABLE}, found one on the {place!r}")
    if scene.drawer:
        raise SceneError(f"the Panda's world has no drawer; it has: {there}")
    for place, most in MOST.items():
        count = sum(thing.place == place for thing in scene.things)
        if count > most:
            raise SceneError(f"{count} things at the {place} are too many: at most {most} fit. Put some elsewhere")


def _spill(place: str, wiped: float, rng: np.random.Generator) -> NDArray[np.float64]:
    low, high = _SPILLED
    middle = rng.uniform(low, high)
    cells = np.array(pour(rng))
    left = rng.permutation(len(cells))[: max(1, round((1.0 - wiped) * len(cells)))]
    flat = middle + CELL * cells[np.sort(left)]
    return np.column_stack([flat, np.full(len(flat), float(PLACES[place].center[2]))])


def _place(
    scene: Scene,
    thing: Thing,
    others: list[Placement],
    spills: dict[str, NDArray[np.float64]],
    rng: np.random.Generator,
) -> Placement | None:
    model = scene.model(thing.name)
    if thing.pose is not None:
        x, y, z, yaw = thing.pose
        return Placement(thing, model, (x, y, z), yaw, thing.tilt)
    low, high = AREAS[thing.place]
    floor = BIN_FLOOR if thing.place == BIN else float(PLACES[thing.place].center[2])
    inner = float(PLACES[BIN].half_size[0]) - BIN_WALL
    apart = min(APART, inner) if thing.place == BIN else APART
    if thing.place == TRAY:
        apart = 0.11  # on the small tray the hand comes down with its fingers across, past what stands behind
    spilled = spills.get(thing.place)
    for _ in range(_TRIES):
        spot = rng.uniform(low, high)
        near = [other for other in others if other.thing.place == thing.place]
        clear = all(
            np.hypot(*(spot - other.position[:2])) >= max(apart, model.radius + other.model.radius + GAP)
            for other in near
        )
        if spilled is not None and clear:
            clear = bool(np.linalg.norm(spilled[:, :2] - spot, axis=1).min() >= model.radius + CELL + GAP)
        if clear:
            position = (float(spot[0]), float(spot[1]), floor + 0.5 * model.size[2] + _DROP)
            return Placement(thing, model, position, float(rng.uniform(-np.pi, np.pi)))
    return None
