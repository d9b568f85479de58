from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import MissingPartError, SceneError
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.oracle import OracleKitchen, PrivilegedOracle
from saycan.skills.kitchen import kitchen_library

LIBRARY = kitchen_library()
SCENE = "at table, coke can on table, apple on table, spill on close counter, sponge on table"


def perform(kitchen: OracleKitchen, *phrases: str) -> None:
    for phrase in phrases:
        assert kitchen.perform(LIBRARY.find(phrase)) is None, phrase


def test_what_is_done_is_to_be_seen() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    before = kitchen.observe().images["head"]
    perform(kitchen, "pick up the coke can", "place the coke can on the far counter", "find the apple")
    state = kitchen.privileged_state()
    assert {thing.id: thing.place for thing in state.objects} == {
        "coke can": "far counter", "apple": "table", "sponge": "table",
    }  # fmt: skip
    assert state.robot_place == "table" and state.visited == ("table", "far counter")
    after = kitchen.observe().images["head"]
    assert np.abs(after.astype(int) - before).max() > 50  # the can is gone


def test_what_nobody_touched_stays_where_it_was() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    before = kitchen.privileged_state().by_id("apple").position
    perform(kitchen, "pick up the coke can", "bring the coke can to the operator")
    assert np.abs(kitchen.privileged_state().by_id("apple").position - before).max() < 0.01


def test_wiping_and_drawers_take_effect() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    perform(kitchen, "pick up the sponge", "wipe the close counter with the sponge")
    assert kitchen.privileged_state().spill_at("close counter") is None
    perform(kitchen, "put down the sponge", "open the drawer")
    assert kitchen.privileged_state().drawers[0].opening > 0.2


def test_what_cannot_be_done_changes_nothing_and_says_why() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    assert "does not hold the tea" in str(kitchen.perform(LIBRARY.find("bring the tea to the operator")))
    assert kitchen.privileged_state().robot_place == "table"


def test_the_clock_goes_on_and_begins_anew_with_a_scene() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    oracle = PrivilegedOracle(kitchen)
    for phrase in ("pick up the apple", "put down the apple"):
        skill = LIBRARY.find(phrase)
        oracle.reset(skill)
        before = kitchen.observe()
        kitchen.apply(oracle.act(before, skill))
        after = kitchen.observe()
        assert after.time > before.time and oracle.detect(skill, before, after).success
    kitchen.reset("apple on table")
    assert kitchen.observe().time == 0.0 and kitchen.privileged_state().visited == ("operator",)


def test_a_reset_without_a_scene_is_the_first_one_and_one_that_fails_changes_nothing() -> None:
    kitchen = OracleKitchen(SCENE, seed=3)
    perform(kitchen, "pick up the apple")
    kitchen.observe()
    with pytest.raises(SceneError):
        kitchen.reset("unicorn on table")
    assert kitchen.privileged_state().held == "apple" and "table" in kitchen.privileged_state().visited
    kitchen.reset()
    state = kitchen.privileged_state()
    assert state.held is None and state.by_id("apple").place == "table" and kitchen.observe().time == 0.0


def test_the_same_seed_gives_the_same_pictures() -> None:
    pictures = []
    for _ in range(2):
        kitchen = OracleKitchen(SCENE, seed=5)
        perform(kitchen, "pick up the apple", "place the apple on the close counter")
        pictures.append(kitchen.observe().images["head"])
    assert np.array_equal(*pictures)


def test_another_robot_is_refused() -> None:
    with pytest.raises(MissingPartError, match="OracleKitchen"):
        PrivilegedOracle(Kitchen(SCENE))  # type: ignore[arg-type]
