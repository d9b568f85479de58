"""What a robot does that has come to rest before its skill has ended.

A policy that is a function of what it sees does not move again where it has come to rest: a little beside the thing, a
little above the counter. A nudge in a random direction shows it another picture, from which it goes on; with every
nudge that did not help the next is larger, and in the end it gives up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saycan.observation import Observation

STILL = 0.0025
"""m a period, hand and base together, below which a robot stands still; 1 rad of the base counts as 0.5 m."""

GRIPPING = 0.01
"""Change of the fingers' opening a period from which they are moving."""

SMALLEST, LARGEST = 0.010, 0.025
"""m a period of the first nudge and of the largest."""


class Stall:
    """Watches one episode.

    Args:
        rest: Periods without movement after which the hand is nudged.
        length: Periods that a nudge lasts.
        nudges: How many nudges there are before it gives up.
        seed: Of their directions.
    """

    def __init__(self, rest: int = 6, length: int = 4, nudges: int = 7, seed: int = 0) -> None:
        self._rest, self._length, self._nudges, self._seed = rest, length, nudges, seed
        self.reset()

    def reset(self) -> None:
        """Forget the last episode."""
        self._rng = np.random.default_rng(self._seed)
        self._before: NDArray[np.float64] | None = None
        self._still = self._left = self._given = 0
        self._direction = np.zeros(3)

    @property
    def over(self) -> bool:
        """Whether to give up."""
        return self._given >= self._nudges and self._still >= self._rest

    def nudge(self, observation: Observation) -> NDArray[np.float64] | None:
        """To be called every period: (3,) how to move the hand now, base frame, m; None leaves it to the policy."""
        base = np.asarray(observation.base_pose, float)
        now = np.array([*observation.ee_position, *base[:2], 0.5 * base[2], observation.gripper])
        if self._before is not None:
            change = now - self._before
            moved = np.linalg.norm(change[:3]) + np.linalg.norm(change[3:6])
            self._still = self._still + 1 if moved < STILL and abs(change[-1]) < GRIPPING else 0
        self._before = now
        if self._left == 0 and self._still >= self._rest and self._given < self._nudges:
            size = SMALLEST + (LARGEST - SMALLEST) * self._given / max(self._nudges - 1, 1)
            direction = self._rng.normal(size=3)
            self._direction = size * direction / np.linalg.norm(direction)
            self._left, self._still, self._given = self._length, 0, self._given + 1
        if self._left == 0:
            return None
        self._left -= 1
        return self._direction
