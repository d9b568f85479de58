"""The sixteen movable things of the kitchen: sizes, masses and looks.

MuJoCo's cylinders creep out of flat fingertips and roll off counters, so what looks round collides as a hexagonal
prism: three boxes, each across two of its flats. One of the three reaches a hair lower than the others, so that a thing
at rest stands on four contacts and not on twelve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from saycan.robots.kitchen.shapes import Group, Rgb, add_box, add_cylinder, add_ellipsoid, yaw_quaternion

Shape = Literal["can", "bottle", "bag", "fruit", "bar", "sponge"]

_FOOT = 0.0005  # how much lower the standing box reaches
_CONTACT: dict[str, Any] = {"condim": 4, "friction": [1.0, 0.01, 0.0001]}
_HEXAGON = float(np.pi / 3)  # grasp period of a hexagonal prism
_METAL: Rgb = (0.82, 0.83, 0.85)


@dataclass(frozen=True)
class ObjectModel:
    """One kind of thing.

    Attributes:
        name: Canonical name, as in `saycan.vocabulary.KITCHEN`.
        shape: How it is built.
        size: Full extents (x, y, z) in m; it stands on its z axis, its body's origin is the middle.
        mass: kg.
        colors: Main colour, second colour (band, label, top), third colour (lid, cap, stripe).
        grasp_yaw: Yaw in its own frame along which fingers close from above, rad.
        grasp_period: Every multiple of it added to grasp_yaw is as good, rad.
    """

    name: str
    shape: Shape
    size: tuple[float, float, float]
    mass: float
    colors: tuple[Rgb, Rgb, Rgb]
    grasp_yaw: float = 0.0
    grasp_period: float = float(np.pi)

    @property
    def kind(self) -> str:
        """What else is easily taken for it: things of one shape; bar and sponge are both small blocks."""
        return "block" if self.shape in ("bar", "sponge") else self.shape

    @property
    def radius(self) -> float:
        """Radius in m of the upright circle around its footprint."""
        if self.grasp_period == _HEXAGON:  # size is from flat to flat
            return float(self.size[0] / np.sqrt(3.0))
        return 0.5 * float(np.hypot(self.size[0], self.size[1]))


def _can(name: str, body: Rgb, band: Rgb, lid: Rgb = _METAL, width: float = 0.064, height: float = 0.12) -> ObjectModel:
    mass = 0.30 * (width / 0.064) ** 2
    return ObjectModel(name, "can", (width, width, height), mass, (body, band, lid), grasp_period=_HEXAGON)


def _bottle(name: str, height: float, body: Rgb, label: Rgb, cap: Rgb) -> ObjectModel:
    return ObjectModel(name, "bottle", (0.064, 0.064, height), 0.30, (body, label, cap), grasp_period=_HEXAGON)


def _bag(name: str, body: Rgb, label: Rgb, stripe: Rgb) -> ObjectModel:
    return ObjectModel(name, "bag", (0.05, 0.12, 0.15), 0.06, (body, label, stripe))


def _fruit(name: str, skin: Rgb, top: Rgb, stem: Rgb) -> ObjectModel:
    return ObjectModel(name, "fruit", (0.068, 0.068, 0.072), 0.16, (skin, top, stem), grasp_period=_HEXAGON)


def _block(
    name: str, shape: Shape, size: tuple[float, float, float], main: Rgb, second: Rgb, third: Rgb
) -> ObjectModel:
    return ObjectModel(name, shape, size, {"bar": 0.05, "sponge": 0.03}[shape], (main, second, third))


OBJECTS: dict[str, ObjectModel] = {
    model.name: model
    for model in (
        _can("coke can", (0.80, 0.03, 0.05), (0.96, 0.96, 0.96)),
        _can("pepsi can", (0.03, 0.12, 0.62), (0.86, 0.10, 0.14)),
        _can("7up can", (0.00, 0.36, 0.16), (0.98, 0.80, 0.05)),
        _can("redbull can", (0.62, 0.68, 0.80), (0.10, 0.18, 0.50), (0.95, 0.75, 0.10), width=0.053, height=0.135),
        _can("lime soda", (0.60, 0.90, 0.10), (0.97, 0.99, 0.90)),
        _can("grapefruit soda", (0.98, 0.45, 0.55), (0.99, 0.88, 0.55)),
        _bottle("water bottle", 0.20, (0.66, 0.86, 0.96), (0.95, 0.97, 1.00), (0.05, 0.35, 0.85)),
        _bottle("tea", 0.18, (0.52, 0.25, 0.05), (0.90, 0.80, 0.35), (0.15, 0.12, 0.10)),
        _bag("jalapeno chips", (0.10, 0.55, 0.12), (0.95, 0.92, 0.30), (0.80, 0.10, 0.05)),
        _bag("rice chips", (0.94, 0.93, 0.88), (0.85, 0.15, 0.20), (0.85, 0.75, 0.45)),
        _bag("multigrain chips", (0.86, 0.42, 0.06), (0.45, 0.20, 0.05), (0.98, 0.85, 0.40)),
        _bag("kettle chips", (0.10, 0.30, 0.80), (0.98, 0.98, 0.98), (0.95, 0.75, 0.15)),
        _fruit("apple", (0.72, 0.08, 0.10), (0.35, 0.60, 0.12), (0.30, 0.18, 0.08)),
        _fruit("orange", (0.98, 0.52, 0.02), (0.98, 0.62, 0.15), (0.20, 0.40, 0.10)),
        _block("energy bar", "bar", (0.035, 0.100, 0.025), (0.23, 0.12, 0.07), (0.93, 0.90, 0.82), (0.55, 0.30, 0.65)),
        _block("sponge", "sponge", (0.065, 0.100, 0.045), (0.98, 0.86, 0.15), (0.10, 0.50, 0.22), (0.90, 0.80, 0.20)),
    )
}
"""Every kind of thing, by canonical name."""


def add_object(
    spec: Any, id: str, model: ObjectModel, position: Sequence[float], yaw: float = 0.0, tilt: float = 0.0
) -> Any:
    """Add one thing with a free joint named `id`.

    Args:
        spec: The `mujoco.MjSpec` to add to.
        id: Name of its body and joint; unique in the scene.
        model: What it is.
        position: (3,) middle of its body in the map frame, m.
        yaw: Rotation about the vertical, rad.
        tilt: Rotation about its own y axis before that, rad.

    Returns:
        The body. Its colliding geoms are named "ID/0", "ID/1", ...; its other geoms are looks.
    """
    x, y, z = model.size
    body = spec.worldbody.add_body(
        name=id,
        pos=[float(value) for value in position],
        quat=yaw_quaternion(yaw) if tilt == 0.0 else _tilted(yaw, tilt),
        mass=model.mass,
        ipos=[0.0, 0.0, 0.0],  # unset, the compiler would take the body's own position
        inertia=[model.mass / 12 * value for value in (y * y + z * z, x * x + z * z, x * x + y * y)],
        explicitinertial=True,
    )
    body.add_freejoint(name=id)
    _DRAWINGS[model.shape](body, model)
    for geom in body.geoms:
        if geom.contype:
            geom.mass = 0.0  # the body's inertia is set above
    return body


def _tilted(yaw: float, tilt: float) -> list[float]:
    """(w, x, y, z) of a rotation by `tilt` about y, then by `yaw` about the vertical."""
    w, _, _, z = yaw_quaternion(yaw)
    c, s = float(np.cos(tilt / 2)), float(np.sin(tilt / 2))
    return [w * c, -z * s, w * s, z * c]


def grasp_depth(model: ObjectModel) -> float:
    """How far below the top of a thing the middle of the pads takes it, m; of a flat one 0.36 of its height."""
    return min(0.03, 0.36 * model.size[2])


def _draw_can(body: Any, model: ObjectModel) -> None:
    width, height = model.size[0], model.size[2]
    radius, (main, band, lid) = 0.5 * width, model.colors
    _collide_as_prism(body, width, -0.5 * height, 0.5 * height, 0)
    add_cylinder(body, radius, height - 0.002, (0, 0, -0.001), main, group=Group.MOVABLE)
    add_cylinder(body, radius + 0.0006, 0.30 * height, (0, 0, 0.04 * height), band, group=Group.MOVABLE)
    add_cylinder(body, 0.68 * radius, 0.01, (0, 0, 0.5 * height - 0.005), lid, group=Group.MOVABLE)


def _draw_bottle(body: Any, model: ObjectModel) -> None:
    width, height = model.size[0], model.size[2]
    radius, (main, label, cap) = 0.5 * width, model.colors
    shoulder = 0.22 * height  # above the middle
    _collide_as_prism(body, width, -0.5 * height, shoulder, 0)
    neck = 0.5 * height - shoulder
    _collide_as_box(body, (0.030, 0.030, neck), (0, 0, shoulder + 0.5 * neck), 3)
    add_cylinder(
        body, radius, shoulder + 0.5 * height, (0, 0, 0.5 * (shoulder - 0.5 * height)), main, group=Group.MOVABLE
    )
    add_cylinder(body, radius + 0.0006, 0.28 * height, (0, 0, -0.10 * height), label, group=Group.MOVABLE)
    add_ellipsoid(body, (0.97 * width, 0.97 * width, neck), (0, 0, shoulder), main, group=Group.MOVABLE)
    add_cylinder(body, 0.017, neck, (0, 0, shoulder + 0.5 * neck), cap, group=Group.MOVABLE)


def _draw_bag(body: Any, model: ObjectModel) -> None:
    x, y, z = model.size
    main, label, stripe = model.colors
    seam = 0.018
    _collide_as_box(body, (x, y, z - seam), (0, 0, -0.5 * seam), 0)
    _collide_as_box(body, (0.02, y, seam), (0, 0, 0.5 * (z - seam)), 1)
    add_box(body, (x, y, z - seam), (0, 0, -0.5 * seam), main, collides=False, group=Group.MOVABLE)
    add_box(body, (0.02, y, seam), (0, 0, 0.5 * (z - seam)), stripe, collides=False, group=Group.MOVABLE)
    add_box(body, (x + 0.0012, 0.70 * y, 0.34 * z), (0, 0, 0), label, collides=False, group=Group.MOVABLE)
    add_box(body, (x + 0.0012, y + 0.0012, 0.10 * z), (0, 0, -0.32 * z), stripe, collides=False, group=Group.MOVABLE)


def _draw_fruit(body: Any, model: ObjectModel) -> None:
    height = model.size[2]
    main, top, stem = model.colors
    _collide_as_prism(body, model.size[0], -0.5 * height, 0.34 * height, 0)
    round_size = (model.size[0], model.size[0], 0.94 * height)
    add_ellipsoid(body, round_size, (0, 0, -0.03 * height), main, group=Group.MOVABLE)
    add_ellipsoid(body, (0.024, 0.024, 0.012), (0, 0, 0.42 * height), top, group=Group.MOVABLE)
    add_cylinder(body, 0.004, 0.014, (0, 0, 0.5 * height - 0.007), stem, group=Group.MOVABLE)


def _draw_bar(body: Any, model: ObjectModel) -> None:
    x, y, z = model.size
    main, label, stripe = model.colors
    _collide_as_box(body, model.size, (0, 0, 0), 0)
    add_box(body, model.size, (0, 0, 0), main, collides=False, group=Group.MOVABLE)
    add_box(body, (x + 0.0012, 0.45 * y, z + 0.0012), (0, 0.05 * y, 0), label, collides=False, group=Group.MOVABLE)
    add_box(body, (x + 0.0012, 0.12 * y, z + 0.0012), (0, -0.34 * y, 0), stripe, collides=False, group=Group.MOVABLE)


def _draw_sponge(body: Any, model: ObjectModel) -> None:
    x, y, z = model.size
    main, scrub, _ = model.colors
    _collide_as_box(body, model.size, (0, 0, 0), 0)
    add_box(body, (x, y, 0.70 * z), (0, 0, -0.15 * z), main, collides=False, group=Group.MOVABLE)
    add_box(body, (x, y, 0.30 * z), (0, 0, 0.35 * z), scrub, collides=False, group=Group.MOVABLE)


_DRAWINGS: dict[Shape, Callable[[Any, ObjectModel], None]] = {
    "can": _draw_can,
    "bottle": _draw_bottle,
    "bag": _draw_bag,
    "fruit": _draw_fruit,
    "bar": _draw_bar,
    "sponge": _draw_sponge,
}


def _collide_as_prism(body: Any, width: float, low: float, high: float, first: int) -> None:
    """A hexagonal prism, `width` from flat to flat, as three boxes turned by 60 degrees."""
    side = width / np.sqrt(3.0)
    for index in range(3):
        bottom = low if index == 0 else low + _FOOT
        size = (width, side, high - bottom)
        _collide_as_box(body, size, (0, 0, 0.5 * (bottom + high)), first + index, yaw=index * np.pi / 3)


def _collide_as_box(body: Any, size: Sequence[float], at: Sequence[float], index: int, yaw: float = 0.0) -> None:
    add_box(body, size, at, (0.5, 0.5, 0.5), name=f"{body.name}/{index}", yaw=yaw, group=Group.COLLISION, **_CONTACT)
