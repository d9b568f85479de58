"""The reference that runs ahead of an arm: where it may not go, and at which rates."""

from __future__ import annotations

import numpy as np
import pytest

from saycan.action import Action
from saycan.errors import BadInputError
from saycan.robots.kitchen.control import HOME, kitchen_arm
from saycan.robots.reference import LEASH, Reference, steps_of_period

ARM = kitchen_arm()
HERE = ARM.pose(HOME)[0]
BASE = np.zeros(3)


def reference(low: float, high: float) -> Reference:
    """At home, in a box that ends so many m to its right and its left."""
    made = Reference(ARM, np.full(7, 0.2), box=(HERE + [-1.0, low, -1.0], HERE + [1.0, high, 1.0]))
    made.reset(BASE, HOME, 1.0)
    return made


def test_an_arm_that_stays_behind_is_not_sent_out_of_the_box() -> None:
    for free, where in ((1.0, LEASH + 0.01), (0.015, 0.015)):
        ahead = reference(-1.0, free)
        for _ in range(5):
            ahead.advance(BASE, HOME, Action([0.0, 0.01, 0.0, 0, 0, 0]))
        assert ahead.pose[0][1] - HERE[1] == pytest.approx(where)
        assert ARM.pose(ahead.goal[3:])[0][1] - HERE[1] == pytest.approx(where, abs=1e-3)


def test_from_outside_the_box_it_only_goes_back_in() -> None:
    outside = reference(0.05, 0.1)
    outside.advance(BASE, HOME, Action([0.01, -0.01, 0.0, 0, 0, 0]))
    np.testing.assert_allclose(outside.pose[0] - HERE, [0.01, 0.0, 0.0], atol=1e-9)
    outside.advance(BASE, HOME, Action([0.0, 0.01, 0.0, 0, 0, 0]))
    assert outside.pose[0][1] - HERE[1] == pytest.approx(0.01)


def test_a_control_period_is_a_whole_number_of_physics_steps() -> None:
    assert [steps_of_period(rate, 0.004) for rate in (1, 10, 50, 250)] == [250, 25, 5, 1]
    assert [steps_of_period(rate, 1 / 240) for rate in (10, 30, 34.2857)] == [24, 8, 7]
    for rate, nearest in (
        (20.0, r"19\.2308 and 20\.8333"), (240.0, "125 and 250"), (1000.0, "125 and 250"), (0.0, "125 and 250"),
        (-10.0, "125 and 250"), (np.inf, "125 and 250"), (np.nan, "125 and 250"),
    ):  # fmt: skip
        with pytest.raises(BadInputError, match=rf"steps of 0\.004 s, found the rate .* valid: {nearest} Hz"):
            steps_of_period(rate, 0.004)
