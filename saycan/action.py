"""What a policy commands for one control period."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ACTION_SIZE = 11
GRIPPER, TERMINATE = 6, 10
"""Places in an action vector: hand 0 to 5, gripper, base 7 to 9, terminate."""


@dataclass(frozen=True, eq=False)
class Action:
    """End-effector delta, gripper, base delta and terminate, as in RT-1 (Brohan et al. 2022, arXiv:2212.06817).

    Everything is expressed in the robot's base frame and spans one control period. A delta of zero keeps the commanded
    pose where it is: `Action()` is "stand still, leave the gripper open".

    Attributes:
        ee_delta: (6,) float64, translation in m, then a rotation vector in rad (applied on the left: R' = exp(w) R).
        gripper: Commanded opening, 0 closed to 1 open.
        base_delta: (3,) float64, (forward m, left m, yaw rad).
        terminate: The policy says that its skill has ended, well or not; nothing moves in that period.
    """

    ee_delta: NDArray[np.float64]
    gripper: float
    base_delta: NDArray[np.float64]
    terminate: bool

    def __init__(
        self,
        ee_delta: ArrayLike = (0.0,) * 6,
        gripper: float = 1.0,
        base_delta: ArrayLike = (0.0,) * 3,
        terminate: bool = False,
    ) -> None:
        set_ = object.__setattr__
        set_(self, "ee_delta", _vector(ee_delta, 6, "ee_delta"))
        set_(self, "gripper", float(gripper))
        set_(self, "base_delta", _vector(base_delta, 3, "base_delta"))
        set_(self, "terminate", bool(terminate))

    def to_vector(self) -> NDArray[np.float64]:
        """(11,) float64: ee_delta 6, gripper 1, base_delta 3, terminate 1."""
        return np.concatenate([self.ee_delta, [self.gripper], self.base_delta, [float(self.terminate)]])

    @classmethod
    def from_vector(cls, vector: ArrayLike) -> Action:
        """The inverse of `to_vector`; terminate is true at 0.5 and above. Raises ValueError on another shape."""
        v = _vector(vector, ACTION_SIZE, "action vector")
        return cls(v[:GRIPPER], float(v[GRIPPER]), v[GRIPPER + 1 : TERMINATE], bool(v[TERMINATE] >= 0.5))

    def is_finite(self) -> bool:
        """Whether every number in it is finite."""
        return bool(np.isfinite(self.to_vector()).all())


def _vector(value: ArrayLike, size: int, name: str) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), found {array.shape}")
    array.flags.writeable = False
    return array
