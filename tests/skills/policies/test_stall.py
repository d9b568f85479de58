from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.skills.policies.stall import LARGEST, SMALLEST, Stall
from tests.skills.data.builder import make_observation

STANDING = make_observation()


def test_who_moves_is_left_alone() -> None:
    hand = Stall(rest=15)
    base = Stall(rest=15)
    for period in range(40):
        moving = replace(STANDING, ee_position=STANDING.ee_position + [0.004 * period, 0, 0])
        assert hand.nudge(moving) is None
        turning = replace(STANDING, base_pose=STANDING.base_pose + [0, 0, 0.008 * period])
        assert base.nudge(turning) is None
    assert not hand.over and not base.over


def test_who_goes_to_and_fro_gets_nowhere() -> None:
    stall = Stall(rest=15)
    given = []
    for period in range(40):
        to_and_fro = STANDING.ee_position + [0, 0.015 * (-1) ** period, 0]
        given.append(stall.nudge(replace(STANDING, ee_position=to_and_fro)))
    assert [period for period, nudge in enumerate(given) if nudge is not None] == [
        *range(15, 19), *range(31, 35)
    ]  # fmt: skip


def test_moving_fingers_are_movement() -> None:
    stall = Stall(rest=2)
    assert all(stall.nudge(replace(STANDING, gripper=0.05 * period)) is None for period in range(20))


def test_nudges_grow_and_last_and_end() -> None:
    stall = Stall(rest=3, length=2, nudges=3)
    given = []
    while not stall.over:
        given.append(stall.nudge(STANDING))
        assert len(given) < 40
    sizes = [float(np.linalg.norm(nudge)) for nudge in given if nudge is not None]
    middle = (SMALLEST + LARGEST) / 2
    np.testing.assert_allclose(sizes, [SMALLEST, SMALLEST, middle, middle, LARGEST, LARGEST])
    assert [nudge is None for nudge in given[:5]] == [True, True, True, False, False]
    assert stall.nudge(STANDING) is None  # nothing more


def test_a_reset_forgets_and_repeats() -> None:
    stall = Stall(rest=1, length=1, nudges=1)
    first = [stall.nudge(STANDING) for _ in range(4)]
    assert stall.over
    stall.reset()
    assert not stall.over
    again = [stall.nudge(STANDING) for _ in range(3)]
    np.testing.assert_array_equal(first[1], again[1])
