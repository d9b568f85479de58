"""A kitchen without physics: things follow the hand that holds them, and fall straight down when it lets go.

For tests and for developing without a simulator. It knows the same nouns as the real kitchen, gives the same kind of
privileged state away, and the same experts work in it, some hundred times faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError
from saycan.place import Place, PlaceKind
from saycan.privileged import DrawerState, ObjectState, PrivilegedState, SpillState
from saycan.vocabulary import Vocabulary

GRIPPER_WIDTH = 0.085  # m
_RADIUS = 1.25  # of the ring of front edges, m
_STANDOFF = 0.38
_HALF_ACROSS, _HALF_DEEP, _TOP = 0.45, 0.25, 0.75
_CELL = 0.025
_TRAVEL = 0.22
_SIZES = {"sponge": (0.06, 0.11, 0.05), "energy bar": (0.04, 0.12, 0.03)}
_SIZE = (0.064, 0.064, 0.12)
_KINDS: dict[str, PlaceKind] = {"trash can": "bin", "operator": "tray", "drawer": "drawer"}

Vector = NDArray[np.float64]


@dataclass
class _Thing:
    id: str
    name: str
    size: tuple[float, float, float]
    position: Vector
    yaw: float
    place: str | None


class KinematicKitchen:
    """Places on a ring around the origin, things on them, spills, and a drawer where the vocabulary has one.

    Args:
        vocabulary: Its nouns.
        objects: What stands where: object name or alias ("coke can", a second one "coke can 2") to place.
        spills: Places with a spill in their middle.

    Raises:
        SceneError: A spill on what is no surface.
        UnknownNameError: An object or a place that the vocabulary does not have.
    """

    def __init__(self, vocabulary: Vocabulary, objects: Mapping[str, str], spills: Iterable[str]) -> None:
        names = [noun.name for noun in vocabulary.places]
        self.places = {name: _place(name, index, len(names)) for index, name in enumerate(names)}
        self.opening = 0.0  # of the drawer, m
        self.held: _Thing | None = None
        self._grasp = np.zeros(3)  # the held thing's position and
        self._grasp_yaw = 0.0  # yaw as the hand sees them
        self.things: list[_Thing] = []
        for id, text in objects.items():
            self._stand(vocabulary, id, vocabulary.place(text))
        self.spills: dict[str, tuple[Vector, int]] = {}
        for text in spills:
            place = vocabulary.place(text)
            if self.places[place].kind != "surface":
                raise SceneError(f"no spill on the {place}; surfaces are: {', '.join(vocabulary.surfaces)}")
            cells = _spill(self.places[place])
            self.spills[place] = (cells, len(cells))

    def place_of(self, base: Vector) -> str | None:
        """The place before whose front edge a base pose (3,) stands, looking at it."""
        return next((name for name, place in self.places.items() if place.is_before(base)), None)

    def grip(self, hand: Vector, yaw: float, was: float, wanted: float) -> float:
        """The gripper goes from one opening to another; takes and releases. Returns where it comes to rest.

        Args:
            hand: (3,) point between the fingertips, map frame, m.
            yaw: Direction in which the fingers close, map frame, rad.
            was, wanted: Openings, 0 closed to 1 open.
        """
        if self.held is None and wanted < was:
            thing = min(self.things, key=lambda one: _distance(hand, one), default=None)
            if thing is not None and _distance(hand, thing) < 1.0 and wanted < _fraction(thing):
                self.held = thing
                self._grasp, self._grasp_yaw = _turned(thing.position - hand, -yaw), thing.yaw - yaw
        if self.held is None:
            return wanted
        if wanted <= _fraction(self.held) + 0.02:
            return _fraction(self.held)
        self._drop(self.held)
        self.held = None
        return wanted

    def carry(self, was: Vector, hand: Vector, yaw: float, gripper: float) -> Vector:
        """The hand moves; what it holds moves along. Returns where the hand really gets: nothing goes through a top."""
        drawer = self.places.get("drawer")
        if self.held is None:
            if drawer is not None and gripper < 0.35 and float(np.linalg.norm(was - self._handle(drawer))) < 0.05:
                self._slide(drawer, float((was - hand)[:2] @ _forward(drawer)))
            return hand
        thing = self.held
        thing.position, thing.yaw = hand + _turned(self._grasp, yaw), self._grasp_yaw + yaw
        below = self._top_under(thing)
        sunk = 0.0 if below is None else below[1] + 0.5 * thing.size[2] - float(thing.position[2])
        if sunk > 0.0:
            thing.position[2] += sunk
            hand = hand + np.array([0.0, 0.0, sunk])
        thing.place = None
        if below is not None and sunk > -0.03:
            thing.place = below[0]
        if below is not None and sunk > -0.002 and thing.name == "sponge":
            self._wipe(thing, below[0])
        return hand

    def state(
        self, base: Vector, hand: Vector, yaw: float, gripper: float, visited: tuple[str, ...]
    ) -> PrivilegedState:
        """A snapshot that later changes do not touch."""
        drawer = self.places.get("drawer")
        drawers: tuple[DrawerState, ...] = ()
        if drawer is not None:
            drawers = (DrawerState("drawer", self.opening, _TRAVEL, self._handle(drawer), -_forward(drawer)),)
        return PrivilegedState(
            objects=tuple(self._object(thing) for thing in self.things),
            places=dict(self.places),
            spills=tuple(SpillState(place, cells.copy(), total) for place, (cells, total) in self.spills.items()),
            drawers=drawers,
            base_pose=base.copy(),
            ee_position=hand.copy(),
            ee_yaw=yaw,
            gripper=gripper,
            gripper_width=GRIPPER_WIDTH,
            held=self.held.id if self.held else None,
            robot_place=self.place_of(base),
            visited=visited,
        )

    def _object(self, thing: _Thing) -> ObjectState:
        quaternion = np.array([math.cos(0.5 * thing.yaw), 0.0, 0.0, math.sin(0.5 * thing.yaw)])
        size, held = np.array(thing.size), thing is self.held
        return ObjectState(thing.id, thing.name, thing.position.copy(), quaternion, size, thing.place, held)

    def _stand(self, vocabulary: Vocabulary, id: str, where: str) -> None:
        name = vocabulary.object(id.rstrip(" 0123456789") or id)
        place = self.places[where]
        size = _SIZES.get(name, _SIZE)
        # Beside the middle, where a spill may be, and a hand's width apart.
        taken = sum(thing.place == where for thing in self.things)
        across = (1, -1)[taken % 2] * (0.18 + 0.15 * (taken // 2))
        if place.kind in ("bin", "drawer"):
            across = 0.0
        left = np.array([-_forward(place)[1], _forward(place)[0]])
        position = np.array([*(place.center[:2] + across * left), place.center[2] + 0.5 * size[2]])
        self.things.append(_Thing(id, name, size, position, float(place.dock[2]), where))

    def _top_under(self, thing: _Thing) -> tuple[str, float] | None:
        """Name and height of the top that a thing is over."""
        for place in self.places.values():
            across, deep = _across_and_deep(place, thing.position - place.center)
            if abs(across) <= place.half_size[0] and abs(deep) <= place.half_size[1]:
                return place.name, float(place.center[2])
        return None

    def _drop(self, thing: _Thing) -> None:
        below = self._top_under(thing)
        thing.place = below[0] if below else None
        thing.position = thing.position.copy()
        thing.position[2] = (below[1] if below else 0.0) + 0.5 * thing.size[2]

    def _wipe(self, sponge: _Thing, place: str) -> None:
        if place in self.spills:
            cells, total = self.spills[place]
            local = np.abs(_turned_all(cells[:, :2] - sponge.position[:2], -sponge.yaw))
            left = cells[~(local <= 0.5 * np.array(sponge.size[:2])).all(axis=1)]
            self.spills[place] = (left, total)

    def _handle(self, drawer: Place) -> Vector:
        front = drawer.dock[:2] + (_STANDOFF + 0.15 - self.opening) * _forward(drawer)
        return np.array([*front, _TOP])

    def _slide(self, drawer: Place, by: float) -> None:
        """Pull the drawer out; what lies in it comes along."""
        before = self.opening
        self.opening = min(max(before + by, 0.0), _TRAVEL)
        shift = np.array([*((before - self.opening) * _forward(drawer)), 0.0])
        self.places["drawer"] = Place(
            drawer.name, drawer.kind, drawer.dock, drawer.center + shift, drawer.half_size, drawer.rim
        )
        for thing in self.things:
            if thing.place == "drawer":
                thing.position = thing.position + shift


def _place(name: str, index: int, count: int) -> Place:
    angle = 2.0 * math.pi * index / count
    forward = np.array([math.cos(angle), math.sin(angle)])
    kind = _KINDS.get(name, "surface")
    dock = np.array([*((_RADIUS - _STANDOFF) * forward), angle])
    half = np.array([_HALF_ACROSS, _HALF_DEEP] if kind in ("surface", "tray") else [0.2, 0.15])
    height = {"bin": 0.1, "drawer": 0.5}.get(kind, _TOP)
    center = np.array([*((_RADIUS + 0.05 + half[1]) * forward), height])
    return Place(name, kind, dock, center, half, {"bin": 0.55, "drawer": 0.66}.get(kind, _TOP))


def _spill(place: Place) -> Vector:
    """(30, 3) a patch of cells in the middle of a surface."""
    grid = [(i, j) for i in np.arange(-2.5, 3.0) for j in np.arange(-2.0, 2.5)]
    flat = place.center[:2] + _CELL * _turned_all(np.array(grid), float(place.dock[2]))
    return np.column_stack([flat, np.full(len(flat), place.center[2])])


def _forward(place: Place) -> Vector:
    return np.array([math.cos(place.dock[2]), math.sin(place.dock[2])])


def _across_and_deep(place: Place, offset: Vector) -> tuple[float, float]:
    c, s = math.cos(place.dock[2]), math.sin(place.dock[2])
    return float(c * offset[1] - s * offset[0]), float(c * offset[0] + s * offset[1])


def _turned(vector: Vector, yaw: float) -> Vector:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([c * vector[0] - s * vector[1], s * vector[0] + c * vector[1], vector[2]])


def _turned_all(points: Vector, yaw: float) -> Vector:
    """(N, 2) points turned by a yaw."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.asarray(points @ np.array([[c, s], [-s, c]]))


def _fraction(thing: _Thing) -> float:
    """Opening at which the fingers touch it."""
    return min(min(thing.size[:2]) / GRIPPER_WIDTH, 0.95)


def _distance(hand: Vector, thing: _Thing) -> float:
    """Below 1 where the hand could take a thing: within 3 cm of its middle axis, and not above or below it."""
    sideways = math.hypot(hand[0] - thing.position[0], hand[1] - thing.position[1])
    upright = abs(float(hand[2] - thing.position[2])) / (0.5 * thing.size[2] + 0.01)
    return max(sideways / 0.03, upright)
