"""Every skill kind once, in physics; asserted on where things are afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.goals import parse
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.spill import CELL, pour
from saycan.skill import Skill
from saycan.skills.experts import CarelessExperts, PrivilegedExperts
from saycan.skills.experts.motion import soft_step, wrap, yaw_pull
from saycan.skills.experts.pick import CLEAR, bottom_of, grasp_of
from saycan.skills.experts.wipe import next_cells
from saycan.skills.kitchen import kitchen_library

LIBRARY = kitchen_library()

CASES = [
    ("with operator, apple on far counter", "find the apple", 'robot_at("far counter")'),
    ("with operator", "go to the table", 'robot_at("table")'),
    ("at table, coke can and pepsi can on table", "pick up the coke can", 'holding("coke can")'),
    ("at table, rice chips on table", "pick up the rice chips", 'holding("rice chips")'),
    ("at far counter, energy bar on far counter", "pick up the energy bar", 'holding("energy bar")'),
    ("at close counter, apple in hand, tea on table", "place the apple on the table", 'at("apple", "table")'),
    ("at table, water bottle in hand", "put down the water bottle", 'at("water bottle", "table")'),
    ("at close counter, orange in hand", "put the orange in the trash can", 'at("orange", "trash can")'),
    ("at far counter, tea in hand", "bring the tea to the operator", 'at("tea", "operator")'),
    ("sponge in hand, spill on close counter", "wipe the close counter with the sponge", 'clean("close counter")'),
    ("at table", "open the drawer", 'open("drawer")'),
    ("at drawer, drawer open", "close the drawer", 'closed("drawer")'),
    ("at table, sponge in hand, drawer open", "place the sponge in the drawer", 'at("sponge", "drawer")'),
]  # fmt: skip


def run(kitchen: Kitchen, phrase: str, noise: float = 0.0) -> list[Action]:
    skill, experts, actions = LIBRARY.find(phrase), PrivilegedExperts(kitchen), []
    rng = np.random.default_rng(0)
    for _ in range(round(skill.seconds * kitchen.spec.rate)):
        action = experts.act(kitchen.observe(), skill)
        actions.append(action)
        if action.terminate:
            return actions
        jolt = noise * rng.standard_normal(6) * [1, 1, 1, 3, 3, 3]
        kitchen.apply(Action(action.ee_delta + jolt, action.gripper, action.base_delta))
    raise AssertionError(f"{phrase!r} did not end in {skill.seconds} s")


@pytest.mark.parametrize(("scene", "phrase", "goal"), CASES, ids=[phrase for _, phrase, _ in CASES])
def test_does_what_its_phrase_says(scene: str, phrase: str, goal: str) -> None:
    kitchen = Kitchen(scene, seed=11, cameras=())
    assert not parse(goal).holds(kitchen.privileged_state())
    run(kitchen, phrase)
    assert parse(goal).holds(kitchen.privileged_state())


@pytest.mark.parametrize("seed", [0, 1, 6, 7])
def test_in_the_drawer_things_come_to_lie_beside_each_other(seed: int) -> None:
    kitchen = Kitchen("at drawer, drawer open, apple in hand, tea in drawer", seed=seed, cameras=())
    before = {thing.name: thing.position for thing in kitchen.privileged_state().objects}
    run(kitchen, "place the apple in the drawer")
    for _ in range(10):
        kitchen.apply(Action())
    for thing in kitchen.privileged_state().objects:
        assert thing.place == "drawer", thing.name
        assert thing.name == "apple" or np.linalg.norm(thing.position - before[thing.name]) < 0.02, thing.name


def test_the_careless_one_ends_with_a_part_undone_the_same_each_time() -> None:
    skill, left = LIBRARY.find("wipe the close counter with the sponge"), []
    for seed in (3, 4, 5, 3):
        kitchen = Kitchen("at close counter, sponge in hand, spill on close counter", seed=seed, cameras=())
        careless, began = CarelessExperts(kitchen), len(kitchen.privileged_state().spills[0].cells)
        careless.reset(skill)
        for _ in range(300):
            action = careless.act(kitchen.observe(), skill)
            if action.terminate:
                break
            kitchen.apply(action)
        state = kitchen.privileged_state()
        height = state.ee_position[2] - state.places["close counter"].center[2]
        assert action.terminate and height > 0.3  # drawn back, as after all of it
        left.append(sum(len(spill.cells) for spill in state.spills))
        assert left[-1] <= began
    assert max(left) > min(left) and left[0] == left[3]


def test_the_careless_one_does_everything_else_as_the_experts_do() -> None:
    kitchen = Kitchen("at table, coke can on table", cameras=())
    skill, careless = LIBRARY.find("pick up the coke can"), CarelessExperts(kitchen)
    careless.reset(skill)
    expected = PrivilegedExperts(kitchen).act(kitchen.observe(), skill)
    assert (careless.act(kitchen.observe(), skill).to_vector() == expected.to_vector()).all()


def test_a_short_gripper_takes_things_nearer_to_their_top() -> None:
    (can,) = Kitchen("at table, coke can on table", cameras=()).privileged_state().objects
    top = float(can.position[2] + 0.5 * can.size[2])
    assert top - grasp_of(can).point[2] == pytest.approx(0.0432, abs=1e-3)
    assert top - grasp_of(can, 0.039).point[2] == pytest.approx(0.033, abs=1e-3)


@pytest.mark.parametrize("thing", ["tea", "water bottle", "sponge"])
def test_what_is_picked_up_ends_clear_of_where_it_stood(thing: str) -> None:
    kitchen = Kitchen(f"at table, {thing} on table", seed=4, cameras=())
    run(kitchen, f"pick up the {thing}")
    state = kitchen.privileged_state()
    assert bottom_of(state.by_id(str(state.held))) > state.places["table"].rim + CLEAR - 0.005


def test_recovers_from_noise_on_its_actions() -> None:
    kitchen = Kitchen("at table, coke can, apple and sponge on table", seed=2, cameras=())
    run(kitchen, "pick up the sponge", noise=0.006)
    assert kitchen.privileged_state().held == "sponge"


def test_is_a_function_of_the_state_alone() -> None:
    kitchen = Kitchen("at table, coke can on table", cameras=())
    skill, used, fresh = LIBRARY.find("pick up the coke can"), PrivilegedExperts(kitchen), PrivilegedExperts(kitchen)
    for _ in range(12):
        observation = kitchen.observe()
        action = used.act(observation, skill)
        assert (action.to_vector() == fresh.act(observation, skill).to_vector()).all()
        kitchen.apply(action)


def test_its_commands_do_not_jump_on_the_way() -> None:
    kitchen = Kitchen("at table, coke can and tea on table", seed=4, cameras=())
    actions = run(kitchen, "pick up the coke can")[:-1]
    moves = np.array([action.ee_delta[:3] for action in actions])
    assert np.linalg.norm(moves, axis=1).max() <= 0.05
    assert np.linalg.norm(np.diff(moves, axis=0), axis=1).max() < 0.045  # from lowering to lifting is the most


def test_pulls_of_yaw_are_continuous_over_the_circle() -> None:
    for period in (np.pi, np.pi / 3):
        errors = np.linspace(-np.pi, np.pi, 20_001)
        pulls = np.array([yaw_pull(error, period) for error in errors])
        assert np.abs(np.diff(pulls)).max() < 0.02
        near = np.abs(errors) < 0.3 * period
        assert pulls[near] == pytest.approx(errors[near])


def test_steps_are_soft_limited() -> None:
    assert np.linalg.norm(soft_step(np.array([10.0, 0, 0]), 0.03)) == pytest.approx(0.03, rel=1e-3)
    assert soft_step(np.array([1e-4, 0, 0]), 0.03)[0] == pytest.approx(0.6e-4, rel=1e-3)
    assert wrap(3.5 * np.pi) == pytest.approx(-0.5 * np.pi)


def test_what_cannot_be_done_ends_at_once_and_drops_nothing() -> None:
    kitchen = Kitchen("at table, coke can in hand, apple on far counter", cameras=())
    for phrase in ("pick up the apple", "find the tea", "open the drawer", "wipe the table with the sponge"):
        assert len(run(kitchen, phrase)) <= 2
    assert kitchen.privileged_state().held == "coke can"


def test_finds_the_one_that_can_still_be_had() -> None:
    kitchen = Kitchen("at close counter, coke can with operator, another coke can on far counter", cameras=())
    run(kitchen, "find the coke can")
    assert kitchen.privileged_state().robot_place == "far counter"


def test_a_verb_without_an_expert_is_named() -> None:
    with pytest.raises(PolicyError, match="juggle"):
        PrivilegedExperts(Kitchen("nothing", cameras=())).reset(Skill("juggle the apples", "juggle"))


@pytest.mark.parametrize("yaw", [0.0, 0.5 * np.pi, 2.0])
def test_wiping_begins_near_the_robot_and_to_the_left(yaw: float) -> None:
    grid = np.array([(i, j, 0.0) for i in range(-4, 5) for j in range(-4, 5)]) * 0.025  # ahead and left
    turned = np.column_stack(
        [grid[:, :2] @ np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]]), grid[:, 2]]
    )
    cells = turned + [1.0, 2.0, 0.8]
    first = cells[np.flatnonzero((grid[:, 0] == -0.1) & (grid[:, 1] == 0.1))[0], :2]
    for sponge in cells[::7]:
        assert next_cells(cells, sponge, yaw) == pytest.approx(first, abs=0.015)


def test_halfway_between_looking_and_wiping_a_hand_goes_on_as_it_is_turned_whatever_is_below_it() -> None:
    kitchen = Kitchen("at close counter, sponge in hand, spill on close counter", seed=5, cameras=())
    skill = LIBRARY.find("wipe the close counter with the sponge")
    top = float(kitchen.spec.places["close counter"].center[2])
    (spill,), ways = kitchen.privileged_state().spills, []
    for _ in range(round(skill.seconds * kitchen.spec.rate)):
        state = kitchen.privileged_state()
        action = PrivilegedExperts(kitchen).act(kitchen.observe(), skill)
        if action.terminate:
            break
        if 0.10 < state.ee_position[2] - top < 0.20:
            under = replace(spill, cells=np.array([[*state.ee_position[:2], top]]))
            dirty, clean = (
                PrivilegedExperts.target(replace(state, spills=spills), skill).position for spills in ((under,), ())
            )
            assert dirty is not None and clean is not None
            assert (dirty[2] > state.ee_position[2]) == (clean[2] > state.ee_position[2])
            ways.append(bool(dirty[2] > state.ee_position[2]))
        kitchen.apply(action)
    assert ways == sorted(ways) and {*ways} == {False, True}  # down first, then up
    assert parse('clean("close counter")').holds(kitchen.privileged_state())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_wiping_what_is_next_over_and_over_comes_to_an_end(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = np.array([(i, j, 32.0) for i, j in pour(rng)]) * CELL
    sponge = np.array([*rng.uniform(-0.2, 0.2, 2), 0.8])
    for _ in range(400):
        reach = np.abs(cells[:, :2] - sponge[:2])
        cells = cells[(reach[:, 0] > 0.03) | (reach[:, 1] > 0.045)]
        if not len(cells):
            break
        to_do = next_cells(cells, sponge, 0.0) - sponge[:2]
        sponge[:2] += to_do * min(1.0, 0.03 / max(float(np.linalg.norm(to_do)), 1e-9))
    assert not len(cells)
