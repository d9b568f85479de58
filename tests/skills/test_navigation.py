from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saycan.errors import PolicyError
from saycan.gate import Gate
from saycan.robots.kitchen import Kitchen
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.skills.navigation import MapDriver, drive_to
from tests.skills.data.builder import PLACES, make_observation

LIBRARY = kitchen_library()


@pytest.mark.parametrize(
    ("scene", "name"), [("at table, coke can in hand", "far counter"), ("at far counter", "trash can")]
)
def test_it_drives_to_the_dock_and_says_that_it_is_there(scene: str, name: str) -> None:
    kitchen = Kitchen(scene, seed=3, cameras=())
    gate, skill = Gate(kitchen), LIBRARY.find(f"go to the {name}")
    driver = MapDriver(gate.spec.places)
    driver.reset(skill)
    held = kitchen.privileged_state().held
    for _period in range(round(skill.seconds * gate.spec.rate)):
        action = driver.act(gate.observe(), skill)
        if action.terminate:
            break
        gate.apply(action)
    assert action.terminate
    state = kitchen.privileged_state()
    assert state.robot_place == name and state.held == held
    assert np.linalg.norm(state.base_pose[:2] - gate.spec.places[name].dock[:2]) < 0.04


def test_the_base_waits_until_the_hand_is_up_and_in() -> None:
    dock = PLACES["far counter"].dock
    low = replace(make_observation(), ee_position=np.array([0.6, 0.0, 0.8]))
    action = drive_to(low, dock)
    assert not action.base_delta.any()
    assert action.ee_delta[2] > 0.02 and action.ee_delta[0] == 0.0  # up first, then in
    assert np.linalg.norm(drive_to(replace(low, ee_position=np.array([0.47, 0.0, 1.14])), dock).base_delta[:2]) > 0.02


@pytest.mark.parametrize("yaw", [0.0, 1.0, np.pi, -2.0])
def test_it_drives_straight_at_the_dock_whatever_way_it_faces(yaw: float) -> None:
    seen = replace(make_observation((0.2, -0.3, yaw)), ee_position=np.array([0.47, 0.0, 1.14]))
    dock = PLACES["far counter"].dock
    forward, left, _ = drive_to(seen, dock).base_delta
    moved = np.array([np.cos(yaw) * forward - np.sin(yaw) * left, np.sin(yaw) * forward + np.cos(yaw) * left])
    way = dock[:2] - seen.base_pose[:2]
    assert moved / np.linalg.norm(moved) == pytest.approx(way / np.linalg.norm(way), abs=1e-6)


def test_it_turns_the_short_way_round() -> None:
    dock = np.array([0.0, 0.0, np.pi - 0.1])
    assert drive_to(make_observation((0.0, 0.0, -np.pi + 0.2)), dock).base_delta[2] < 0
    assert drive_to(make_observation((0.0, 0.0, np.pi - 0.6)), dock).base_delta[2] > 0
    assert drive_to(make_observation((0.0, 0.0, -np.pi - 0.11)), dock).terminate  # a whole turn is no turn


def test_what_is_in_the_fingers_stays_there() -> None:
    for opening, gripper in ((1.0, 1.0), (0.9, 0.0), (0.0, 0.0)):
        for dock in (PLACES["table"].dock, PLACES["far counter"].dock):
            assert drive_to(replace(make_observation(), gripper=opening), dock).gripper == gripper


def test_a_place_that_is_not_on_the_map_is_named() -> None:
    with pytest.raises(PolicyError, match=r"'moon' is not on the map; there is: table, far counter, trash can"):
        MapDriver(PLACES).reset(Skill("go to the moon", "go to", None, "moon"))
    with pytest.raises(PolicyError, match="specification has no map"):
        MapDriver({}).act(make_observation(), LIBRARY.find("go to the table"))
