"""The kitchen's furniture: what stands still, and the drawer, which slides.

Each place is a body at the middle of its front edge, in whose frame x points away from the dock (deep), y to the left
(across) and z up, so that every number below can be read from the dock.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from saycan.robots.kitchen.layout import (
    DRAWER_TRAVEL,
    HANDLE_HEIGHT,
    HANDLE_OFFSET,
    PLACES,
    Layout,
    PlaceLayout,
)
from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.shapes import (
    Group,
    Rgb,
    add_box,
    add_capsule,
    add_ellipsoid,
    yaw_quaternion,
)

SPECTATOR = "spectator"
"""Name of the fixed camera that sees the whole kitchen."""

DRAWER_JOINT = "drawer"
DRAWER_FLOOR = 0.46  # top of the drawer's floor: the tallest bottle still slides in under the cabinet's top
DRAWER_RIM = 0.66  # top of its walls
DRAWER_ACROSS = 0.41  # inside
DRAWER_DEEP = 0.20  # inside, in front of the cabinet when it is fully open
HANDLE_LENGTH = 0.12
HANDLE_RADIUS = 0.008

BIN_WALL = 0.015
BIN_FLOOR = 0.03  # top of the bin's floor
TOP_THICKNESS = 0.04

_PANEL = 0.02  # thickness of the drawer's front
_WALL = 0.012  # thickness of its other walls

_STEEL: Rgb = (0.75, 0.76, 0.78)
_PLASTIC: Rgb = (0.16, 0.20, 0.22)
_STANDARD = Palette()


def surface_geom(place: str) -> str:
    """Name of the geom that is the top of a surface or of the operator's tray."""
    return f"{place}/top"


def add_furniture(spec: Any, layout: Layout = PLACES, palette: Palette = _STANDARD) -> None:
    """Add the room, all furniture and the spectator's camera to a `mujoco.MjSpec`."""
    _add_room(spec, palette)
    close, far, table = layout["close counter"], layout["far counter"], layout["table"]
    _add_counter(_place_body(spec, close), close, palette.close_top, palette.close_cabinet)
    _add_counter(_place_body(spec, far), far, palette.far_top, palette.far_cabinet)
    _add_table(_place_body(spec, table), table, palette)
    _add_bin(_place_body(spec, layout["trash can"]), layout["trash can"], palette)
    _add_operator(_place_body(spec, layout["operator"]), layout["operator"], palette)
    _add_drawer(spec, layout["drawer"], palette)


def _place_body(spec: Any, place: PlaceLayout, name: str | None = None) -> Any:
    return spec.worldbody.add_body(name=name or place.name, pos=[*place.front, 0.0], quat=yaw_quaternion(place.yaw))


def _add_room(spec: Any, palette: Palette) -> None:
    """Floor, four walls that can be seen from inside only, light, and the camera that looks in over a corner."""
    world = spec.worldbody
    plane = mujoco.mjtGeom.mjGEOM_PLANE
    world.add_geom(
        name="floor",
        type=plane,
        size=[3.6, 3.2, 0.1],
        pos=[-0.2, 0, 0],
        rgba=[*palette.floor, 1.0],
        group=int(Group.FURNITURE),
    )
    walls = {
        "north wall": ([-0.2, 1.8, 1.1], [1.0, 0.0, 0.0], palette.north_wall, 2.2),
        "south wall": ([-0.2, -1.8, 1.1], [-1.0, 0.0, 0.0], palette.south_wall, 2.2),
        "east wall": ([2.0, 0.0, 1.1], [0.0, -1.0, 0.0], palette.east_wall, 1.8),
        "west wall": ([-2.4, 0.0, 1.1], [0.0, 1.0, 0.0], palette.west_wall, 1.8),
    }
    for name, (position, right, rgb, half_width) in walls.items():
        # GL would draw a plane's back half transparent, over everything: it leaves out the walls next to the spectator.
        group = Group.BACKDROP if name in ("south wall", "west wall") else Group.FURNITURE
        x = np.array(right)
        up = np.array([0.0, 0.0, 1.0])
        rotation = np.column_stack([x, up, np.cross(x, up)])
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, rotation.ravel())
        world.add_geom(
            name=name,
            type=plane,
            size=[half_width, 1.1, 0.1],
            pos=position,
            quat=quaternion,
            rgba=[*rgb, 1.0],
            contype=0,
            conaffinity=0,
            group=int(group),
        )
    world.add_light(
        name="ceiling light",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0, 0, 3],
        dir=[0.25, 0.3, -1.0],
        diffuse=[0.45, 0.45, 0.45],
        specular=[0.1, 0.1, 0.1],
        castshadow=False,
    )
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [0.5] * 3, [0.25] * 3, [0.0] * 3
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.80, 0.84, 0.88],
        rgb2=[0.62, 0.72, 0.84],
        width=64,
        height=64,
    )
    _add_wall_pieces(world, palette)
    _add_camera(world, SPECTATOR, eye=(-2.45, -3.55, 3.15), target=(-0.20, -0.12, 0.48), fovy=44.0)


