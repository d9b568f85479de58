"""What stands in the Panda's world, built of PyBullet's primitives: the things of the kitchen, the furniture, spills.

Bullet's cylinders do not creep out of the fingers as MuJoCo's do, so what looks round is round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saycan.place import Place
from saycan.robots.kitchen.objects import ObjectModel
from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.shapes import Rgb
from saycan.robots.kitchen.spill import CELL
from saycan.robots.panda.layout import BIN, BIN_FLOOR, BIN_WALL, MOUNT, PLACES, TABLE, TOP_THICKNESS, TRAY

Vector = tuple[float, float, float]

FRICTION = 0.9  # sliding, of things; the fingers' is 1, and Bullet multiplies the two
SPINNING, ROLLING = 0.003, 0.0008  # m, of things: what is round comes to rest
_METAL: Rgb = (0.35, 0.36, 0.38)
_SPILL: Rgb = (0.30, 0.09, 0.05)
_CELL_THICKNESS = 0.0012


@dataclass
class Shape:
    """Primitives of one body.

    Attributes:
        kinds: "box", "cylinder" or "sphere", one each.
        sizes: Full extents, m; of a cylinder (width, width, height).
        at: Where their middles are in the body's frame, m.
        colors: Red, green, blue in [0, 1].
    """

    kinds: list[Literal["box", "cylinder", "sphere"]] = field(default_factory=list)
    sizes: list[Vector] = field(default_factory=list)
    at: list[Vector] = field(default_factory=list)
    colors: list[Rgb] = field(default_factory=list)

    def box(self, size: Vector, at: Vector, color: Rgb = _METAL) -> Shape:
        """Add a box; returns itself."""
        return self._add("box", size, at, color)

    def cylinder(self, width: float, height: float, at: Vector, color: Rgb = _METAL) -> Shape:
        """Add an upright cylinder; returns itself."""
        return self._add("cylinder", (width, width, height), at, color)

    def sphere(self, width: float, at: Vector, color: Rgb = _METAL) -> Shape:
        """Add a sphere; returns itself."""
        return self._add("sphere", (width, width, width), at, color)

    def lowest(self, axes: NDArray[np.float64]) -> float:
        """How far up from the body's origin its lowest point is, m; the columns of `axes` (3, 3) are the body's."""
        up = axes[2]
        heights = []
        for kind, size, at in zip(self.kinds, self.sizes, self.at, strict=True):
            half = 0.5 * np.array(size)
            if kind == "box":
                reach = float(np.abs(up) @ half)
            elif kind == "cylinder":
                reach = float(half[0] * np.hypot(up[0], up[1]) + half[2] * abs(up[2]))
            else:
                reach = float(half[0])
            heights.append(float(up @ np.array(at)) - reach)
        return min(heights)

    def build(self, client: Any, visual: bool) -> int:
        """Its number among the client's visual or collision shapes; -1 where it has no primitives."""
        if not self.kinds:
            return -1
        numbers = {"box": client.GEOM_BOX, "cylinder": client.GEOM_CYLINDER, "sphere": client.GEOM_SPHERE}
        name = "visual" if visual else "collision"
        options: dict[str, Any] = {
            "shapeTypes": [numbers[kind] for kind in self.kinds],
            "radii": [0.5 * size[0] for size in self.sizes],
            "lengths": [size[2] for size in self.sizes],
            "halfExtents": [[0.5 * extent for extent in size] for size in self.sizes],
            f"{name}FramePositions": [list(at) for at in self.at],
            f"{name}FrameOrientations": [[0.0, 0.0, 0.0, 1.0]] * len(self.kinds),
        }
        if not visual:
            return int(client.createCollisionShapeArray(**options))
        return int(client.createVisualShapeArray(rgbaColors=[[*color, 1.0] for color in self.colors], **options))

    def _add(self, kind: Literal["box", "cylinder", "sphere"], size: Vector, at: Vector, color: Rgb) -> Shape:
        self.kinds.append(kind)
        self.sizes.append(size)
        self.at.append(at)
        self.colors.append(color)
        return self


