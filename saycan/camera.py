"""The contract for a camera that is not part of a robot's driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One picture.

    Attributes:
        time: Seconds on the camera's clock.
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32 in m along the optical axis, inf where there is no return; None without depth.
        intrinsics: (3, 3) float64 pinhole matrix in pixels, or None when unknown.
    """

    time: float
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32] | None = None
    intrinsics: NDArray[np.float64] | None = None


@runtime_checkable
class Camera(Protocol):
    """A source of frames that a driver can put into its observations."""

    @property
    def name(self) -> str:
        """The key of its image in `Observation.images`."""
        ...

    def read(self) -> CameraFrame:
        """The newest frame. Raises RobotError when there is none within the camera's own time-out."""
        ...

    def close(self) -> None:
        """Release the device. Idempotent."""
        ...