def _add_wall_pieces(world: Any, palette: Palette) -> None:
    """A window and tiles over the close counter, and a picture: landmarks for whoever looks around."""
    add_box(world, (1.10, 0.02, 0.62), (0.0, 1.79, 1.52), (0.93, 0.93, 0.91), collides=False)
    add_box(world, (0.98, 0.03, 0.50), (0.0, 1.79, 1.52), (0.60, 0.79, 0.93), collides=False)
    add_box(world, (1.20, 0.004, 0.34), (0.0, 1.798, 0.98), palette.tiles, collides=False)
    add_box(world, (0.02, 0.60, 0.44), (1.99, 0.0, 1.50), palette.picture, collides=False)


def _add_camera(world: Any, name: str, eye: tuple[float, ...], target: tuple[float, ...], fovy: float) -> None:
    back = np.array(eye) - np.array(target)
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    rotation = np.column_stack([right, np.cross(back, right), back])
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    world.add_camera(name=name, pos=list(eye), quat=quaternion, fovy=fovy)


def _add_counter(body: Any, place: PlaceLayout, top: Rgb, cabinet: Rgb) -> None:
    width = 2 * place.half_across
    _add_top(body, place, top)
    below = place.height - TOP_THICKNESS
    add_box(body, (place.depth - 0.04, width - 0.02, below - 0.08), (0.5 * place.depth + 0.02, 0, 0.5 * below + 0.04),
            cabinet)  # fmt: skip
    add_box(body, (place.depth - 0.12, width - 0.02, 0.08), (0.5 * place.depth + 0.06, 0, 0.04), _PLASTIC)
    red, green, blue = cabinet
    light = (red + 0.1, green + 0.1, blue + 0.1)
    for side in (-1, 1):  # doors
        add_box(body, (0.01, 0.5 * width - 0.06, below - 0.16), (0.037, 0.25 * side * width, 0.5 * below + 0.04), light,
                collides=False)  # fmt: skip


def _add_top(body: Any, place: PlaceLayout, rgb: Rgb) -> None:
    size = (place.depth, 2 * place.half_across, TOP_THICKNESS)
    at = (0.5 * place.depth, 0, place.height - 0.5 * TOP_THICKNESS)
    add_box(body, size, at, rgb, name=surface_geom(place.name), friction=[0.8, 0.005, 0.0001])


def _add_table(body: Any, place: PlaceLayout, palette: Palette) -> None:
    _add_top(body, place, palette.table_top)
    height = place.height - TOP_THICKNESS
    for deep in (0.06, place.depth - 0.06):
        for side in (-1, 1):
            across = side * (place.half_across - 0.06)
            add_box(body, (0.05, 0.05, height), (deep, across, 0.5 * height), palette.table_legs)


def _add_bin(body: Any, place: PlaceLayout, palette: Palette) -> None:
    outside, depth, height = 2 * place.half_across, place.depth, place.height
    rgb = palette.bin
    middle = 0.5 * depth
    add_box(body, (depth, outside, BIN_FLOOR), (middle, 0, 0.5 * BIN_FLOOR), (0.10, 0.11, 0.12), name="trash can/floor")
    for deep in (0.5 * BIN_WALL, depth - 0.5 * BIN_WALL):
        add_box(body, (BIN_WALL, outside, height), (deep, 0, 0.5 * height), rgb)
    for side in (-1, 1):
        across = side * (place.half_across - 0.5 * BIN_WALL)
        add_box(body, (depth, BIN_WALL, height), (middle, across, 0.5 * height), rgb)
    add_box(body, (0.004, 0.16, 0.16), (-0.002, 0, 0.34), (0.35, 0.75, 0.45), collides=False)  # its emblem


