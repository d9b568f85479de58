from __future__ import annotations

from dataclasses import fields, replace

import mujoco
import numpy as np
import pytest

from saycan.errors import BadInputError, UnknownNameError
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.color import difference, from_oklab, to_oklab
from saycan.robots.kitchen.distribution import sample_scene
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.layouts import held_out
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.scene import Scene, Thing, parse_scene
from saycan.robots.kitchen.variation import (
    FORWARD,
    HELD_OUT,
    HELD_OUT_HUES,
    VARIATIONS,
    resized,
    sample_variation,
    vary,
)
from saycan.skill import Skill

PICK = Skill("pick up the coke can", "pick up", "coke can")
SEEDS = range(12)


def scenes(name: str) -> list[Scene]:
    return [sample_variation(PICK, seed, variation=name) for seed in SEEDS]


def test_frozen_is_the_distribution_itself_and_a_seed_gives_one_scene() -> None:
    assert sample_variation(PICK, 3) == sample_scene(PICK, 3)
    for name in VARIATIONS:
        assert sample_variation(PICK, 3, variation=name) == sample_variation(PICK, 3, variation=name)
        assert sample_variation(PICK, 3, variation=name) != sample_variation(PICK, 4, variation=name)
    for name in VARIATIONS[:-1]:
        assert vary(sample_scene(PICK, 3), name, 0) != vary(sample_scene(PICK, 3), name, 1)


@pytest.mark.parametrize("name", HELD_OUT)
def test_only_what_is_named_changes(name: str) -> None:
    changes = {
        "camera": {"appearance"},
        "colors": {"models"},
        "sizes": {"models"},
        "kitchen": {"appearance", "layout"},
    }
    for seed, scene in zip(SEEDS, scenes(name), strict=True):
        before = sample_scene(PICK, seed)
        differing = {f.name for f in fields(Scene) if getattr(before, f.name) != getattr(scene, f.name)}
        assert differing == changes[name]
        assert before.describe() == scene.describe()


def axes(look: Appearance) -> np.ndarray:
    return np.array([*(np.abs(look.camera_shift) / 0.03), *(np.abs(np.degrees(look.camera_turn)) / 5.0)])


def test_evaluation_moves_the_cameras_farther_than_training_ever_does() -> None:
    training = np.array([axes(scene.appearance) for scene in scenes("wide")])
    evaluation = np.array([axes(scene.appearance) for scene in scenes("camera")])
    assert training.max() <= 1.0
    assert training.max(axis=0).min() > 0.5
    assert (evaluation[:, :3].max(axis=1) > 1.1).all()
    assert (evaluation[:, 3:].max(axis=1) > 1.05).all()


@pytest.mark.parametrize("name", ["camera", "wide"])
def test_no_camera_looks_at_the_inside_of_what_carries_it(name: str) -> None:
    model = Kitchen("at table", cameras=())._physics.model
    for camera, forward in zip(("head", "wrist"), FORWARD, strict=True):
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, model.camera(camera).quat)
        np.testing.assert_allclose(rotation.reshape(3, 3)[0], forward, atol=0.01)
    for scene in scenes(name)[:8]:
        observation = Kitchen(scene, image_size=16).observe()
        for camera, depth in observation.depths.items():
            assert (depth < 0.05).mean() < 0.1, (camera, scene.appearance)


def test_colours_differ_and_each_thing_is_still_most_like_itself() -> None:
    for name, low, high in (("colors", 0.11, 0.15), ("wide", 0.0, 0.05)):
        for scene in scenes(name):
            for model in scene.models:
                moved = difference(model.colors[0], OBJECTS[model.name].colors[0])
                assert low - 1e-9 <= moved <= high + 1e-9
                alike = [other for other in OBJECTS.values() if other.kind == model.kind]
                nearest = min(alike, key=lambda other: difference(model.colors[0], other.colors[0]))
                assert nearest.name == model.name


def test_every_thing_can_be_recoloured() -> None:
    names = [*OBJECTS]
    scene = Scene(tuple(Thing(name, name, ("table", "far counter")[index % 2]) for index, name in enumerate(names)))
    models = vary(scene, "colors", 5).models
    assert [model.name for model in models] == names
    for model in models:
        for one, other in zip(model.colors, OBJECTS[model.name].colors, strict=True):
            assert all(0.0 <= channel <= 1.0 for channel in one)
            assert one != other


def test_sizes_of_training_and_evaluation_do_not_meet() -> None:
    def factors(name: str) -> np.ndarray:
        return np.array([m.size[0] / OBJECTS[m.name].size[0] for scene in scenes(name) for m in scene.models])

    training, evaluation = factors("wide"), factors("sizes")
    assert np.abs(training - 1).max() <= 0.08 + 1e-9
    assert np.abs(evaluation - 1).min() >= 0.10 - 1e-9
    assert np.abs(evaluation - 1).max() <= 0.14 + 1e-9
    assert evaluation.min() < 0.9 and evaluation.max() > 1.1


@pytest.mark.parametrize("factor", [0.86, 1.14])
def test_the_hand_can_hold_everything_at_its_smallest_and_largest(factor: float) -> None:
    models = tuple(resized(model, factor) for model in OBJECTS.values())
    for model in models:
        assert min(model.size[:2]) < 0.08
        assert model.size[2] <= 0.21
        kitchen = Kitchen(replace(parse_scene(f"at table, {model.name} in hand"), models=models), cameras=())
        held = kitchen.privileged_state().by_id(model.name)
        assert held.held
        np.testing.assert_array_equal(held.size, model.size)


