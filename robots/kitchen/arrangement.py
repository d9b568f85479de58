"""Where exactly the things of a scene stand: seeded rejection sampling on each place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError
from saycan.robots.kitchen.distribution import DISTRIBUTION
from saycan.robots.kitchen.furniture import BIN_FLOOR, BIN_WALL, DRAWER_ACROSS, DRAWER_DEEP, DRAWER_FLOOR
from saycan.robots.kitchen.layout import DRAWER_TRAVEL, PLACES, Layout, PlaceLayout
from saycan.robots.kitchen.objects import OBJECTS, ObjectModel
from saycan.robots.kitchen.scene import HAND, Scene, Thing
from saycan.robots.kitchen.spill import Spill, pour

_SPACING = DISTRIBUTION.spacing
_DROP = 0.002  # m above the surface at which a thing starts
_TRIES, _RESTARTS = 200, 60


@dataclass(frozen=True)
class Placement:
    """One thing at the start: id, canonical name, middle of its body (x, y, z) in m, map frame, yaw and tilt in rad."""

    id: str
    name: str
    position: tuple[float, float, float]
    yaw: float
    tilt: float = 0.0


@dataclass(frozen=True)
class Arrangement:
    """A scene with every position drawn.

    Attributes:
        placements: The things that stand somewhere, in the scene's order.
        spills: The spills.
        base: (x, y, yaw) of the robot's base, map frame.
        in_hand: (id, name) of the thing in the gripper, or None.
        drawer: How far the drawer is out, m.
        grip: See `Scene.grip`.
        layout: Where the furniture stands.
        models: Canonical name to size and looks, for the things that are in the scene.
    """

    placements: tuple[Placement, ...]
    spills: tuple[Spill, ...]
    base: tuple[float, float, float]
    in_hand: tuple[str, str] | None
    drawer: float
    grip: float = 0.0
    layout: Layout = PLACES
    models: Mapping[str, ObjectModel] = field(default_factory=lambda: OBJECTS)


@dataclass(frozen=True)
class _Area:
    """Where footprints may lie on one place: a rectangle in (across, deep), how deep a middle may lie, and a height."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    height: float
    deepest: float = np.inf
    gap: float = 0.005  # in a container things may stand close

    def draw(self, rng: np.random.Generator, half: NDArray[np.float64] | float) -> NDArray[np.float64] | None:
        low, high = self.low + half, self.high - half
        high[1] = min(high[1], self.deepest)
        return rng.uniform(low, high) if (low <= high).all() else None


def place_objects(scene: Scene, rng: np.random.Generator) -> Arrangement:
    """Draw every position of a scene, from the scene's own seed where it has one and from `rng` otherwise.

    Raises SceneError when the things do not fit, saying how many did.
    """
    rng = rng if scene.seed is None else np.random.default_rng(scene.seed)
    opening = scene.drawer * DRAWER_TRAVEL
    spills: list[Spill] = []
    placed: dict[str, Placement] = {}
    for name, layout in scene.layout.items():
        things = [thing for thing in scene.things if thing.place == name]
        if not things and name not in scene.spills:
            continue
        spill, placements = _fill(scene, layout, things, name in scene.spills, opening, rng)
        spills += [spill] if spill else []
        placed |= {placement.id: placement for placement in placements}
    held = scene.in_hand
    x, y, yaw = (float(value) for value in scene.base)
    return Arrangement(
        placements=tuple(placed[thing.id] for thing in scene.things if thing.place != HAND),
        spills=tuple(spills),
        base=(x, y, yaw),
        in_hand=None if held is None else (held.id, held.name),
        drawer=opening,
        grip=scene.grip,
        layout=scene.layout,
        models={thing.name: scene.model(thing.name) for thing in scene.things},
    )


