"""Primitive geoms for the kitchen's MJCF, in the groups that the renderers and the viewer agree on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import mujoco
import numpy as np

Rgb = tuple[float, float, float]


class Group(IntEnum):
    """Geom groups: the first three are drawn, also by MuJoCo's own viewer; the backdrop by rays only."""

    FURNITURE = 0
    MOVABLE = 1
    SPILL = 2
    COLLISION = 3
    BACKDROP = 4


def yaw_quaternion(yaw: float) -> list[float]:
    """(w, x, y, z) of a rotation by `yaw` rad about the vertical."""
    return [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))]


def add_box(
    body: Any,
    size: Sequence[float],
    at: Sequence[float],
    rgb: Rgb,
    *,
    name: str = "",
    yaw: float = 0.0,
    collides: bool = True,
    group: Group = Group.FURNITURE,
    **more: Any,
) -> Any:
    """Add a box with full extents `size` m, its centre at `at` in the body's frame."""
    half = [0.5 * float(extent) for extent in size]
    return _add(body, mujoco.mjtGeom.mjGEOM_BOX, half, at, rgb, name, collides, group, quat=yaw_quaternion(yaw), **more)


def add_cylinder(
    body: Any,
    radius: float,
    height: float,
    at: Sequence[float],
    rgb: Rgb,
    *,
    name: str = "",
    collides: bool = False,
    group: Group = Group.FURNITURE,
    **more: Any,
) -> Any:
    """Add an upright cylinder, by default for looks only: MuJoCo's cylinders creep out of flat fingertips."""
    size = [radius, 0.5 * height, 0.0]
    return _add(body, mujoco.mjtGeom.mjGEOM_CYLINDER, size, at, rgb, name, collides, group, **more)


def add_ellipsoid(
    body: Any,
    size: Sequence[float],
    at: Sequence[float],
    rgb: Rgb,
    *,
    name: str = "",
    collides: bool = False,
    group: Group = Group.FURNITURE,
    **more: Any,
) -> Any:
    """Add an ellipsoid with full extents `size` m, by default for looks only; a sphere where all three are equal."""
    half = [0.5 * float(extent) for extent in size]
    kind = mujoco.mjtGeom.mjGEOM_SPHERE if len({*half}) == 1 else mujoco.mjtGeom.mjGEOM_ELLIPSOID
    return _add(body, kind, half, at, rgb, name, collides, group, **more)


def add_capsule(
    body: Any,
    radius: float,
    start: Sequence[float],
    end: Sequence[float],
    rgb: Rgb,
    *,
    name: str = "",
    collides: bool = False,
    group: Group = Group.FURNITURE,
    **more: Any,
) -> Any:
    """Add a capsule between two points of the body's frame."""
    ends = [*map(float, start), *map(float, end)]
    kind = mujoco.mjtGeom.mjGEOM_CAPSULE
    return _add(body, kind, [radius, 0.0, 0.0], None, rgb, name, collides, group, fromto=ends, **more)


def _add(
    body: Any,
    kind: Any,
    size: Sequence[float],
    at: Sequence[float] | None,
    rgb: Rgb,
    name: str,
    collides: bool,
    group: Group,
    **more: Any,
) -> Any:
    options: dict[str, Any] = {"type": kind, "size": list(size), "rgba": [*rgb, 1.0], "group": int(group), **more}
    if name:
        options["name"] = name
    if at is not None:
        options["pos"] = [float(value) for value in at]
    if not collides:
        options |= {"contype": 0, "conaffinity": 0, "mass": 0.0}
    return body.add_geom(**options)