def test_the_unseen_kitchen_has_another_order_and_other_hues() -> None:
    def is_held_out(palette: Palette) -> list[bool]:
        colors = [getattr(palette, field.name) for field in fields(Palette)]
        tints = [to_oklab(color)[1:] for color in colors]
        hues = [np.degrees(np.arctan2(b, a)) % 360.0 for a, b in tints if np.hypot(a, b) > 0.03]
        return [any(low - 5 <= hue <= high + 5 for low, high in HELD_OUT_HUES) for hue in hues]

    unseen, seen = scenes("kitchen"), scenes("wide")
    assert all(held_out(scene.layout) for scene in unseen)
    assert not any(held_out(scene.layout) for scene in seen)
    assert (
        np.mean([x for scene in unseen for x in is_held_out(scene.appearance.palette)]) > 0.95
    )  # clipping may turn one
    assert np.mean([x for scene in seen for x in is_held_out(scene.appearance.palette)]) < 0.05
    assert not any(is_held_out(Palette()))


def test_a_palette_is_what_is_seen() -> None:
    pictures = []
    for palette in (Palette(), Palette(floor=(0.2, 0.2, 0.9), table_top=(0.9, 0.2, 0.9))):
        scene = replace(parse_scene("at table, tea on table"), appearance=Appearance(palette=palette))
        kitchen = Kitchen(scene, image_size=32)
        model = kitchen._physics.model
        np.testing.assert_allclose(model.geom("floor").rgba[:3], palette.floor, atol=1e-6)
        np.testing.assert_allclose(model.geom("table/top").rgba[:3], palette.table_top, atol=1e-6)
        pictures.append(kitchen.observe().images["head"])
    assert (pictures[0] != pictures[1]).mean() > 0.3


def test_what_stands_at_a_pose_keeps_it_in_another_layout() -> None:
    pose = (*(float(value) for value in PLACES["table"].point(0.1, 0.2)), 0.80, 0.3)
    scene = Scene((Thing("tea", "tea", "table", pose),), start="table", seed=0)
    moved = vary(scene, "kitchen", 2)
    place, new = moved.layout["table"], moved.things[0].pose
    assert new is not None
    np.testing.assert_allclose(new[:2], place.point(0.1, 0.2))
    assert new[2] - place.height == pytest.approx(0.80 - PLACES["table"].height)
    assert new[3] - place.yaw == pytest.approx(0.3)


def test_held_out_variations_are_refused_in_training() -> None:
    sample_variation(PICK, 0, "training", "wide")
    for name in HELD_OUT:
        with pytest.raises(BadInputError, match="held out of training"):
            sample_variation(PICK, 0, "training", name)
    with pytest.raises(UnknownNameError, match="camera, colors, sizes, kitchen, wide, fetch"):
        vary(sample_scene(PICK, 0), "weather", 0)


def test_oklab_and_back() -> None:
    np.testing.assert_allclose(to_oklab((1.0, 1.0, 1.0)), [1.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(to_oklab((1.0, 0.0, 0.0)), [0.628, 0.225, 0.126], atol=1e-3)  # Ottosson's own figures
    for color in ((0.2, 0.5, 0.9), (0.01, 0.99, 0.3), (0.0, 0.0, 0.0)):
        np.testing.assert_allclose(from_oklab(to_oklab(color)), color, atol=1e-6)


def test_half_of_the_wide_scenes_with_a_spill_begin_with_a_part_of_it() -> None:
    wipe = Skill("wipe the table with the sponge", "wipe", "sponge", "table")
    wide = [sample_variation(wipe, seed, "training", "wide") for seed in range(60)]
    begun = [scene for scene in wide if scene.wiped]
    assert 18 <= len(begun) <= 42
    cells = [len(place_objects(scene, np.random.default_rng(0)).spills[0].cells) for scene in begun]
    assert min(cells) <= 2 and max(cells) >= 12
    assert not any(sample_variation(wipe, seed, "training", "frozen").wiped for seed in range(10))
    assert not any(scene.wiped for scene in scenes("wide"))


def test_what_is_to_be_fetched_lies_before_the_robot_and_nothing_else_changes() -> None:
    wipe = Skill("wipe the table with the sponge", "wipe", "sponge", "table")
    starts = set()
    for seed in range(12):
        before, scene = sample_scene(wipe, seed, "training"), sample_variation(wipe, seed, "training", "fetch")
        assert before.in_hand is not None and scene.in_hand is None
        (sponge,) = (thing for thing in scene.things if thing.id == before.in_hand.id)
        assert sponge.place == scene.start
        assert [thing for thing in scene.things if thing.id != sponge.id] == [
            thing for thing in before.things if thing.id != sponge.id
        ]
        assert replace(scene, things=before.things, start=before.start) == before
        place_objects(scene, np.random.default_rng(0))  # it fits
        starts.add(scene.start)
    assert starts == {"table", "far counter", "close counter"}
    assert sample_variation(PICK, 3, "training", "fetch") == sample_scene(PICK, 3, "training")
