"""What a robot does that gets nowhere before its skill has ended.

A policy that is a function of what it sees does not move again where it has come to rest: a little beside the thing, a
little above the counter. Nor does it get on where it is drawn to two sides in turn: over a spill with as much of it on
the left as on the right. A nudge in a random direction shows it another picture, from which it goes on; with every
nudge that did not help the next is larger, and in the end it gives up.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from saycan.observation import Observation

SPOT = 0.05
"""m: diagonal of a box around hand and base in which a robot gets nowhere; 1 rad of the base counts as 0.5 m."""

GRIPPING = 0.03
"""Change of the fingers' opening from which they are at work."""

SMALLEST, LARGEST = 0.015, 0.025
"""m a period of the first nudge and of the largest."""


class Stall:
    """Watches one episode.

    Args:
        rest: Periods on one spot after which the hand is nudged.
        length: Periods that a nudge lasts.
        nudges: How many nudges there are before it gives up.
        seed: Of their directions.
    """

    def __init__(self, rest: int = 15, length: int = 4, nudges: int = 7, seed: int = 0) -> None:
        self._rest, self._length, self._nudges, self._seed = rest, length, nudges, seed
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self._rng = np.random.default_rng(self._seed)
        self._trail: deque[NDArray[np.float64]] = deque(maxlen=self._rest + 1)
        self._left = self._given = 0
        self._direction = np.zeros(3)

    @property
    def over(self) -> bool:
        """Whether to give up."""
        return self._given >= self._nudges and self._on_the_spot()

    def nudge(self, observation: Observation) -> NDArray[np.float64] | None:
        """To be called every period: (3,) how to move the hand now, base frame, m; None leaves it to the policy."""
        x, y, yaw = observation.base_pose
        self._trail.append(np.array([*observation.ee_position, x, y, 0.5 * yaw, observation.gripper]))
        if self._left == 0 and self._given < self._nudges and self._on_the_spot():
            size = SMALLEST + (LARGEST - SMALLEST) * self._given / max(self._nudges - 1, 1)
            direction = self._rng.normal(size=3)
            self._direction = size * direction / np.linalg.norm(direction)
            self._left, self._given = self._length, self._given + 1
            self._trail.clear()
        if self._left == 0:
            return None
        self._left -= 1
        return self._direction

    def _on_the_spot(self) -> bool:
        if len(self._trail) <= self._rest:
            return False
        *spans, fingers = np.ptp(self._trail, axis=0)
        return float(np.linalg.norm(spans)) < SPOT and fingers < GRIPPING
