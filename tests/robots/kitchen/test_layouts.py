from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from saycan.errors import SceneError
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.clearance import CLEAR, problem
from saycan.robots.kitchen.layout import PLACES, Layout
from saycan.robots.kitchen.layouts import held_out, order_of, sample_layout
from saycan.robots.kitchen.scene import Scene, parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state

WORDS = "at table, spill on far counter, sponge on table, coke can on close counter, tea with operator, apple in drawer"


def draw(seed: int, held: bool = False) -> Layout:
    return sample_layout(np.random.default_rng(seed), held)


def with_place(name: str, front: tuple[float, float]) -> Layout:
    return Layout(tuple(replace(place, front=front) if place.name == name else place for place in PLACES.values()))


def test_the_standard_layout_keeps_the_rules() -> None:
    assert problem(PLACES) is None
    assert not held_out(PLACES)


@pytest.mark.parametrize(
    ("name", "front", "message"),
    [
        ("table", (1.65, 0.0), "the table stands in a wall"),
        ("table", (0.2, 1.3), "the close counter and the table stand in each other"),
        ("table", (-0.15, 0.0), "between close counter and far counter the table leaves -22 cm, of at least 16"),
        ("drawer", (0.86, 0.86), "between close counter and table the drawer leaves 5 cm"),
        ("operator", (-1.05, 0.0), "between trash can and operator the operator leaves 14 cm"),
        ("trash can", (-0.8, -0.8), "before the far counter the trash can leaves"),
    ],
)
def test_what_breaks_a_rule_is_said(name: str, front: tuple[float, float], message: str) -> None:
    assert message in str(problem(with_place(name, front)))


@pytest.mark.parametrize("held", [False, True])
def test_random_layouts_differ_and_are_of_the_side_that_was_asked_for(held: bool) -> None:
    layouts = [draw(seed, held) for seed in range(12)]
    assert {held_out(layout) for layout in layouts} == {held}
    assert len({order_of(layout) for layout in layouts}) > 5
    assert draw(3, held) == layouts[3]
    for name in PLACES:
        assert np.ptp([layout[name].dock[:2] for layout in layouts], axis=0).min() > 0.5


@pytest.mark.parametrize("seed", range(4))
def test_the_base_gets_from_dock_to_dock_past_the_open_drawer(seed: int) -> None:
    layout = draw(seed, held=bool(seed % 2))
    physics = Kitchen(Scene(layout=layout, drawer=1.0), cameras=())._physics
    model, data = physics.model, physics.data
    base = model.geom("base").id
    model.geom_size[base, 1], model.geom_pos[base, 2] = 0.35, 0.38  # as tall as what stands there
    robot = model.geom_contype == 2
    solid = np.flatnonzero((model.geom_contype == 1) & (model.geom_type != mujoco.mjtGeom.mjGEOM_PLANE) & ~robot)
    nearest = np.inf
    for one, other in itertools.combinations(layout.values(), 2):
        for share in np.linspace(0.0, 1.0, 7):
            data.qpos[:2] = (1.0 - share) * one.dock[:2] + share * other.dock[:2]
            mujoco.mj_kinematics(model, data)
            for geom in solid:
                nearest = min(nearest, mujoco.mj_geomDistance(model, data, base, int(geom), 0.5, None))
    assert nearest == pytest.approx(CLEAR, abs=2e-3)  # at the docks of the surfaces


def test_a_scene_carries_its_layout_everywhere() -> None:
    layout = draw(1, held=True)
    scene = replace(parse_scene(WORDS), layout=layout)
    kitchen = Kitchen(scene, cameras=())
    state = kitchen.privileged_state()
    assert state.robot_place == "table"
    assert state.visited == ("table",)
    np.testing.assert_allclose(state.base_pose, layout["table"].dock, atol=1e-3)
    assert {thing.id: thing.place for thing in state.objects} == {thing.id: thing.place for thing in scene.things}
    gap = state.by_id("coke can").position[:2] - layout["close counter"].front
    assert 0.0 < gap @ layout["close counter"].forward < layout["close counter"].depth
    spill = state.spill_at("far counter")
    assert spill is not None
    assert np.abs((spill.cells[:, :2] - layout["far counter"].center[:2]) @ layout["far counter"].left).max() < 0.5
    np.testing.assert_allclose(spill.cells[:, 2], layout["far counter"].height)
    for name, place in state.places.items():
        np.testing.assert_array_equal(place.dock, layout[name].dock)
        np.testing.assert_array_equal(symbolic_state(scene).places[name].dock, layout[name].dock)
    np.testing.assert_allclose(state.drawers[0].direction, -layout["drawer"].forward)


def test_the_robots_map_follows_the_scene_and_a_copy_does_not() -> None:
    kitchen = Kitchen("at table", cameras=())
    places = kitchen.spec.places
    copied = pickle.loads(pickle.dumps(places))
    kitchen.reset(Scene(layout=draw(2)))
    assert [*places] == [*PLACES]
    np.testing.assert_array_equal(places["table"].dock, draw(2)["table"].dock)
    np.testing.assert_array_equal(copied["table"].dock, PLACES["table"].dock)


def test_a_layout_needs_each_place_once() -> None:
    places = PLACES.places
    with pytest.raises(SceneError, match="each place once"):
        Layout((*places, places[0]))
    with pytest.raises(SceneError, match="the layout has no drawer"):
        Scene(layout=Layout(places[:-1]))
