"""Cameras that show nothing any more: frozen, black, or late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.observation import Observation
from saycan.robot import RobotSpec

DARK = 8
"""A picture without a brighter value is black."""

_FAR = 0.1  # m, or rad, that a simulated robot moves before a picture that stays the same is suspicious
_REACH = 0.25  # m, the same for its end effector alone: a head camera may look past the hand


@dataclass
class _Seen:
    """What a camera showed: since when the same, where the robot was then, and since when black."""

    picture: NDArray[np.uint8]
    since: float
    base: NDArray[np.float64]
    ee: NDArray[np.float64]
    dark_since: float | None


class CameraHealth:
    """Looks at the pictures of one robot after the other.

    A picture is frozen that is byte for byte the same for `spec.freshness.picture` seconds of the robot's clock: noise
    alone forbids that. Where there is none, as in a simulator, the robot must also have moved. It is black where no
    value reaches `DARK` for as long, and late where the robot says when it was taken (`Observation.image_times`).
    """

    def __init__(self, spec: RobotSpec) -> None:
        self._longest = spec.freshness.picture
        self._noisy = spec.freshness.noisy_pictures and not spec.simulated
        self._seen: dict[str, _Seen] = {}

    def problem(self, observation: Observation) -> str | None:
        """What is wrong with the newest pictures, in words; None when nothing is."""
        found = None
        for camera, picture in observation.images.items():
            found = self._problem(camera, picture, observation) or found
        return found

    def forget(self) -> None:
        """Begin anew: what was seen so far counts no more."""
        self._seen.clear()

    def _problem(self, camera: str, picture: NDArray[np.uint8], observation: Observation) -> str | None:
        now = observation.time
        taken = observation.image_times.get(camera)
        if taken is not None and now - taken > self._longest:
            return f"the newest picture of camera {camera!r} is {now - taken:.1f} s old"
        seen = self._seen.get(camera)
        dark = picture.size > 0 and int(picture.max()) < DARK
        if seen is None or now < seen.since or not np.array_equal(seen.picture, picture):
            since_dark = (now if seen is None or seen.dark_since is None else seen.dark_since) if dark else None
            seen = _Seen(picture, now, observation.base_pose, observation.ee_position, since_dark)
            self._seen[camera] = seen
        if seen.dark_since is not None and now - seen.dark_since > self._longest:
            return f"camera {camera!r} has been black for {now - seen.dark_since:.1f} s"
        if now - seen.since > self._longest and (self._noisy or self._has_moved(seen, observation)):
            return f"camera {camera!r} has shown the same picture for {now - seen.since:.1f} s"
        return None

    @staticmethod
    def _has_moved(seen: _Seen, observation: Observation) -> bool:
        base = float(np.abs(observation.base_pose - seen.base).max())
        return base > _FAR or float(np.linalg.norm(observation.ee_position - seen.ee)) > _REACH
