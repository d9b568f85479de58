"""A desk lamp as a robot for SayCan; its motors are only remembered here, where yours would be moved."""

from __future__ import annotations

import numpy as np

from saycan import Action, Observation, Robot, RobotSpec, Skill, ValueFunction
from saycan.adapters import as_value_function

HEIGHTS = {"look up": 0.6, "look ahead": 0.4, "look down": 0.2}


class Lamp:
    """A desk lamp of three joints."""

    spec = RobotSpec("lamp", rate=20.0, joints=3, simulated=True)

    def __init__(self) -> None:
        self.time, self.head = 0.0, np.array([0.2, 0.0, 0.4])  # s; m, in the lamp's own frame

    def observe(self) -> Observation:
        """No camera, no base."""
        upright = np.array([1.0, 0.0, 0.0, 0.0])
        return Observation(self.time, {}, np.zeros(3), 1.0, self.head.copy(), upright, np.zeros(3))

    def apply(self, action: Action) -> Action:
        """One period."""
        self.time, self.head = self.time + 1 / self.spec.rate, self.head + action.ee_delta[:3]
        return action

    def hold(self) -> None:
        """It stands still between two actions anyway."""

    def close(self) -> None:
        """Nothing to release."""


class LampPolicy:
    """Moves the lamp's head to the height that a phrase names."""

    def __init__(self, robot: Robot) -> None: ...

    def reset(self, skill: Skill) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, skill: Skill) -> Action:
        """A tenth of the way."""
        error = HEIGHTS[skill.phrase] - float(observation.ee_position[2])
        return Action([0.0, 0.0, 0.1 * error, 0.0, 0.0, 0.0], terminate=abs(error) < 0.01)


def lamp_values(robot: Robot) -> ValueFunction:
    """Looking where it looks already is of no use."""

    def value(observation: Observation, skill: Skill) -> float:
        height = HEIGHTS.get(skill.phrase)
        return 0.9 if height is None or abs(height - observation.ee_position[2]) > 0.02 else 0.05

    return as_value_function(value)
