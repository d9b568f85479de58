"""The furniture that a robot knows: where to stand for it, and where things go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PlaceKind = Literal["surface", "bin", "tray", "drawer"]

_DEEP, _TURN = 0.15, np.radians(20.0)  # m and rad off the line of docks, within which a base stands before a place


@dataclass(frozen=True, eq=False)
class Place:
    """One place of a map, in the map frame (m, rad).

    A robot may know it (`RobotSpec.places`), as it knows its own link lengths: furniture stands still. What stands on
    it is not part of it.

    Attributes:
        name: Canonical name: "close counter".
        kind: A surface takes things and can be wiped; a bin, the operator's tray and a drawer take things.
        dock: (3,) float64, base pose (x, y, yaw) from which it is worked; yaw looks at the place.
        center: (3,) float64, middle of the rectangle on its surface (a bin's: its opening; a drawer's: its floor).
        half_size: (2,) float64, half extents of the rectangle across (left-right seen from the dock) and deep.
        rim: Height z that a carried thing must clear to get in; equals center z for surfaces.
    """

    name: str
    kind: PlaceKind
    dock: NDArray[np.float64]
    center: NDArray[np.float64]
    half_size: NDArray[np.float64]
    rim: float

    def is_before(self, base: NDArray[np.float64]) -> bool:
        """Whether a base pose (3,) stands before its front edge, anywhere along it, looking at it."""
        forward, left = (abs(float((base[:2] - self.dock[:2]) @ axis)) for axis in self._axes)
        turn = (base[2] - self.dock[2] + np.pi) % (2 * np.pi) - np.pi
        return bool(forward <= _DEEP and left <= self.half_size[0] and abs(turn) <= _TURN)

    @cached_property
    def _axes(self) -> NDArray[np.float64]:
        """(2, 2) unit vectors from the dock towards the place, and to the left."""
        cos, sin = np.cos(self.dock[2]), np.sin(self.dock[2])
        return np.array([[cos, sin], [-sin, cos]])