def add_thing(client: Any, model: ObjectModel, position: Sequence[float], yaw: float, tilt: float = 0.0) -> int:
    """A movable thing with its middle at `position` (3,) m; returns the body's number."""
    looks, solid = thing_shapes(model)
    turned = client.getQuaternionFromEuler([0.0, 0.0, yaw])
    tilted = client.getQuaternionFromEuler([0.0, tilt, 0.0])
    _, quaternion = client.multiplyTransforms([0, 0, 0], turned, [0, 0, 0], tilted)
    body = int(
        client.createMultiBody(
            model.mass, solid.build(client, False), looks.build(client, True), [*map(float, position)], quaternion
        )
    )
    x, y, z = model.size
    inertia = [model.mass / 12 * value for value in (y * y + z * z, x * x + z * z, x * x + y * y)]
    client.changeDynamics(
        body, -1, lateralFriction=FRICTION, spinningFriction=SPINNING, rollingFriction=ROLLING,
        localInertiaDiagonal=inertia, angularDamping=0.2,
    )  # fmt: skip
    return body


def thing_shapes(model: ObjectModel) -> tuple[Shape, Shape]:
    """How a thing looks, and what of it collides."""
    x, y, z = model.size
    main, second, third = model.colors
    looks, solid = Shape(), Shape()
    match model.shape:
        case "can":
            solid.cylinder(x, z, (0, 0, 0))
            looks.cylinder(x, z - 0.002, (0, 0, -0.001), main).cylinder(x + 0.0012, 0.3 * z, (0, 0, 0.04 * z), second)
            looks.cylinder(0.68 * x, 0.01, (0, 0, 0.5 * z - 0.005), third)
        case "bottle":
            shoulder = 0.22 * z
            neck = 0.5 * z - shoulder
            solid.cylinder(x, shoulder + 0.5 * z, (0, 0, 0.5 * (shoulder - 0.5 * z)))
            solid.cylinder(0.034, neck, (0, 0, shoulder + 0.5 * neck))
            looks.cylinder(x, shoulder + 0.5 * z, (0, 0, 0.5 * (shoulder - 0.5 * z)), main)
            looks.cylinder(x + 0.0012, 0.28 * z, (0, 0, -0.10 * z), second)
            looks.cylinder(0.72 * x, 0.5 * neck, (0, 0, shoulder + 0.25 * neck), main)
            looks.cylinder(0.034, neck, (0, 0, shoulder + 0.5 * neck), third)
        case "bag":
            seam = 0.018
            solid.box((x, y, z - seam), (0, 0, -0.5 * seam)).box((0.02, y, seam), (0, 0, 0.5 * (z - seam)))
            looks.box((x, y, z - seam), (0, 0, -0.5 * seam), main).box((0.02, y, seam), (0, 0, 0.5 * (z - seam)), third)
            looks.box((x + 0.0012, 0.7 * y, 0.34 * z), (0, 0, 0), second)
            looks.box((x + 0.0012, y + 0.0012, 0.1 * z), (0, 0, -0.32 * z), third)
        case "fruit":
            solid.cylinder(x, 0.84 * z, (0, 0, -0.08 * z))
            looks.sphere(0.94 * z, (0, 0, -0.03 * z), main).cylinder(0.024, 0.012, (0, 0, 0.42 * z), second)
            looks.cylinder(0.008, 0.014, (0, 0, 0.5 * z - 0.007), third)
        case "bar":
            solid.box((x, y, z), (0, 0, 0))
            looks.box((x, y, z), (0, 0, 0), main).box((x + 0.0012, 0.45 * y, z + 0.0012), (0, 0.05 * y, 0), second)
            looks.box((x + 0.0012, 0.12 * y, z + 0.0012), (0, -0.34 * y, 0), third)
        case "sponge":
            solid.box((x, y, z), (0, 0, 0))
            looks.box((x, y, 0.7 * z), (0, 0, -0.15 * z), main).box((x, y, 0.3 * z), (0, 0, 0.35 * z), second)
    return looks, solid


