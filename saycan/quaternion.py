"""Unit quaternions (w, x, y, z), as observations give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rotation_matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) of a unit quaternion (4,); its columns are the turned frame's axes."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
