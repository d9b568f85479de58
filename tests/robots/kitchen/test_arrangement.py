from __future__ import annotations

import itertools

import mujoco
import numpy as np
import pytest

from saycan.errors import SceneError
from saycan.robots.kitchen.arrangement import Arrangement, Placement, place_objects
from saycan.robots.kitchen.layout import DRAWER_TRAVEL, PLACES
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.scene import Scene, Thing, parse_scene

CROWDED = (
    "two cokes, tea, kettle chips, apple and sponge on table, spill on table, rice chips and redbull on far counter"
)


def arrange(words: str, seed: int = 0) -> Arrangement:
    return place_objects(parse_scene(words), np.random.default_rng(seed))


def across_and_deep(thing: Placement, place: str) -> np.ndarray:
    layout = PLACES[place]
    offset = np.array(thing.position[:2]) - layout.front
    return np.array([offset @ layout.left, offset @ layout.forward])


@pytest.mark.parametrize("seed", range(30))
def test_things_keep_their_distance_from_edges_and_from_each_other_and_from_a_spill(seed: int) -> None:
    scene, arrangement = parse_scene(CROWDED), arrange(CROWDED, seed)
    where = {thing.id: thing.place for thing in scene.things}
    (spill,) = arrangement.spills
    for thing in arrangement.placements:
        layout, radius = PLACES[where[thing.id]], OBJECTS[thing.name].radius
        across, deep = across_and_deep(thing, layout.name)
        assert abs(across) <= min(0.45, layout.half_across - 0.03) - radius + 1e-9
        assert 0.05 + radius - 1e-9 <= deep <= min(0.40, layout.depth - 0.03 - radius) + 1e-9
        assert 0.0 <= thing.position[2] - 0.5 * OBJECTS[thing.name].size[2] - layout.height <= 0.003
        if layout.name == "table":
            gaps = np.linalg.norm(spill.centers()[:, :2] - thing.position[:2], axis=1)
            assert gaps.min() >= radius + 0.04
    for one, other in itertools.combinations(arrangement.placements, 2):
        apart = np.linalg.norm(np.subtract(one.position[:2], other.position[:2]))
        assert apart >= OBJECTS[one.name].radius + OBJECTS[other.name].radius + 0.04 - 1e-9


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    assert arrange(CROWDED, 3) == arrange(CROWDED, 3)
    assert arrange(CROWDED, 3) != arrange(CROWDED, 4)


def test_a_scenes_own_seed_comes_first() -> None:
    scene = Scene((Thing("apple", "apple", "table"),), seed=5)
    assert place_objects(scene, np.random.default_rng(0)) == place_objects(scene, np.random.default_rng(1))


def test_yaw_covers_the_whole_circle() -> None:
    yaws = [arrange("tea on table", seed).placements[0].yaw for seed in range(60)]
    assert np.histogram(yaws, bins=6, range=(-np.pi, np.pi))[0].min() > 0


def test_a_pose_that_is_named_is_kept_and_kept_free() -> None:
    pose = (*PLACES["table"].point(0.0, 0.25), 0.80, 0.3)
    scene = Scene((Thing("apple", "apple", "table"), Thing("tea", "tea", "table", pose)))
    for seed in range(10):
        apple, tea = place_objects(scene, np.random.default_rng(seed)).placements
        assert (*tea.position, tea.yaw) == pytest.approx(pose)
        gap = OBJECTS["apple"].radius + OBJECTS["tea"].radius + 0.04
        assert np.linalg.norm(np.subtract(apple.position[:2], tea.position[:2])) >= gap - 1e-9


def test_hand_drawer_and_base_are_passed_on() -> None:
    arrangement = arrange("at table, tea in hand, drawer half open, apple in drawer")
    assert arrangement.in_hand == ("tea", "tea")
    assert arrangement.drawer == pytest.approx(0.5 * DRAWER_TRAVEL)
    np.testing.assert_allclose(arrangement.base, PLACES["table"].dock)
    assert [thing.id for thing in arrangement.placements] == ["apple"]


def test_what_does_not_fit_is_said_with_how_many_did() -> None:
    with pytest.raises(SceneError, match=r"3 things do not fit at the drawer: 2 did"):
        arrange("three rice chips in the drawer")


@pytest.mark.parametrize("place", ["table", "operator", "drawer", "trash can"])
def test_everything_comes_to_rest_where_it_was_put(build_world, place: str) -> None:
    for seed in range(5):
        model, data, arrangement = build_world(f"coke can and apple on {place}, drawer open", seed)
        mujoco.mj_step(model, data, nstep=250)
        for thing in arrangement.placements:
            assert np.linalg.norm(data.body(thing.id).xpos - thing.position) < 0.005
