"""Disturbing an expert while it demonstrates, so that recoveries are in the data too.

DART (Laskey et al. 2017, arXiv:1703.09327): noise goes into the action that is carried out, the clean action is the
label. Here it is a mean-reverting random walk of each channel,

    n[t + 1] = (1 - theta) n[t] + sigma sqrt(2 theta) w,   w ~ N(0, 1),

and now and then a push: a constant velocity for some periods.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saycan.action import GRIPPER, TERMINATE, Action

THETA = 0.25
SIGMA = np.array([0.005, 0.005, 0.005, 0.008, 0.008, 0.03, 0.0, 0.004, 0.004, 0.010])
"""Standard deviation of each channel of an action at level 1, m and rad a period: ee 6, gripper, base 3."""

PUSH = np.array([0.03, 0.03, 0.03, 0.0, 0.0, 0.10, 0.0, 0.03, 0.03, 0.05])
"""Largest push of each channel, m and rad a period."""

PUSH_CHANCE, PUSH_PERIODS = 0.025, (3, 9)
GRIPPER_CHANCE = 0.002  # of opening or closing the fingers for some periods, against the expert's will


class Noise:
    """The disturbance of one episode.

    Args:
        level: 0 is none; multiplies `SIGMA` and the chance of a push.
        rng: Where the randomness comes from.
    """

    def __init__(self, level: float, rng: np.random.Generator) -> None:
        self._level, self._rng = level, rng
        self._walk = np.zeros(10)
        self._push, self._left = np.zeros(10), 0
        self._grip, self._grip_left = 0.0, 0

    def disturb(self, action: Action) -> Action:
        """The action to carry out instead; one that terminates stays as it is."""
        if action.terminate or self._level == 0.0:
            return action
        rng = self._rng
        self._walk = (1 - THETA) * self._walk + np.sqrt(2 * THETA) * self._level * SIGMA * rng.normal(size=10)
        if self._left == 0 and rng.random() < PUSH_CHANCE * self._level:
            self._left, self._push = int(rng.integers(*PUSH_PERIODS)), rng.uniform(-PUSH, PUSH)
        if self._grip_left == 0 and rng.random() < GRIPPER_CHANCE * self._level:
            self._grip_left, self._grip = int(rng.integers(2, 6)), float(rng.random() < 0.5)
        vector: NDArray[np.float64] = action.to_vector()
        vector[:TERMINATE] += self._walk
        if self._left:
            self._left -= 1
            vector[:TERMINATE] += self._push
        if self._grip_left:
            self._grip_left -= 1
            vector[GRIPPER] = self._grip
        vector[GRIPPER] = np.clip(vector[GRIPPER], 0.0, 1.0)
        return Action.from_vector(vector)
