"""The simulator's own state, read into the types of `saycan.privileged`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saycan.place import Place
from saycan.privileged import CameraPose, ObjectState, PrivilegedState, SpillState
from saycan.quaternion import rotation_matrix
from saycan.robots.kitchen.scene import Thing
from saycan.robots.panda.bodies import thing_shapes
from saycan.robots.panda.kinematics import GRASP, PALM
from saycan.robots.panda.layout import BIN_FLOOR, PLACES, TABLE
from saycan.robots.panda.world import GRIP_WIDTH, World

REST_HEIGHT = 0.03  # m above a top, below which a thing that is held counts as resting on it all the same


def read(world: World, cameras: dict[str, CameraPose]) -> PrivilegedState:
    """A snapshot that later simulation does not change. The robot counts as standing at the table, and is bolted."""
    held = world.held()
    position, quaternion = world.hand()
    y_axis = rotation_matrix(quaternion)[:, 1]
    return PrivilegedState(
        objects=tuple(_object(world, thing, thing == held) for thing in world.bodies),
        places=dict(PLACES),
        spills=tuple(
            SpillState(place, cells[dirty].copy(), len(cells)) for place, (cells, dirty) in world.spills.items()
        ),
        drawers=(),
        base_pose=np.zeros(3),
        ee_position=position,
        ee_yaw=float(np.arctan2(y_axis[1], y_axis[0])),
        gripper=world.gripper(),
        gripper_width=GRIP_WIDTH,
        held=None if held is None else held.id,
        robot_place=TABLE,
        visited=tuple(PLACES),
        cameras=cameras,
        bolted=True,
        gripper_depth=GRASP - PALM,
    )


def _object(world: World, thing: Thing, held: bool) -> ObjectState:
    model = world.models[thing]
    position, quaternion = world.pose(thing)
    _, solid = thing_shapes(model)
    bottom = float(position[2]) + solid.lowest(rotation_matrix(quaternion))
    place = next((name for name, place in PLACES.items() if _rests(place, position, bottom, held)), None)
    return ObjectState(
        id=thing.id,
        name=thing.name,
        position=position,
        quaternion=quaternion,
        size=np.array(model.size),
        place=place,
        held=held,
        grasp_yaw=model.grasp_yaw,
        grasp_period=model.grasp_period,
    )


def _rests(place: Place, position: NDArray[np.float64], bottom: float, held: bool) -> bool:
    """Whether a thing is on a top (or on what stands there, once it is let go), or inside the bin."""
    deep, across = np.abs(position[:2] - place.center[:2])
    if across > place.half_size[0] or deep > place.half_size[1]:
        return False
    if place.kind == "bin":
        return bool(bottom >= BIN_FLOOR - 0.01 and position[2] < place.rim)
    return bool(place.rim - 0.01 <= bottom <= place.rim + (REST_HEIGHT if held else 0.25))
