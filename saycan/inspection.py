"""What a robot says of itself, looked at before anybody acts on it."""

from __future__ import annotations

import math
import time
from numbers import Real

import numpy as np

from saycan.camera_health import CameraHealth
from saycan.observation import Observation
from saycan.robot import RobotSpec

_BEYOND = 0.02  # rad that a joint may be measured outside its limits, or farther out than it was already


class Inspection:
    """Looks at the observations of one robot, one after the other, and knows how old the newest is.

    Args:
        spec: The robot's.
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._spec, self._cameras = spec, CameraHealth(spec)
        self._seen: Observation | None = None
        self._seen_at = 0.0  # on the computer's clock, the newest
        self._new_at: float | None = None  # likewise, the newest with another time
        self._out = np.zeros(spec.joints)  # rad that each joint is outside its limits at most, or a problem
        self._applied = 0

    def problem(self, observation: Observation) -> str | None:
        """Why a robot that says this should be stopped, in words; None when it need not be.

        A clock that stands still, a camera that shows nothing new (`CameraHealth`), a joint outside its limits that was
        less far out, or not seen, before. From there it may go back in.
        """
        found = self._cameras.problem(observation) or self._stands_still(observation) or self._beyond(observation)
        self._seen, self._applied = observation, 0
        return found

    def applied(self) -> None:
        """An action has been carried out since."""
        self._applied += 1

    def age(self) -> float:
        """Seconds since the newest observation: control periods in a simulator; 0 before the first."""
        if self._seen is None:
            return 0.0
        return self._applied / self._spec.rate if self._spec.simulated else time.monotonic() - self._seen_at

    def forget(self) -> None:
        """Begin anew with pictures and clock. Where joints are, and how old the newest observation is, stays known."""
        self._cameras.forget()
        self._new_at = None

    def _stands_still(self, observation: Observation) -> str | None:
        now = time.monotonic()
        if self._seen is None or self._new_at is None or observation.time > self._seen.time:
            self._new_at = now
        self._seen_at = now
        still = now - self._new_at
        if self._spec.simulated or still <= self._spec.freshness.observation:
            return None
        return f"its observations have not changed their time for {still:.1f} s"

    def _beyond(self, observation: Observation) -> str | None:
        limits = self._spec.limits
        if not limits.joints_low:
            return None
        low, high = np.array(limits.joints_low), np.array(limits.joints_high)
        out = np.maximum(np.maximum(low - observation.joints, observation.joints - high), 0.0)
        farther = out > self._out + _BEYOND
        self._out = np.where(farther, out, np.minimum(self._out, out))
        for number in np.flatnonzero(farther):
            where, bounds = observation.joints[number], f"[{low[number]:g}, {high[number]:g}]"
            return f"joint {number} is at {where:.3f} rad, outside its limits {bounds}"
        return None


def find_problem(observation: Observation, spec: RobotSpec) -> str | None:
    """What is wrong with an observation under a specification, in words; None when nothing is."""
    if not isinstance(observation, Observation):
        return f"expected an Observation, found {type(observation).__name__}"
    vectors = (
        ("joints", observation.joints, spec.joints),
        ("ee_position", observation.ee_position, 3),
        ("ee_quaternion", observation.ee_quaternion, 4),
        ("base_pose", observation.base_pose, 3),
    )
    for name, vector, size in vectors:
        shape = getattr(vector, "shape", None)
        if shape != (size,):
            return f"{name} must be an array of shape ({size},), found {shape or type(vector).__name__}"
        if vector.dtype.kind not in "fiu":
            return f"{name} must hold numbers, found {vector.dtype}"
        if not all(map(math.isfinite, vector.tolist())):
            return f"{name} is not finite: {vector.tolist()}"
    for name, number in (("gripper", observation.gripper), ("time", observation.time)):
        if not (isinstance(number, Real) and math.isfinite(number)):
            return f"{name} must be a finite number, found {number!r}"
    for camera, full in spec.cameras.items():
        image = observation.images.get(camera)
        if image is None:
            return f"no image of camera {camera!r}; found {sorted(observation.images) or 'none'}"
        shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", type(image).__name__)
        if shape != tuple(full) or dtype != np.uint8:
            return f"image {camera!r} must be uint8 of shape {tuple(full)}, found {dtype} of shape {shape}"
    return None
