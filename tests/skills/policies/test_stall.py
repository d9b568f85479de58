from __future__ import annotations

from dataclasses import replace

import numpy as np

from saycan.skills.policies.stall import LARGEST, SMALLEST, Stall
from tests.skills.data.builder import make_observation

STANDING = make_observation()


def test_who_moves_is_left_alone() -> None:
    stall = Stall(rest=2)
    for period in range(20):
        moving = replace(STANDING, ee_position=STANDING.ee_position + [0.004 * period, 0, 0])
        assert stall.nudge(moving) is None
    assert not stall.over


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
    first = [stall.nudge(STANDING) for _ in range(3)]
    assert stall.over
    stall.reset()
    assert not stall.over
    again = [stall.nudge(STANDING) for _ in range(3)]
    np.testing.assert_array_equal(first[1], again[1])