def _fill(
    scene: Scene, layout: PlaceLayout, things: list[Thing], spilled: bool, opening: float, rng: np.random.Generator
) -> tuple[Spill | None, list[Placement]]:
    """Fill one place, the large things first; begins anew when one finds no room."""
    area = _area(layout, opening)
    fixed = [_as_posed(thing) for thing in things if thing.pose is not None]
    free = sorted((thing for thing in things if thing.pose is None), key=lambda thing: -scene.model(thing.name).radius)
    most = 0
    for _ in range(_RESTARTS):
        taken = [
            (_to_local(layout, placement), _radius(scene.model(placement.name), placement.tilt)) for placement in fixed
        ]
        spill = _draw_spill(layout, area, rng) if spilled else None
        placements: list[Placement] = []
        for thing in free:
            model = scene.model(thing.name)
            radius = model.radius
            spot = _draw_spot(area, radius, taken, spill, rng)
            if spot is None:
                break
            taken.append((spot, radius))
            placements.append(_stand(thing, model, layout, spot, area.height, rng))
        most = max(most, len(placements))
        if len(placements) == len(free) and (spill is not None or not spilled):
            left = spill and spill.wiped(scene.wiped, rng)
            return left, [*fixed, *placements]
    beside = " beside the spill" if spilled else ""
    where = f"{'on' if layout.kind == 'surface' else 'at'} the {layout.name}"
    raise SceneError(f"{len(things)} things do not fit {where}{beside}: {most + len(fixed)} did. Put some elsewhere")


def _area(layout: PlaceLayout, opening: float) -> _Area:
    if layout.kind == "bin":
        inner = np.array([layout.half_across, 0.5 * layout.depth]) - BIN_WALL
        middle = np.array([0.0, 0.5 * layout.depth])
        return _Area(middle - inner, middle + inner, BIN_FLOOR)
    if layout.kind == "drawer":
        front = 0.02 - opening  # behind the panel
        low, high = np.array([-0.5 * DRAWER_ACROSS, front]), np.array([0.5 * DRAWER_ACROSS, front + DRAWER_DEEP])
        return _Area(low + 0.01, high - 0.01, DRAWER_FLOOR)
    across = min(_SPACING.across, layout.half_across - _SPACING.edge)
    low, high = np.array([-across, _SPACING.near]), np.array([across, layout.depth - _SPACING.edge])
    return _Area(low, high, layout.height, _SPACING.far, _SPACING.gap)


def _draw_spill(
    layout: PlaceLayout,
    area: _Area,
    rng: np.random.Generator,
) -> Spill | None:
    """A spill anywhere: the free things are drawn after it and keep clear, what stands at a pose may stand in it."""
    cells = pour(rng)
    half = np.array(Spill(layout.name, 0.0, 0.0, cells).half_size)
    for _ in range(_TRIES):
        spot = area.draw(rng, half)
        if spot is None:
            return None
        across, deep = (float(value) for value in spot)
        spill = Spill(layout.name, across, deep, cells)
        if spot[1] <= _SPACING.far - half[1]:
            return spill
    return None


def _draw_spot(
    area: _Area,
    radius: float,
    taken: list[tuple[NDArray[np.float64], float]],
    spill: Spill | None,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    for _ in range(_TRIES):
        spot = area.draw(rng, radius)
        if spot is None:
            return None
        if spill is not None and not _clear_of(spill, spot, radius):
            continue
        if all(np.linalg.norm(spot - other) >= radius + size + area.gap for other, size in taken):
            return spot
    return None


def _clear_of(spill: Spill, spot: NDArray[np.float64], radius: float) -> bool:
    outside = np.abs(spot - (spill.across, spill.deep)) - spill.half_size
    return bool(np.linalg.norm(np.maximum(outside, 0.0)) >= radius + _SPACING.gap)


def _stand(
    thing: Thing,
    model: ObjectModel,
    layout: PlaceLayout,
    spot: NDArray[np.float64],
    height: float,
    rng: np.random.Generator,
) -> Placement:
    x, y = layout.point(float(spot[0]), float(spot[1]))
    z = height + 0.5 * model.size[2] + _DROP
    yaw = float(rng.uniform(-np.pi, np.pi))
    return Placement(thing.id, thing.name, (float(x), float(y), z), yaw)


def _radius(model: ObjectModel, tilt: float) -> float:
    """Of the circle around its footprint, m; around all of it where it does not stand."""
    return model.radius if tilt == 0.0 else 0.5 * float(np.linalg.norm(model.size))


def _as_posed(thing: Thing) -> Placement:
    assert thing.pose is not None
    x, y, z, yaw = thing.pose
    return Placement(thing.id, thing.name, (x, y, z), yaw, thing.tilt)


def _to_local(layout: PlaceLayout, placement: Placement) -> NDArray[np.float64]:
    offset = np.array(placement.position[:2]) - layout.front
    return np.array([offset @ layout.left, offset @ layout.forward])
