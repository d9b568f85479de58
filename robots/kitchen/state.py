"""The simulator's own state, read into the types of `saycan.privileged`."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.place import Place
from saycan.privileged import DrawerState, ObjectState, PrivilegedState, SpillState
from saycan.robots.kitchen.control import BASE_JOINTS, GRIP_WIDTH
from saycan.robots.kitchen.furniture import (
    BIN_FLOOR,
    DRAWER_ACROSS,
    DRAWER_DEEP,
    DRAWER_FLOOR,
    DRAWER_JOINT,
    DRAWER_RIM,
)
from saycan.robots.kitchen.layout import DRAWER_TRAVEL, HANDLE_HEIGHT, HANDLE_OFFSET, PLACES, Layout
from saycan.robots.kitchen.objects import ObjectModel

GRIP_FORCE = 1.0  # N on each pad, from which a thing counts as held
REST_HEIGHT = 0.03  # m above a top, below which a thing counts as resting on it


class StateReader:
    """Reads one compiled kitchen.

    Args:
        model: The kitchen.
        things: Object id to its kind; each id is also the name of its body.
        layout: Where the furniture stands.
    """

    def __init__(self, model: mujoco.MjModel, things: Mapping[str, ObjectModel], layout: Layout = PLACES) -> None:
        self._model = model
        self._layout = layout
        self._things = {id: (kind, model.body(id).id) for id, kind in things.items()}
        self._body_to_id = {body: id for id, (_, body) in self._things.items()}
        self._solids = {body: _solids(model, body) for body in self._body_to_id}
        self._pads = (model.geom("left_pad").id, model.geom("right_pad").id)
        self._site = model.site("ee").id
        self._base = np.array([model.joint(name).qposadr[0] for name in BASE_JOINTS])
        self._drawer = model.joint(DRAWER_JOINT).qposadr[0]
        self._fingers = np.array([model.joint(f"{side}_finger").qposadr[0] for side in ("left", "right")])

    def read(self, data: mujoco.MjData, spills: tuple[SpillState, ...], visited: tuple[str, ...]) -> PrivilegedState:
        """A snapshot that later simulation does not change."""
        base = data.qpos[self._base].copy()
        opening = float(data.qpos[self._drawer])
        held = self.held(data)
        rotation = data.site_xmat[self._site].reshape(3, 3)
        places = place_states(opening, self._layout)
        return PrivilegedState(
            objects=tuple(
                self._object(data, id, model, body, id == held, places) for id, (model, body) in self._things.items()
            ),
            places=places,
            spills=spills,
            drawers=(drawer_state(opening, self._layout),),
            base_pose=base,
            ee_position=data.site_xpos[self._site].copy(),
            ee_yaw=float(np.arctan2(rotation[1, 1], rotation[0, 1])),
            gripper=self.gripper(data),
            gripper_width=GRIP_WIDTH,
            held=held,
            robot_place=robot_place(base, self._layout),
            visited=visited,
        )

    def gripper(self, data: mujoco.MjData) -> float:
        """Measured opening, 0 to 1."""
        return float(np.clip(data.qpos[self._fingers].sum() / GRIP_WIDTH, 0.0, 1.0))

    def held(self, data: mujoco.MjData) -> str | None:
        """id of the thing that both pads press on."""
        pairs = data.contact.geom[: data.ncon]
        left, right = self._pads
        touched: list[dict[int, float]] = [{}, {}]
        for index in np.flatnonzero(((pairs == left) | (pairs == right)).any(axis=1)):
            first, second = (int(geom) for geom in pairs[index])
            pad, other = (first, second) if first in self._pads else (second, first)
            body = int(self._model.geom_bodyid[other])
            if body not in self._body_to_id:
                continue
            force = np.zeros(6)
            mujoco.mj_contactForce(self._model, data, int(index), force)
            side = touched[self._pads.index(pad)]
            side[body] = side.get(body, 0.0) + float(force[0])
        for body, force_left in touched[0].items():
            if min(force_left, touched[1].get(body, 0.0)) >= GRIP_FORCE:
                return self._body_to_id[body]
        return None

    def _object(
        self,
        data: mujoco.MjData,
        id: str,
        model: ObjectModel,
        body: int,
        held: bool,
        places: Mapping[str, Place],
    ) -> ObjectState:
        position = data.xpos[body].copy()
        return ObjectState(
            id=id,
            name=model.name,
            position=position,
            quaternion=data.xquat[body].copy(),
            size=np.array(model.size),
            place=_resting_place(position, self._bottom(data, body), held, places, self._layout),
            held=held,
            grasp_yaw=model.grasp_yaw,
            grasp_period=model.grasp_period,
        )

    def _bottom(self, data: mujoco.MjData, body: int) -> float:
        """Height of a thing's lowest point, m, by the boxes that it collides with: one that lies rolls on them."""
        boxes = self._solids[body]
        reach = (np.abs(data.geom_xmat[boxes, 6:9]) * self._model.geom_size[boxes]).sum(axis=1)
        return float((data.geom_xpos[boxes, 2] - reach).min())


