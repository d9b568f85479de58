"""Where the furniture of the mock kitchen stands, in m and rad, in the map frame.

The free floor in the middle is convex: every dock lies in it, and a straight line between two docks keeps the base
0.16 m clear of all furniture, also with the drawer open. So driving needs no path planner; other layouts keep that rule
(`saycan.robots.kitchen.clearance`). It is tighter from the ends
of the close counter and of the table, where the base may stand too: between these two, an open drawer can be grazed.

           close counter
    .                        drawer
    operator    (0, 0)       table
    trash can
           far counter
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError
from saycan.place import Place, PlaceKind

STANDOFF = 0.38
"""Distance from the base's centre to the front edge of what it works at."""

DRAWER_TRAVEL = 0.22
HANDLE_OFFSET = 0.06  # from the drawer's front panel to the handle bar
HANDLE_HEIGHT = 0.73


@dataclass(frozen=True)
class PlaceLayout:
    """One place, by the middle of its front edge.

    Attributes:
        name, kind: As in `saycan.privileged.Place`.
        front: (x, y), middle of the front edge.
        yaw: Direction from the dock towards the place.
        half_across, depth: Half the width along the front edge, and the full depth behind it.
        height: Height of the top (a bin's rim, a drawer cabinet's top).
        standoff: Distance from the dock to the front edge.
    """

    name: str
    kind: PlaceKind
    front: tuple[float, float]
    yaw: float
    half_across: float
    depth: float
    height: float
    standoff: float = STANDOFF

    @cached_property
    def forward(self) -> NDArray[np.float64]:
        """(2,) unit vector from the dock towards the place."""
        return _constant(np.cos(self.yaw), np.sin(self.yaw))

    @cached_property
    def left(self) -> NDArray[np.float64]:
        """(2,) unit vector to the left, seen from the dock."""
        return _constant(-np.sin(self.yaw), np.cos(self.yaw))

    @cached_property
    def dock(self) -> NDArray[np.float64]:
        """(3,) base pose (x, y, yaw)."""
        return _constant(*(np.array(self.front) - self.standoff * self.forward), self.yaw)

    @cached_property
    def center(self) -> NDArray[np.float64]:
        """(3,) middle of the top."""
        return _constant(*(np.array(self.front) + 0.5 * self.depth * self.forward), self.height)

    def point(self, across: float, deep: float) -> NDArray[np.float64]:
        """(2,) map position `across` m to the left of the middle and `deep` m behind the front edge."""
        return np.asarray(self.front + across * self.left + deep * self.forward)


def _constant(*values: float) -> NDArray[np.float64]:
    """An array that is shared and so must not be written to."""
    array = np.array(values)
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Layout(Mapping[str, PlaceLayout]):
    """All furniture of one kitchen: place name to `PlaceLayout`, a value that can be compared and hashed.

    Args:
        places: One `PlaceLayout` for each place of the kitchen, in the order in which things are put on them.

    Raises:
        SceneError: Two places of one name.
    """

    places: tuple[PlaceLayout, ...]

    def __post_init__(self) -> None:
        if len(self._by_name) != len(self.places):
            names = ", ".join(place.name for place in self.places)
            raise SceneError(f"a layout names each place once, found: {names}")

    def __getitem__(self, name: str) -> PlaceLayout:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def map(self) -> dict[str, Place]:
        """Every place of a robot's map, the drawer still without its inside; shared, so not to be changed."""
        return {
            place.name: Place(
                place.name, place.kind, place.dock, place.center,
                _constant(place.half_across, 0.5 * place.depth), place.height,
            )
            for place in self.places
        }  # fmt: skip

    @cached_property
    def _by_name(self) -> dict[str, PlaceLayout]:
        return {place.name: place for place in self.places}


_DIAGONAL = float(np.sqrt(0.5))

PLACES = Layout(
    (
        PlaceLayout("close counter", "surface", (0.0, 1.25), np.pi / 2, 0.60, 0.50, 0.80),
        PlaceLayout("far counter", "surface", (0.0, -1.25), -np.pi / 2, 0.60, 0.50, 0.80),
        PlaceLayout("table", "surface", (1.35, 0.0), 0.0, 0.50, 0.50, 0.74),
        PlaceLayout("trash can", "bin", (-1.01, -1.01), -0.75 * np.pi, 0.20, 0.40, 0.55, 0.42),
        PlaceLayout("operator", "tray", (-1.35, 0.0), np.pi, 0.35, 0.40, 0.76),
        PlaceLayout("drawer", "drawer", (1.0, 1.0), 0.25 * np.pi, 0.25, 0.45, 0.70, 0.58 / _DIAGONAL),
    )
)
"""The standard layout: every place by name."""
