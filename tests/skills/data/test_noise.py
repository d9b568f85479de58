from __future__ import annotations

import numpy as np
import pytest

from saycan.action import Action
from saycan.skills.data import noise
from saycan.skills.data.noise import PUSH, SIGMA, Noise

ACTION = Action([0.01, 0.0, -0.02, 0.0, 0.0, 0.1], 0.5, [0.02, 0.0, 0.0])


def disturbances(level: float, count: int, seed: int = 0) -> np.ndarray:
    source = Noise(level, np.random.default_rng(seed))
    return np.array([source.disturb(ACTION).to_vector() - ACTION.to_vector() for _ in range(count)])


def test_level_zero_changes_nothing() -> None:
    assert not disturbances(0.0, 200).any()


def test_an_action_that_ends_the_skill_is_never_disturbed() -> None:
    source, end = Noise(5.0, np.random.default_rng(0)), Action(gripper=0.3, terminate=True)
    for _ in range(100):
        source.disturb(ACTION)
        assert (source.disturb(end).to_vector() == end.to_vector()).all()


def test_the_walk_has_the_stated_deviations_and_reverts_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "PUSH_CHANCE", 0.0)
    monkeypatch.setattr(noise, "GRIPPER_CHANCE", 0.0)
    walk = disturbances(1.0, 20_000)
    moved = SIGMA > 0
    assert walk[1000:, :10].std(axis=0)[moved] == pytest.approx(SIGMA[moved], rel=0.15)
    assert np.abs(walk[:, :10].mean(axis=0)[moved] / SIGMA[moved]).max() < 0.1
    assert not walk[:, 6].any() and not walk[:, 10].any()
    x = walk[:, 0]
    assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(1 - noise.THETA, abs=0.03)
    assert disturbances(2.0, 500) == pytest.approx(2 * disturbances(1.0, 500))


def test_a_push_is_a_constant_velocity_for_some_periods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "SIGMA", np.zeros(10))
    monkeypatch.setattr(noise, "GRIPPER_CHANCE", 0.0)
    pushes = disturbances(1.0, 2000)[:, :10]
    assert (np.abs(pushes) <= PUSH + 1e-12).all()
    changes = np.flatnonzero((np.diff(pushes, axis=0) != 0).any(axis=1)) + 1
    lengths = [len(part) for part in np.split(pushes, changes) if part.any()]
    assert len(lengths) > 10
    assert min(lengths) >= 3 and max(lengths) <= 8  # periods, of a constant push each


def test_the_gripper_stays_between_shut_and_open_and_is_sometimes_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "GRIPPER_CHANCE", 0.05)
    source = Noise(1.0, np.random.default_rng(0))
    grips = np.array([source.disturb(ACTION).gripper for _ in range(500)])
    assert {*grips.tolist()} == {0.0, 0.5, 1.0}


def test_the_same_numbers_give_the_same_noise() -> None:
    assert (disturbances(1.0, 100, seed=3) == disturbances(1.0, 100, seed=3)).all()
    assert not (disturbances(1.0, 100, seed=3) == disturbances(1.0, 100, seed=4)).all()
