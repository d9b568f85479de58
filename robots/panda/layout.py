"""Where the Panda stands and what it works at, in m and rad.

The map frame is the frame of the base: x forward, y left, z up, origin on the floor. The arm is bolted to a pedestal in
it exactly where the kitchen's arm has its first joint, and the table stands as the kitchen's stands before its dock, so
that what was learned there finds its table here. The bin and the tray are beside it, since nothing can be driven to:

    trash can   y = 0.58
    (base)      table   x = 0.63
    operator    y = -0.58
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from saycan.place import Place

MOUNT = (0.10, 0.0, 0.62)
"""Where the Panda's own base link is, m."""

TABLE, BIN, TRAY = "table", "trash can", "operator"

BIN_FLOOR, BIN_WALL, TOP_THICKNESS = 0.03, 0.012, 0.04


def _place(name: str, kind: str, center: tuple[float, float, float], half_size: tuple[float, float]) -> Place:
    return Place(name, kind, np.zeros(3), np.array(center), np.array(half_size), center[2])  # type: ignore[arg-type]


PLACES: Mapping[str, Place] = {
    TABLE: _place(TABLE, "surface", (0.63, 0.0, 0.74), (0.42, 0.25)),
    BIN: _place(BIN, "bin", (0.36, 0.58, 0.72), (0.13, 0.13)),
    TRAY: _place(TRAY, "tray", (0.36, -0.58, 0.74), (0.13, 0.16)),
}
"""Every place by name; their docks are all where the base stands."""
