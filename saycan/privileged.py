"""The simulator's own state, for whoever is allowed to read it.

Everything that reads this (scripted experts, geometric value functions, goal checks) says `privileged` in its name or
in its output. A real robot does not have it, and the learned parts never see it. Lengths are in m, angles in rad, in
the map frame (x east, y north, z up, origin on the floor) unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saycan.place import Place


@dataclass(frozen=True, eq=False)
class ObjectState:
    """One movable thing.

    Attributes:
        id: Unique in the scene: "coke can", a second one "coke can 2".
        name: Canonical name: "coke can".
        position: (3,) float64, centre of its body.
        quaternion: (4,) float64, (w, x, y, z).
        size: (3,) float64, full extents of its box in its own frame; it stands on its z axis when upright.
        place: Name of the place that it rests at; None on the floor, and in the gripper once it is lifted. What was
            just let go of is at the place under it while it falls.
        held: Whether the gripper holds it: both fingers press on it, be it lifted already or not.
        grasp_yaw: Yaw in its own frame along which the fingers should close, rad.
        grasp_period: Every multiple of it added to grasp_yaw is as good, rad (pi for a box, small for round things).
    """

    id: str
    name: str
    position: NDArray[np.float64]
    quaternion: NDArray[np.float64]
    size: NDArray[np.float64]
    place: str | None
    held: bool
    grasp_yaw: float = 0.0
    grasp_period: float = np.pi

    @property
    def yaw(self) -> float:
        """Rotation about the vertical, rad."""
        w, x, y, z = self.quaternion
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


@dataclass(frozen=True, eq=False)
class SpillState:
    """A spill: cells that disappear under a held sponge that touches the surface.

    Attributes:
        place: The surface that it is on.
        cells: (N, 3) float64, centres of the cells that are still dirty.
        total: Number of cells in the beginning.
    """

    place: str
    cells: NDArray[np.float64]
    total: int


@dataclass(frozen=True, eq=False)
class DrawerState:
    """A drawer that slides along its place's depth.

    Attributes:
        name: The place it belongs to: "drawer".
        opening: How far it is out, m.
        travel: How far it can come out, m.
        handle: (3,) float64, middle of the handle bar now.
        direction: (2,) float64, unit vector in which it opens.
    """

    name: str
    opening: float
    travel: float
    handle: NDArray[np.float64]
    direction: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CameraPose:
    """Where a camera really is, jitter included.

    Attributes:
        position: (3,) float64, map frame.
        rotation: (3, 3) float64; its columns are right, up and back of the camera in the map frame: it looks along -z.
        fovy: Vertical field of view, rad; pictures are square.
    """

    position: NDArray[np.float64]
    rotation: NDArray[np.float64]
    fovy: float

    def project(self, point: NDArray[np.float64]) -> tuple[float, float, bool]:
        """Where a map point appears: x from left to right and y from top to bottom in [-1, 1], and whether it does."""
        right, up, back = (point - self.position) @ self.rotation
        if not back < -1e-6:  # also for NaN
            return 0.0, 0.0, False
        half = np.tan(0.5 * self.fovy)
        x, y = float(right / (-back * half)), float(-up / (-back * half))
        return x, y, abs(x) <= 1.0 and abs(y) <= 1.0


@dataclass(frozen=True, eq=False)
class PrivilegedState:
    """Everything a goal or a privileged expert may ask about, at one instant.

    Attributes:
        objects, places, spills, drawers: See their types; places by name.
        base_pose: (3,) float64, (x, y, yaw).
        ee_position: (3,) float64, point between the fingertips.
        ee_yaw: Yaw of the gripper about the vertical: the fingers close along the direction (cos yaw, sin yaw).
        gripper: Opening, 0 closed to 1 open.
        gripper_width: Largest opening of the fingers, m.
        held: id of the held object, or None.
        robot_place: Place before which the base stands (`Place.is_before`), or None.
        visited: Names of the places at which the base has stood since reset, in order of first visit.
        cameras: Name to pose of the cameras that the robot carries, where the simulator has some.
        bolted: Whether the base cannot drive: every place is then worked from where it stands.
        gripper_depth: From the middle of the pads up to the palm, m: no thing comes deeper between the fingers.
    """

    objects: tuple[ObjectState, ...]
    places: dict[str, Place]
    spills: tuple[SpillState, ...]
    drawers: tuple[DrawerState, ...]
    base_pose: NDArray[np.float64]
    ee_position: NDArray[np.float64]
    ee_yaw: float
    gripper: float
    gripper_width: float
    held: str | None
    robot_place: str | None
    visited: tuple[str, ...]
    cameras: Mapping[str, CameraPose] = field(default_factory=dict)
    bolted: bool = False
    gripper_depth: float = 0.1

    def at(self, place: str | None) -> bool:
        """Whether the base stands where it can work a place; for a thing that rests nowhere (None) it never does."""
        return place is not None and (self.bolted or place == self.robot_place)

    def named(self, name: str) -> list[ObjectState]:
        """The objects with this canonical name."""
        return [thing for thing in self.objects if thing.name == name]

    def by_id(self, id: str) -> ObjectState:
        """The object with this id. Raises KeyError."""
        for thing in self.objects:
            if thing.id == id:
                return thing
        raise KeyError(id)

    def spill_at(self, place: str) -> SpillState | None:
        """What is left of the spill on a place; None when it is clean."""
        for spill in self.spills:
            if spill.place == place and len(spill.cells):
                return spill
        return None


@runtime_checkable
class PrivilegedWorld(Protocol):
    """Implemented by simulators only, beside Robot."""

    def privileged_state(self) -> PrivilegedState:
        """A snapshot that later simulation does not change."""
        ...


@runtime_checkable
class Resettable(Protocol):
    """A simulated robot whose world can be made anew."""

    def reset(self, scene: object = None, seed: int | None = None) -> None:
        """Build a scene (words, a Scene of its own, or None for the same again); raises SceneError."""
        ...
