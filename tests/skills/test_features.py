from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import BadInputError
from saycan.robots.kitchen.layout import PLACES as LAYOUT
from saycan.robots.kitchen.state import robot_place
from saycan.skill import Skill
from saycan.skills.experts.motion import to_base
from saycan.skills.features import (
    BODY,
    KINDS,
    PLACE,
    STATE,
    all_place_features,
    body_features,
    nearest,
    observation_rows,
    place_features,
    state_features,
)
from tests.skills.data.builder import GO, PICK, PLACES, TRASH, make_episode, make_observation, place


def quaternion(*rotations: tuple[int, float]) -> np.ndarray:
    """(w, x, y, z) of turns about axes, the last one done first."""
    w, v = 1.0, np.zeros(3)
    for axis, angle in rotations:
        a, b = np.cos(angle / 2), np.sin(angle / 2) * np.eye(3)[axis]
        w, v = w * a - v @ b, w * b + a * v + np.cross(v, b)
    return np.array([w, *v])


def body(turn: np.ndarray) -> np.ndarray:
    return body_features(np.zeros((1, 7)), [[1.0]], [[0.4, 0.0, 1.1]], [turn], [[0.0]])[0]


def test_the_hands_yaw_and_tilt_are_told_apart() -> None:
    for yaw in (-3.0, -0.4, 0.0, 1.2):
        found = body(quaternion((2, yaw)))
        assert found[11:15] == pytest.approx([np.cos(yaw), np.sin(yaw), np.cos(2 * yaw), np.sin(2 * yaw)], abs=1e-6)
        assert found[15:17] == pytest.approx([0, 0], abs=1e-6)
    leaning = body(quaternion((1, 0.2)))  # about the left axis: the hand's z axis leans forward
    assert leaning[15:17] == pytest.approx([np.sin(0.2), 0.0], abs=1e-6)
    assert body(quaternion((0, 0.2)))[15:17] == pytest.approx([0.0, -np.sin(0.2)], abs=1e-6)


@pytest.mark.parametrize("yaw", [0.0, 0.5 * np.pi, 2.0, -2.5])
def test_a_dock_is_given_in_the_frame_of_the_base(yaw: float) -> None:
    there = place("shelf", 1.3, -0.4, 0.7, "drawer")
    base = np.array([0.2, 0.5, yaw])
    found = place_features(base, there, named=True)
    ahead = to_base(base, np.array([*there.dock[:2], 0.0]))[:2]
    assert found.shape == (PLACE,) and found.dtype == np.float32
    assert found[:2] == pytest.approx(ahead, abs=1e-6)
    assert found[2:4] == pytest.approx(ahead / np.sqrt(0.04 + ahead @ ahead), abs=1e-6)
    assert found[4:6] == pytest.approx([np.cos(0.7 - yaw), np.sin(0.7 - yaw)], abs=1e-6)
    assert found[6:] == pytest.approx([0.8, 0.4, 0.25, *(float(kind == "drawer") for kind in KINDS), 1.0])


def test_ahead_is_ahead_and_left_is_left() -> None:
    west = np.array([0.0, 0.0, np.pi])
    assert place_features(west, place("shelf", -1.0, 0.0, 0.0), False)[:2] == pytest.approx([1.0, 0.0], abs=1e-6)
    assert place_features(west, place("shelf", 0.0, -1.0, 0.0), False)[:2] == pytest.approx([0.0, 1.0], abs=1e-6)
    rows = place_features(np.stack([west, west + 1]), PLACES["table"], False)
    assert rows.shape == (2, PLACE)
    assert (rows[0] == place_features(west, PLACES["table"], False)).all()


def test_where_the_robot_stands_is_what_the_simulator_says() -> None:
    rng = np.random.default_rng(0)
    agreed = {True: 0, False: 0}
    for _ in range(1500):
        dock = LAYOUT.map[[*LAYOUT.map][int(rng.integers(len(LAYOUT.map)))]].dock
        base = dock + rng.normal(size=3) * [0.12, 0.12, 0.2] + rng.integers(-1, 2) * np.array([0, 0, 2 * np.pi])
        expected = robot_place(base)
        found, stands = nearest(base, LAYOUT.map)
        assert stands == (expected is not None), base
        assert not stands or found.name == expected
        agreed[stands] += 1
    assert min(agreed.values()) > 200
    for one in LAYOUT.map.values():
        assert nearest(one.dock, LAYOUT.map) == (one, True)


def test_a_phrase_that_names_a_place_is_about_it_any_other_about_the_nearest() -> None:
    far = PLACES["far counter"].dock
    skills = (GO, PICK, TRASH, Skill("go to the moon", "go to", None, "moon"), GO)
    expected = [("table", True), ("far counter", False), ("trash can", True), ("far counter", False), ("table", True)]
    rows = np.stack([place_features(far, PLACES[name], named) for name, named in expected])
    np.testing.assert_array_equal(all_place_features(skills, far, PLACES), rows)


def test_rows_of_an_episode_are_body_and_place() -> None:
    episode = make_episode(length=6)
    rows = state_features(episode.observations, PICK, PLACES)
    assert rows.shape == (6, STATE) and BODY + PLACE == STATE
    assert rows[:, BODY - 1].tolist() == [float(nearest(b, PLACES)[1]) for b in episode.observations["base_pose"]]
    assert {*rows[:, BODY - 1].tolist()} == {0.0, 1.0}
    for row, base in enumerate(episode.observations["base_pose"]):
        np.testing.assert_array_equal(rows[row, BODY:], place_features(base, PLACES["table"], False))
    named = state_features(episode.observations, TRASH, PLACES)
    np.testing.assert_array_equal(named[:, :BODY], rows[:, :BODY])
    assert (named[:, -1] == 1).all() and not (rows[:, -1] == 1).any()


def test_live_observations_give_the_same_rows_as_recorded_ones() -> None:
    seen = [make_observation((0.3, 0.1, 0.2), seed=1), make_observation((1.0, 0.0, 0.0), seed=2)]
    rows = observation_rows(seen)
    assert {name: array.shape for name, array in rows.items()} == {
        "joints": (2, 7), "gripper": (2, 1), "ee_position": (2, 3), "ee_quaternion": (2, 4), "base_pose": (2, 3),
    }  # fmt: skip
    state = state_features(rows, GO, PLACES)
    assert state[1, :7] == pytest.approx(seen[1].joints) and state[1, BODY - 1] == 1.0


def test_without_a_map_nothing_is_said_about_places() -> None:
    episode = make_episode()
    rows = state_features(episode.observations, GO, {})
    assert rows.shape == (4, STATE) and not rows[:, BODY - 1 :].any()
    with pytest.raises(BadInputError, match="without a map"):
        nearest([0, 0, 0], {})
