"""Layouts drawn at random, by rejection: the rules of `saycan.robots.kitchen.clearance` hold for every one.

The six places stand around the free floor, three or four at walls and the others across corners. What tells layouts
apart for whoever drives is which place follows which, so that is what is held out: going round the floor from the close
counter gives one of 5! = 120 orders, of which every fifth belongs to evaluation only. The standard layout's order is
one of training's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError
from saycan.robots.kitchen.clearance import ROOM_HIGH, ROOM_LOW, footprint, problem
from saycan.robots.kitchen.layout import PLACES, Layout, PlaceLayout

HELD_OUT_EVERY = 5
"""One of so many orders belongs to evaluation only."""

WIDTHS = (0.48, 0.62)
"""Least and largest half width of a surface, m."""

HIGHER = 0.03
"""How much higher or lower than in the standard layout a surface or the tray may be, m."""

_FIRST = "close counter"
_OTHERS = tuple(sorted(name for name in PLACES if name != _FIRST))
_ORDERS = [*itertools.permutations(_OTHERS)]
_TRIES = 4000


def order_of(layout: Layout) -> tuple[str, ...]:
    """The places as they follow each other counter-clockwise around the middle, from the close counter on."""
    middle = np.mean([place.dock[:2] for place in layout.values()], axis=0)
    angles = {name: float(np.arctan2(*(np.array(place.front) - middle)[::-1])) for name, place in layout.items()}
    around = sorted(angles, key=angles.__getitem__)
    first = around.index(_FIRST)
    return (*around[first + 1 :], *around[:first])


def held_out(layout: Layout) -> bool:
    """Whether a layout belongs to evaluation only."""
    return _ORDERS.index(order_of(layout)) % HELD_OUT_EVERY == _HELD_OUT_REST


_HELD_OUT_REST = (_ORDERS.index(order_of(PLACES)) + 2) % HELD_OUT_EVERY  # any but the standard layout's own


def sample_layout(rng: np.random.Generator, held_out_order: bool) -> Layout:
    """A layout of an order that is held out of training, or of one that is not.

    Raises SceneError if none is found, which has not been seen to happen.
    """
    allowed = [
        order for index, order in enumerate(_ORDERS) if (index % HELD_OUT_EVERY == _HELD_OUT_REST) == held_out_order
    ]
    for _ in range(_TRIES):
        layout = _draw(allowed[int(rng.integers(len(allowed)))], rng)
        if layout is not None and problem(layout) is None and held_out(layout) == held_out_order:
            return layout
    raise SceneError(f"no layout of {_TRIES} keeps the rules; try another seed")


def _draw(order: Iterable[str], rng: np.random.Generator) -> Layout | None:
    """Places in this order, at six of the eight walls and corners; None where one does not fit into the room."""
    names = [_FIRST, *order]
    slots = sorted(int(slot) for slot in rng.choice(8, size=6, replace=False))
    first = int(rng.integers(6))
    slots = slots[first:] + slots[:first]
    middle = np.array([rng.uniform(-0.45, 0.15), rng.uniform(-0.08, 0.08)])
    places = [_stand(PLACES[name], slot, middle, rng) for name, slot in zip(names, slots, strict=True)]
    by_name = {place.name: place for place in places if place is not None}
    return Layout(tuple(by_name[name] for name in PLACES)) if len(by_name) == len(PLACES) else None


def _stand(place: PlaceLayout, slot: int, middle: NDArray[np.float64], rng: np.random.Generator) -> PlaceLayout | None:
    """One place towards a wall (even slots) or a corner (odd ones) from the middle, sized anew where it may be."""
    yaw = 0.25 * np.pi * slot + (float(rng.uniform(-0.12, 0.12)) if slot % 2 else 0.0)
    half_across, height = place.half_across, place.height
    if place.kind == "surface":
        half_across = float(rng.uniform(*WIDTHS))
    if place.kind in ("surface", "tray"):  # the others' heights are those of their parts
        height += float(rng.uniform(-HIGHER, HIGHER))
    x, y = middle + rng.uniform(-0.15, 0.15) * np.array([-np.sin(yaw), np.cos(yaw)])
    here = replace(place, front=(float(x), float(y)), yaw=yaw, half_across=half_across, height=height)
    lowest = (0.45 if place.kind == "drawer" else 0.78) + place.standoff
    highest = min(_to_wall(here), lowest + 0.40)
    if highest < lowest:
        return None
    x, y = here.point(0.0, float(rng.uniform(lowest, highest)))
    return replace(here, front=(float(x), float(y)))


def _to_wall(place: PlaceLayout) -> float:
    """How far a place can be moved forwards until it touches a wall, m."""
    corners, forward = footprint(place), place.forward
    moves = []
    for axis in np.flatnonzero(np.abs(forward) > 1e-6):
        wall = (ROOM_HIGH if forward[axis] > 0.0 else ROOM_LOW)[axis]
        moves.append(float(((wall - corners[:, axis]) / forward[axis]).min()))
    return min(moves)
