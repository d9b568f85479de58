"""Driving to named places, by odometry and the map: the one skill that needs no eyes.

The hand goes up and in first, so that nothing that hangs in it sweeps over a counter; then the base goes straight to
the dock. Speeds are soft-limited as those of the demonstrators are (`saycan.skills.experts.motion`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.experts.motion import (
    BASE_STEP,
    BASE_TURN_STEP,
    CARRY,
    EE_STEP,
    EE_TURN_STEP,
    rotation,
    smoothstep,
    soft_step,
    tilt_of,
    wrap,
    yaw_of,
)

ARRIVED = 0.03  # m; 30 degrees count as 0.3 m
UP = 1.0  # m, of the end effector's point
EMPTY = 0.93
"""Opening from which nothing is taken to be in the fingers: the widest thing leaves them at 0.9."""


def drive_to(observation: Observation, dock: NDArray[np.float64]) -> Action:
    """The action of one control period towards a base pose (3,), map frame; terminates when it is there."""
    base = observation.base_pose
    turn = wrap(dock[2] - base[2])
    if float(np.hypot(np.linalg.norm(dock[:2] - base[:2]), 0.3 * turn / np.radians(30.0))) < ARRIVED:
        return Action(gripper=fingers(observation), terminate=True)
    clear = smoothstep(float(np.linalg.norm(CARRY - observation.ee_position)), 0.12, 0.04)
    step = np.zeros(3)
    step[:2] = rotation(-base[2]) @ soft_step(dock[:2] - base[:2], BASE_STEP)
    step[2] = soft_step(np.array([turn]), BASE_TURN_STEP)[0]
    return replace(raise_hand(observation), base_delta=step * clear)


def raise_hand(observation: Observation) -> Action:
    """The action of one control period that brings the hand up, then in, and leaves the base where it is."""
    hand = CARRY - observation.ee_position
    hand[:2] *= smoothstep(float(observation.ee_position[2]), CARRY[2] - 0.10, CARRY[2] - 0.03)
    level = soft_step(tilt_of(observation), EE_TURN_STEP)
    spin = soft_step(np.array([wrap(-yaw_of(observation), np.pi)]), EE_TURN_STEP)
    return Action(np.concatenate([soft_step(hand, EE_STEP), level, spin]), fingers(observation))


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
