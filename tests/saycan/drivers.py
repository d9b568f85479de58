"""A driver that does what it is told and remembers it, and what it is told."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from saycan.action import Action
from saycan.observation import Observation
from saycan.robot import Limits, RobotSpec

LIMITS = Limits(0.5, 1.5, 0.4, 1.0, (0.1, -0.5, 0.2), (0.9, 0.5, 1.4))


class Driver:
    def __init__(self, ee=(0.5, 0.0, 1.0), limits: Limits = LIMITS) -> None:
        self.spec = RobotSpec("driver", 10.0, limits, joints=2)
        self.ee, self.sent, self.holds, self.closed = np.array(ee, float), [], 0, 0
        self.broken = ""

    def observe(self) -> Observation:
        if self.broken == "observe":
            raise OSError("cable")
        return Observation(0.0, {}, np.zeros(2), 1.0, self.ee.copy(), np.array([1.0, 0, 0, 0]), np.zeros(3))

    def apply(self, action: Action) -> Action:
        if self.broken == "apply":
            raise OSError("cable")
        self.sent.append(action)
        self.ee = self.ee + action.ee_delta[:3]
        return action

    def hold(self) -> None:
        self.holds += 1
        if self.broken == "hold":
            raise OSError("cable")

    def close(self) -> None:
        self.closed += 1
        if self.broken == "close":
            raise OSError("cable")


numbers = st.floats(allow_nan=True, allow_infinity=True)
modest = st.floats(-3, 3)


def actions(of: st.SearchStrategy[float]) -> st.SearchStrategy[Action]:
    tuples = st.tuples(*[of] * 6), of, st.tuples(*[of] * 3), st.booleans()
    return st.tuples(*tuples).map(lambda parts: Action(*parts))