def add_furniture(client: Any, palette: Palette) -> dict[str, int]:
    """The room, the pedestal, table, bin, tray and the person behind it; place name to the body that carries things."""
    floor = Shape().box((6.0, 6.0, 0.1), (0, 0, -0.05), palette.floor)
    _fixed(client, floor, floor)
    walls = Shape().box((0.02, 5.0, 2.2), (2.0, 0, 1.1), palette.east_wall)
    walls.box((4.0, 0.02, 2.2), (0, 1.8, 1.1), palette.north_wall).box(
        (4.0, 0.02, 2.2), (0, -1.8, 1.1), palette.south_wall
    )
    _fixed(client, walls, Shape())
    pedestal = Shape().box((0.18, 0.20, MOUNT[2]), (MOUNT[0], 0, 0.5 * MOUNT[2]), _METAL)
    pedestal.cylinder(0.05, 1.55, (-0.02, 0.27, 0.775), _METAL)  # the mast of the head camera
    _fixed(client, pedestal, Shape())
    return {
        TABLE: _add_top(client, PLACES[TABLE], palette.table_top, palette.table_legs, 0.05),
        BIN: _add_bin(client, PLACES[BIN], palette),
        TRAY: _add_tray(client, PLACES[TRAY], palette),
    }


def _add_top(client: Any, place: Place, top: Rgb, legs: Rgb, thick: float) -> int:
    x, y, z = (float(value) for value in place.center)
    width, depth = (2.0 * float(value) for value in place.half_size)
    shape = Shape().box((depth, width, TOP_THICKNESS), (x, y, z - 0.5 * TOP_THICKNESS), top)
    height = z - TOP_THICKNESS
    for side in (-1, 1):
        for end in (-1, 1):
            at = (x + end * (0.5 * depth - 0.06), y + side * (0.5 * width - 0.06), 0.5 * height)
            shape.box((thick, thick, height), at, legs)
    return _fixed(client, shape, shape, friction=0.8)


def _add_bin(client: Any, place: Place, palette: Palette) -> int:
    x, y, rim = (float(value) for value in place.center)
    width, depth = (2.0 * float(value) for value in place.half_size)
    shape = Shape().box((depth, width, BIN_FLOOR), (x, y, 0.5 * BIN_FLOOR), (0.10, 0.11, 0.12))
    for end in (-1, 1):
        at = end * 0.5 * (depth - BIN_WALL)
        shape.box((BIN_WALL, width, rim), (x + at, y, 0.5 * rim), palette.bin)
        at = end * 0.5 * (width - BIN_WALL)
        shape.box((depth, BIN_WALL, rim), (x, y + at, 0.5 * rim), palette.bin)
    return _fixed(client, shape, shape, friction=0.8)


def _add_tray(client: Any, place: Place, palette: Palette) -> int:
    x, y = float(place.center[0]), float(place.center[1]) - 0.55
    person = Shape().cylinder(0.14, 0.85, (x - 0.09, y, 0.43), palette.trousers)
    person.cylinder(0.14, 0.85, (x + 0.09, y, 0.43), palette.trousers).box(
        (0.44, 0.24, 0.62), (x, y, 1.16), palette.shirt
    )
    person.sphere(0.22, (x, y, 1.62), (0.80, 0.60, 0.47))
    _fixed(client, person, Shape())
    return _add_top(client, place, palette.tray, (0.35, 0.33, 0.36), 0.04)


def _fixed(client: Any, looks: Shape, solid: Shape, friction: float = 0.8) -> int:
    body = int(client.createMultiBody(0.0, solid.build(client, False), looks.build(client, True), [0.0, 0.0, 0.0]))
    client.changeDynamics(body, -1, lateralFriction=friction)
    return body


def add_cells(client: Any, centers: NDArray[np.float64]) -> list[int]:
    """Cells of a spill at (N, 3) middles, for looks only; returns their bodies."""
    shades = np.random.default_rng(len(centers)).uniform(0.85, 1.25, len(centers))
    bodies = []
    for (x, y, z), shade in zip(centers, shades, strict=True):
        red, green, blue = (float(shade * value) for value in _SPILL)
        cell = Shape().box((CELL, CELL, _CELL_THICKNESS), (0, 0, 0.5 * _CELL_THICKNESS), (red, green, blue))
        bodies.append(int(client.createMultiBody(0.0, -1, cell.build(client, True), [float(x), float(y), float(z)])))
    return bodies