def _add_operator(body: Any, place: PlaceLayout, palette: Palette) -> None:
    """A side table, and behind it the person whom things are brought to.

    The person collides: that is true to life, and `mj_multiRay` sees no geom outside the box of those that do.
    """
    _add_top(body, place, palette.tray)
    height = place.height - TOP_THICKNESS
    add_box(body, (0.10, 0.10, height), (0.5 * place.depth, 0, 0.5 * height), (0.35, 0.33, 0.36))
    add_box(body, (0.30, 0.40, 0.03), (0.5 * place.depth, 0, 0.015), (0.35, 0.33, 0.36))
    skin, shirt, trousers = (0.80, 0.60, 0.47), palette.shirt, palette.trousers
    deep = place.depth + 0.22
    for side in (-1, 1):
        add_capsule(body, 0.075, (deep, 0.09 * side, 0.08), (deep, 0.09 * side, 0.85), trousers, collides=True)
        add_capsule(body, 0.045, (deep, 0.23 * side, 1.38), (deep - 0.06, 0.27 * side, 0.98), shirt, collides=True)
    add_ellipsoid(body, (0.26, 0.46, 0.70), (deep, 0, 1.17), shirt, collides=True)
    add_ellipsoid(body, (0.20, 0.18, 0.25), (deep, 0, 1.64), skin, collides=True)
    add_ellipsoid(body, (0.21, 0.20, 0.16), (deep + 0.02, 0, 1.71), (0.20, 0.13, 0.09), collides=True)  # hair


def _add_drawer(spec: Any, place: PlaceLayout, palette: Palette) -> None:
    """A cabinet open at its front, and the drawer in it: x of the slider's frame is its place's depth, closed at 0."""
    cabinet = _place_body(spec, place, "drawer cabinet")
    rgb, trim = palette.drawer_cabinet, palette.drawer_front
    width, depth, height = 2 * place.half_across, place.depth, place.height
    side_wall, lower = 0.02, DRAWER_FLOOR - 0.03
    add_box(cabinet, (depth, width, lower), (0.5 * depth, 0, 0.5 * lower), rgb)
    add_box(cabinet, (depth, width, 0.02), (0.5 * depth, 0, height - 0.01), trim, name="drawer cabinet/top")
    upper = height - 0.02 - lower
    for side in (-1, 1):
        across = side * (place.half_across - 0.5 * side_wall)
        add_box(cabinet, (depth, side_wall, upper), (0.5 * depth, across, lower + 0.5 * upper), rgb)
    add_box(cabinet, (side_wall, width, upper), (depth - 0.5 * side_wall, 0, lower + 0.5 * upper), rgb)

    slider = cabinet.add_body(name="drawer")
    slider.add_joint(
        name=DRAWER_JOINT,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[-1, 0, 0],
        range=[0, DRAWER_TRAVEL],
        limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        damping=[8.0, 0, 0],
        frictionloss=2.0,
        armature=0.5,
    )
    inner, outer = DRAWER_ACROSS, DRAWER_ACROSS + 2 * _WALL
    length = DRAWER_TRAVEL + 0.16  # of the box behind the front panel
    walls = DRAWER_RIM - DRAWER_FLOOR
    inside, wood = (0.78, 0.70, 0.58), (0.70, 0.62, 0.50)
    panel = height - 0.02 - lower
    add_box(slider, (_PANEL, width - 0.05, panel - 0.01), (0.5 * _PANEL, 0, lower + 0.5 * panel), trim,
            name="drawer/front", mass=0.8)  # fmt: skip
    middle = _PANEL + 0.5 * length
    add_box(slider, (length, outer, 0.012), (middle, 0, DRAWER_FLOOR - 0.006), inside, name="drawer/floor", mass=0.5)
    for side in (-1, 1):
        across = 0.5 * side * (inner + _WALL)
        add_box(slider, (length, _WALL, walls), (middle, across, DRAWER_FLOOR + 0.5 * walls), wood, mass=0.2)
    add_box(
        slider, (_WALL, inner, walls), (_PANEL + length - 0.5 * _WALL, 0, DRAWER_FLOOR + 0.5 * walls), wood, mass=0.2
    )
    _add_handle(slider, height)
    spec.add_exclude(bodyname1="drawer cabinet", bodyname2="drawer")


def _add_handle(slider: Any, top: float) -> None:
    """A bar above the cabinet's top and in front of the panel, so that a gripper can close on it from above."""
    half = 0.5 * HANDLE_LENGTH
    bar, foot = (-HANDLE_OFFSET, HANDLE_HEIGHT), (0.01, top - 0.05)
    add_capsule(slider, HANDLE_RADIUS, (bar[0], -half, bar[1]), (bar[0], half, bar[1]), _STEEL, name="drawer/handle",
                collides=True, mass=0.1, friction=[1.0, 0.01, 0.0001])  # fmt: skip
    for side in (-1, 1):
        ends = (bar[0], side * half, bar[1]), (foot[0], side * half, foot[1])
        add_capsule(slider, 0.006, *ends, _STEEL, collides=True, mass=0.02)
