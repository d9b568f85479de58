"""Driving to named places, by odometry and the map: the one skill that needs no eyes.

The hand goes up and in first, so that nothing that hangs in it sweeps over a counter; then the base goes straight to
the dock, as the demonstrators go (`saycan.skills.experts.motion.travel`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.experts.motion import arrived, base_towards, rotation, travel

UP = 1.0  # m, of the end effector's point
EMPTY = 0.93
"""Opening from which nothing is taken to be in the fingers: the widest thing leaves them at 0.9."""


def drive_to(observation: Observation, dock: NDArray[np.float64]) -> Action:
    """The action of one control period towards a base pose (3,), map frame; terminates when it is there."""
    base = observation.base_pose
    if arrived(base, dock):
        return Action(gripper=fingers(observation), terminate=True)
    step = base_towards(base, dock)
    step[:2] = rotation(-base[2]) @ step[:2]
    return travel(observation, step, fingers(observation))


def raise_hand(observation: Observation) -> Action:
    """The action of one control period that brings the hand up, then in, and leaves the base where it is."""
    return travel(observation, np.zeros(3), fingers(observation))


def fingers(observation: Observation) -> float:
    """The opening that keeps what is in them, if anything is."""
    return 1.0 if observation.gripper > EMPTY else 0.0


def hand_is_up(observation: Observation) -> bool:
    """Whether the hand is out of the cameras' way: lower, it hides from them what lies before the robot."""
    return float(observation.ee_position[2]) > UP


class MapDriver:
    """ "go to the PLACE" as a `saycan.Policy`.

    Args:
        places: The map (`RobotSpec.places`).
    """

    name = "map driver"

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def reset(self, skill: Skill) -> None:
        """Raises PolicyError for a place that is not on the map."""
        self._dock(skill)

    def act(self, observation: Observation, skill: Skill) -> Action:
        """One period towards the place's dock."""
        return drive_to(observation, self._dock(skill))

    def _dock(self, skill: Skill) -> NDArray[np.float64]:
        if skill.place is None or skill.place not in self._places:
            known = ", ".join(self._places) or "none: this robot's specification has no map"
            raise PolicyError(
                f"cannot drive for {skill.phrase!r}: {skill.place!r} is not on the map; there is: {known}"
            )
        return self._places[skill.place].dock