def _solids(model: mujoco.MjModel, body: int) -> NDArray[np.int64]:
    """The geoms that a body collides with, all of them boxes (`saycan.robots.kitchen.objects`)."""
    geoms = np.flatnonzero((model.geom_bodyid == body) & (model.geom_contype != 0))
    assert (model.geom_type[geoms] == mujoco.mjtGeom.mjGEOM_BOX).all(), "a thing collides as boxes alone"
    return geoms


def robot_place(base: NDArray[np.float64], layout: Layout = PLACES) -> str | None:
    """The place before whose front edge a base pose (3,) stands, looking at it."""
    return next((name for name, place in layout.map.items() if place.is_before(base)), None)


def place_states(opening: float, layout: Layout = PLACES) -> dict[str, Place]:
    """Every place by name, with the inside of the drawer where it is when the drawer is `opening` m out."""
    drawer = layout["drawer"]
    middle = drawer.point(0.0, 0.02 + 0.5 * DRAWER_DEEP - opening)  # behind the panel
    center, half_size = np.array([*middle, DRAWER_FLOOR]), np.array([0.5 * DRAWER_ACROSS, 0.5 * DRAWER_DEEP])
    inside = Place(drawer.name, drawer.kind, drawer.dock, center, half_size, DRAWER_RIM)
    return {**layout.map, drawer.name: inside}


def drawer_state(opening: float, layout: Layout = PLACES) -> DrawerState:
    """The drawer when it is `opening` m out."""
    drawer = layout["drawer"]
    handle = np.array([*drawer.point(0.0, -HANDLE_OFFSET - opening), HANDLE_HEIGHT])
    return DrawerState(drawer.name, opening, DRAWER_TRAVEL, handle, -drawer.forward)


def _resting_place(
    position: NDArray[np.float64],
    bottom: float,
    held: bool,
    places: Mapping[str, Place],
    furniture: Layout,
) -> str | None:
    """Where a thing is: on a top (or on what stands there, once it is let go), inside the bin or inside the drawer."""
    for name, place in places.items():
        layout = furniture[name]
        offset = position[:2] - place.center[:2]
        across, deep = abs(float(offset @ layout.left)), abs(float(offset @ layout.forward))
        if across > place.half_size[0] or deep > place.half_size[1]:
            continue
        if place.kind == "bin":
            rests = bottom >= BIN_FLOOR - 0.01 and position[2] < place.rim
        elif place.kind == "drawer":
            rests = DRAWER_FLOOR - 0.01 <= bottom < DRAWER_RIM
        else:
            rests = place.rim - 0.01 <= bottom <= place.rim + (REST_HEIGHT if held else 0.25)
        if rests:
            return name
    return None
