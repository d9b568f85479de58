from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saycan.action import Action
from saycan.robot import Limits, RobotSpec
from saycan.skills.policies.scaling import Scaling

SPEC = RobotSpec("toy")
STATE = np.random.default_rng(0).normal(5.0, [1.0, 0.3, 1e-6], (500, 3)).astype(np.float32)
SCALING = Scaling.fit(SPEC, STATE)


def test_the_robots_limits_are_minus_one_and_one() -> None:
    low, high = SPEC.action_space
    np.testing.assert_allclose(SCALING.scale_actions(low.astype(np.float32)), -1)
    np.testing.assert_allclose(SCALING.scale_actions(high.astype(np.float32)), 1)
    still = SCALING.scale_actions(Action(gripper=0.5).to_vector().astype(np.float32))
    assert np.delete(still, 10) == pytest.approx(np.zeros(10)) and still[10] == -1  # it does not terminate


def test_scaling_back_gives_the_action_again() -> None:
    low, high = SPEC.action_space
    actions = np.random.default_rng(1).uniform(low, high, (50, 11)).astype(np.float32)
    np.testing.assert_allclose(SCALING.unscale_actions(SCALING.scale_actions(actions)), actions, atol=1e-6)
    assert SCALING.unscale_actions(SCALING.scale_actions(actions)).dtype == np.float64


def test_what_lies_beyond_the_limits_is_clipped() -> None:
    low, high = SPEC.action_space
    far = np.stack([3 * high + 1, 3 * low - 1]).astype(np.float32)
    np.testing.assert_array_equal(SCALING.scale_actions(far), [[1] * 11, [-1] * 11])


def test_a_base_that_cannot_move_stands_still() -> None:
    spec = replace(SPEC, limits=Limits(base_speed=0.0, base_turn=0.0))
    scaling = Scaling.fit(spec, STATE)
    action = Action([0.01] * 6, 0.3).to_vector().astype(np.float32)
    scaled = scaling.scale_actions(action)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaling.unscale_actions(scaled), action, atol=1e-6)
    assert not scaling.unscale_actions(np.ones(11, np.float32))[7:10].any()


def test_proprioception_gets_mean_zero_and_deviation_one() -> None:
    state = SCALING.standardise(STATE)
    assert state.dtype == np.float32
    assert state[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=0.01)
    assert state[:, :2].std(axis=0) == pytest.approx([1, 1], abs=0.02)
    assert np.abs(state[:, 2]).max() < 1e-3  # what hardly varies is not blown up
    odd = np.array([[100.0, -100.0, 5.0]], np.float32)
    assert SCALING.standardise(odd)[0, :2].tolist() == [5.0, -5.0]
