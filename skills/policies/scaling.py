"""Between actions in m and rad and actions in [-1, 1], and between raw and standardised proprioception."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.robot import RobotSpec

Vector = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scaling:
    """How a network's numbers are scaled.

    Attributes:
        low, high: (11,) action that -1 and 1 stand for.
        mean, scale: (P,) of proprioception.
    """

    low: Vector
    high: Vector
    mean: Vector
    scale: Vector

    @classmethod
    def fit(cls, spec: RobotSpec, state: NDArray[np.float32]) -> Scaling:
        """From a robot's limits and the rows (N, P) of a data set."""
        low, high = spec.action_space
        scale = np.maximum(state.std(axis=0), 0.02)  # what hardly varies must not be blown up
        return cls(low.astype(np.float32), high.astype(np.float32), state.mean(axis=0), scale.astype(np.float32))

    def scale_actions(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 11) to [-1, 1]; what lies beyond the limits is clipped."""
        span = np.where(self.high > self.low, self.high - self.low, 1)  # a fixed base does not move at all
        return np.asarray(np.clip(2 * (actions - self.low) / span - 1, -1, 1), np.float32)

    def unscale_actions(self, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
        """The inverse of `scale_actions`."""
        return np.asarray(self.low + (scaled + 1) / 2 * (self.high - self.low), np.float64)

    def standardise(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., P) to mean 0 and deviation 1, clipped to +-5: an odd joint angle must not drown everything else."""
        return np.asarray(np.clip((state - self.mean) / self.scale, -5, 5), np.float32)
