"""How much room the base has between the furniture: the rules that every layout of the kitchen keeps.

The base is a disc. Its middle goes in straight lines from dock to dock, past the open drawer too, and along each front
edge to stand before what the hand is to reach, there past the shut drawer. Furniture is a set of rectangles; the
distance between a straight line and a rectangle is 0 where they touch, and else that of the nearest corner or end.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from saycan.robots.kitchen.layout import DRAWER_TRAVEL, HANDLE_OFFSET, STANDOFF, Layout, PlaceLayout

BASE_RADIUS = 0.22
"""Of the robot's base, m."""

CLEAR = STANDOFF - BASE_RADIUS
"""Least room in m between the base and any furniture, on a straight line between two docks."""

ROOM_LOW, ROOM_HIGH = (-2.4, -1.8), (2.0, 1.8)
"""Corners of the room inside its walls, (x, y) in m, map frame."""

PERSON = (0.49, 0.75, 0.32)
"""The operator behind the tray: from and to this far behind its front edge, and half as wide as this, m."""

_ARM = 0.58  # m that the carrying hand reaches in front of the base's middle; only the person is as tall as that
_STANDING = 0.06  # m of room where the base stands off its dock
_GAP = 0.02  # m between two pieces of furniture
_SLACK = 1e-9

Points = NDArray[np.float64]


def problem(layout: Layout) -> str | None:
    """What is wrong with a layout in one line: what stands in a wall, in another thing or in the way; or None."""
    names = [*layout]
    solid = np.array([footprint(place) for place in layout.values()])  # (P, 4, 2)
    for name, corners in zip(names, solid, strict=True):
        if (corners < ROOM_LOW).any() or (corners > ROOM_HIGH).any():
            return f"the {name} stands in a wall"
    sides = np.stack([solid, np.roll(solid, -1, axis=1)], axis=2).reshape(-1, 2, 2)
    apart = _distances(sides, solid).reshape(len(names), 4, len(names)).min(axis=1)
    for one, other in itertools.combinations(range(len(names)), 2):
        if min(apart[one, other], apart[other, one]) < _GAP:
            return f"the {names[one]} and the {names[other]} stand in each other"
    pairs = [*itertools.combinations(names, 2)]
    drives = np.array([[layout[one].dock[:2], layout[other].dock[:2]] for one, other in pairs])
    for (one, other), (blocker, room) in zip(pairs, _tightest(layout, drives, DRAWER_TRAVEL), strict=True):
        if room < CLEAR - _SLACK:
            return f"between {one} and {other} the {blocker} leaves {100 * room:.0f} cm, of at least {100 * CLEAR:.0f}"
    aside = [max(place.half_across - 0.15, 0.0) * place.left for place in layout.values()]
    fronts = np.array(
        [[place.dock[:2] - a, place.dock[:2] + a] for place, a in zip(layout.values(), aside, strict=True)]
    )
    for name, (blocker, room) in zip(names, _tightest(layout, fronts, 0.0), strict=True):
        if room < _STANDING:
            return f"before the {name} the {blocker} leaves {100 * room:.0f} cm, of at least {100 * _STANDING:.0f}"
    return None


def footprint(place: PlaceLayout) -> Points:
    """(4, 2) corners in order of what a place takes up of the floor, with the person who stands behind the tray."""
    return _rectangle(place, 0.0, PERSON[1] if place.kind == "tray" else place.depth, place.half_across)


def _tightest(layout: Layout, lines: Points, opening: float) -> list[tuple[str, float]]:
    """For each straight drive of (N, 2, 2): the furniture nearest to it, and the room in m that this leaves."""
    obstacles, radii, names = [], [], []
    for name, place in layout.items():
        front = -(HANDLE_OFFSET + opening) if place.kind == "drawer" else 0.0
        obstacles.append(_rectangle(place, front, place.depth, place.half_across))
        radii.append(BASE_RADIUS)
        names.append(name)
        if place.kind == "tray":
            obstacles.append(_rectangle(place, *PERSON))
            radii.append(_ARM - CLEAR)
            names.append(name)
    rooms = _distances(lines, np.array(obstacles)) - radii
    return [(names[k], float(row[k])) for row, k in zip(rooms, rooms.argmin(axis=1), strict=True)]


def _rectangle(place: PlaceLayout, near: float, far: float, half_across: float) -> Points:
    corners = ((-half_across, near), (half_across, near), (half_across, far), (-half_across, far))
    return np.array([place.point(across, deep) for across, deep in corners])


def _distances(lines: Points, boxes: Points) -> Points:
    """(N, M) distances of (N, 2, 2) straight lines and (M, 4, 2) rectangles, 0 where they touch."""
    a, b = lines[:, None, None, 0], lines[:, None, None, 1]  # (N, 1, 1, 2)
    c, d = boxes[None], np.roll(boxes, -1, axis=1)[None]  # (1, M, 4, 2)
    crossing = (_turn(a, b, c) * _turn(a, b, d) < 0.0) & (_turn(c, d, a) * _turn(c, d, b) < 0.0)
    turns = _turn(c, d, a)
    inside = (turns >= 0.0).all(axis=-1) | (turns <= 0.0).all(axis=-1)
    gaps = np.stack([_to_line(a, c, d), _to_line(b, c, d), _to_line(c, a, b)])  # (3, N, M, 4)
    return np.where(crossing.any(axis=-1) | inside, 0.0, gaps.min(axis=(0, 3)))


def _turn(a: Points, b: Points, c: Points) -> Points:
    """Positive where c lies to the left of the way from a to b."""
    way, to = b - a, c - a
    return np.asarray(way[..., 0] * to[..., 1] - way[..., 1] * to[..., 0])


def _to_line(point: Points, start: Points, end: Points) -> Points:
    """Distance of points from straight lines between two ends."""
    way, to = end - start, point - start
    length = np.maximum((way * way).sum(axis=-1), 1e-12)
    share = np.clip((way * to).sum(axis=-1) / length, 0.0, 1.0)
    return np.asarray(np.linalg.norm(to - share[..., None] * way, axis=-1))
