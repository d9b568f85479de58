"""The furniture that a robot knows: where to stand for it, and where things go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PlaceKind = Literal["surface", "bin", "tray", "drawer"]


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
