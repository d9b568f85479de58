"""From actions to joint goals: where base, arm and gripper are to be, one control period after the other.

An action moves a reference pose of the end effector, not the measured one, so that a delta of zero holds the pose
without creeping. The reference is on a leash: it never runs further than a few centimetres ahead of the arm, so a
blocked arm pushes with a bounded force and follows at once when it is turned back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saycan.action import Action
from saycan.errors import BadInputError
from saycan.robots.arm import ArmKinematics, rotated, rotation_between

LEASH = 0.012  # m
LEASH_TURN = 0.12  # rad
LEASH_BASE = 0.05  # m


class Reference:
    """See the module.

    Args:
        kinematics: Of the arm.
        joint_step: (J,) rad, the farthest that each arm joint goes in one period.
        lag: m that the hand is measured behind on its way, beside `LEASH`: where commands and measurements take time.
        box: Low and high corner (3,) in m, base frame, of where the end effector's reference may go; from outside it
            may only go back in. By default everywhere: a gate in front of it counts from where the hand is measured,
            and lets the reference out by as much as the leash is long.

    Attributes:
        goal: (3 + J,) base (x m, y m, yaw rad, map frame) and arm joints (rad) at the end of the period.
        gripper: Commanded opening, 0 to 1.
    """

    def __init__(
        self,
        kinematics: ArmKinematics,
        joint_step: NDArray[np.float64],
        lag: float = 0.0,
        box: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
    ) -> None:
        self._kinematics, self._leash = kinematics, LEASH + lag
        self._low, self._high = box
        self._most = np.concatenate([np.full(3, np.inf), joint_step])
        self.goal, self.gripper = np.zeros(3 + len(joint_step)), 1.0

    def reset(self, base: NDArray[np.float64], joints: NDArray[np.float64], gripper: float) -> None:
        """Take what was measured as the reference."""
        self.goal = np.concatenate([base, joints])
        self._position, self._quaternion = self._kinematics.pose(joints)
        self.gripper = gripper

    @property
    def pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The end effector's reference: position (3,) m and quaternion (4,), base frame."""
        return self._position, self._quaternion

    def advance(self, base: NDArray[np.float64], joints: NDArray[np.float64], action: Action) -> NDArray[np.float64]:
        """The step (3 + J,) that leads to the new `goal`, from the base (3,) and joints (J,) that were measured."""
        start = self.goal
        if action.terminate:
            return np.zeros_like(start)
        yaw = base[2]
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        there = start[:3].copy()
        there[:2] = leashed(there[:2], base[:2], LEASH_BASE) + turn @ action.base_delta[:2]
        there[2] += action.base_delta[2]

        position, quaternion = self._kinematics.pose(joints)
        here = leashed(self._position, position, self._leash)
        low, high = np.minimum(here, self._low), np.maximum(here, self._high)
        self._position = np.clip(here + action.ee_delta[:3], low, high)
        self._quaternion = rotated(_leashed_rotation(self._quaternion, quaternion), action.ee_delta[3:])
        arm = self._kinematics.solve(start[3:], self._position, self._quaternion)
        return self.go(np.concatenate([there, arm]), action.gripper)

    def go(self, goal: NDArray[np.float64], gripper: float) -> NDArray[np.float64]:
        """The step (3 + J,) towards a base and joints that somebody else has reckoned."""
        step = np.clip(goal - self.goal, -self._most, self._most)
        self.goal, self.gripper = self.goal + step, gripper
        return step


def steps_of_period(rate: float, step: float) -> int:
    """How many physics steps of so many s are one control period at `rate` Hz. Raises BadInputError where none fit."""
    steps = 1.0 / (rate * step) if 0.0 < rate < np.inf else 0.0
    whole = round(steps)
    if whole < 1 or abs(steps - whole) > 0.01:
        fewer = max(1, int(steps))
        raise BadInputError(
            f"a control period is a whole number of physics steps of {step:g} s, found the rate {rate:g} Hz; the "
            f"nearest that are valid: {1.0 / ((fewer + 1) * step):g} and {1.0 / (fewer * step):g} Hz"
        )
    return whole


def leashed(reference: NDArray[np.float64], measured: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    """The reference, or where it goes farther than so many m from what was measured, that far towards it."""
    gap = reference - measured
    distance = float(np.linalg.norm(gap))
    return reference if distance <= length else measured + gap * (length / distance)


def _leashed_rotation(reference: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    gap = rotation_between(measured, reference)
    size = float(np.linalg.norm(gap))
    return reference if size <= LEASH_TURN else rotated(measured, gap * (LEASH_TURN / size))
