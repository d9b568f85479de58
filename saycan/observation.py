"""What a robot perceives at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Observation:
    """Images and proprioception at one instant; nothing in it is privileged.

    Frames: `base` is the robot's base (x forward, y left, z up, origin on the floor), `map` is where odometry counts
    from. Quaternions are (w, x, y, z).

    Attributes:
        time: Seconds on the robot's own clock (simulated time in a simulator).
        images: Camera name to (H, W, 3) uint8 RGB.
        joints: (J,) float64, arm joint positions in rad.
        gripper: Opening as a fraction, 0 closed to 1 open.
        ee_position: (3,) float64, end effector in the base frame, m.
        ee_quaternion: (4,) float64, end effector in the base frame, (w, x, y, z).
        base_pose: (3,) float64, odometry (x m, y m, yaw rad) in the map frame; zeros on a fixed base.
        depths: Camera name to (H, W) float32 depth, m along the optical axis; inf is no return. Optional.
        image_times: Camera name to when its picture was taken, on the same clock as `time`. Optional.
    """

    time: float
    images: Mapping[str, NDArray[np.uint8]]
    joints: NDArray[np.float64]
    gripper: float
    ee_position: NDArray[np.float64]
    ee_quaternion: NDArray[np.float64]
    base_pose: NDArray[np.float64]
    depths: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    image_times: Mapping[str, float] = field(default_factory=dict)

    def proprioception(self) -> NDArray[np.float32]:
        """All that is not an image as one vector (J + 11,): joints, gripper, ee position, ee quaternion, base pose."""
        parts = (self.joints, [self.gripper], self.ee_position, self.ee_quaternion, self.base_pose)
        return np.concatenate([np.asarray(part, np.float32) for part in parts])
