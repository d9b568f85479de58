from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.action import Action
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.state import robot_place


@pytest.mark.parametrize("place", PLACES)
def test_the_robot_is_at_the_place_that_it_faces(place: str) -> None:
    layout = PLACES[place]
    aside = layout.dock + [*(0.1 * layout.left), np.radians(10)]
    assert robot_place(layout.dock) == place
    assert robot_place(aside) == place
    assert robot_place(layout.dock + [0, 0, np.pi]) is None
    assert robot_place(np.zeros(3)) is None


def test_things_are_where_the_scene_puts_them() -> None:
    scene = "coke can on table, apple on close counter, tea on far counter, orange in trash can, sponge with operator"
    state = Kitchen(scene, cameras=()).privileged_state()
    places = {thing.name: thing.place for thing in state.objects}
    assert places == {
        "coke can": "table",
        "apple": "close counter",
        "tea": "far counter",
        "orange": "trash can",
        "sponge": "operator",
    }


def test_the_inside_of_the_drawer_moves_with_it() -> None:
    shut = Kitchen("sponge in drawer", cameras=()).privileged_state()
    out = Kitchen("sponge in drawer, drawer open", cameras=()).privileged_state()
    assert shut.by_id("sponge").place == out.by_id("sponge").place == "drawer"
    assert out.drawers[0].opening == pytest.approx(out.drawers[0].travel, abs=0.005)
    moved = out.places["drawer"].center - shut.places["drawer"].center
    assert moved[:2] == pytest.approx(out.drawers[0].opening * out.drawers[0].direction, abs=0.005)
    assert out.drawers[0].handle[:2] == pytest.approx(
        shut.drawers[0].handle[:2] + out.drawers[0].opening * out.drawers[0].direction, abs=0.005
    )


@pytest.mark.parametrize("name", ["coke can", "redbull can", "tea", "orange", "rice chips", "sponge"])
def test_what_has_fallen_over_is_still_where_it_lies_however_it_has_rolled(name: str) -> None:
    for turn in np.linspace(0.0, np.pi, 7):
        kitchen = Kitchen(f"{name} on table", cameras=())
        physics = kitchen._physics
        start = int(physics.model.joint(name).qposadr[0])
        lying, rolled = np.array([np.cos(np.pi / 4), 0.0, np.sin(np.pi / 4), 0.0]), np.zeros(4)
        mujoco.mju_mulQuat(rolled, lying, np.array([np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)]))
        physics.data.qpos[start + 2] = kitchen.privileged_state().places["table"].rim + 0.07
        physics.data.qpos[start + 3 : start + 7] = rolled
        for _ in range(15):
            kitchen.apply(Action(gripper=1.0))
            thing = kitchen.privileged_state().by_id(name)
            assert thing.place == "table", (turn, thing.position)


def test_a_held_thing_is_at_no_place() -> None:
    thing = Kitchen("at table, apple in hand", cameras=()).privileged_state().by_id("apple")
    assert thing.held
    assert thing.place is None


def test_a_snapshot_is_not_changed_by_what_comes_after() -> None:
    kitchen = Kitchen("at table, apple in hand, spill on table", cameras=())
    before = kitchen.privileged_state()
    position, base = before.by_id("apple").position.copy(), before.base_pose.copy()
    for _ in range(5):
        kitchen.apply(Action(base_delta=[-0.04, 0, 0], gripper=0.0))
    assert (before.by_id("apple").position == position).all()
    assert (before.base_pose == base).all()
    assert not (kitchen.privileged_state().base_pose == base).all()
