from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import BadInputError, UnknownNameError
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.distribution import DISTRIBUTION, sample_scene
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.scene import Scene
from saycan.skill import Skill
from saycan.vocabulary import KITCHEN

SKILLS = {
    skill.verb: skill
    for skill in (
        Skill("find the apple", "find", "apple"),
        Skill("pick up the coke can", "pick up", "coke can"),
        Skill("put down the tea", "put down", "tea"),
        Skill("place the sponge on the table", "place", "sponge", "table"),
        Skill("put the orange in the trash can", "trash", "orange", "trash can"),
        Skill("bring the rice chips to the operator", "bring", "rice chips", "operator"),
        Skill("go to the table", "go to", place="table"),
        Skill("wipe the table with the sponge", "wipe", place="table"),
        Skill("open the drawer", "open", place="drawer"),
        Skill("close the drawer", "close", place="drawer"),
    )
}
SEEDS = range(60)


@pytest.fixture(params=SKILLS.values(), ids=SKILLS)
def drawn(request: pytest.FixtureRequest) -> tuple[Skill, list[Scene]]:
    return request.param, [sample_scene(request.param, seed) for seed in SEEDS]


def test_every_scene_can_be_built_and_has_three_to_eight_things(drawn) -> None:
    _, scenes = drawn
    for scene in scenes:
        place_objects(scene, np.random.default_rng(0))  # raises SceneError if not
    counts = {len(scene.things) for scene in scenes}
    assert counts == set(range(3, 9))


def test_the_skill_can_be_done_at_once(drawn) -> None:
    skill, scenes = drawn
    for scene in scenes:
        named = [thing for thing in scene.things if thing.name == skill.object]
        if skill.object is not None:
            assert len(named) == 1
        match skill.verb:
            case "find":
                assert named[0].place in KITCHEN.surfaces
                assert named[0].place != scene.start
            case "pick up":
                assert named[0].place == scene.start
                assert scene.start in KITCHEN.surfaces
                assert scene.in_hand is None
            case "put down":
                assert scene.in_hand == named[0]
                assert scene.start in KITCHEN.surfaces
            case "place" | "trash" | "bring":
                assert scene.in_hand == named[0]
            case "wipe":
                assert scene.in_hand is not None and scene.in_hand.name == "sponge"
                assert scene.spills == (skill.place,)
            case "go to":
                assert scene.start != skill.place
            case "open" | "close":
                assert scene.drawer == (1.0 if skill.verb == "close" else 0.0)
                assert scene.in_hand is None


def test_a_distractor_of_the_same_kind_stands_beside_the_thing_in_half_of_the_scenes() -> None:
    scenes = [sample_scene(SKILLS["pick up"], seed) for seed in range(400)]
    cans = [
        sum(thing.place == scene.start and OBJECTS[thing.name].kind == "can" for thing in scene.things)
        for scene in scenes
    ]
    assert set(cans) == {1, 2}
    assert np.mean(np.array(cans) == 2) == pytest.approx(0.5, abs=0.08)


def test_the_base_is_within_ten_centimetres_and_ten_degrees_of_its_dock(drawn) -> None:
    _, scenes = drawn
    gaps = np.array([scene.base - PLACES[scene.start].dock for scene in scenes])
    distances = np.linalg.norm(gaps[:, :2], axis=1)
    assert 0.07 < distances.max() <= 0.10
    assert np.radians(7) < np.abs(gaps[:, 2]).max() <= np.radians(10)


def test_the_same_seed_gives_the_same_scene_bit_for_bit(drawn) -> None:
    skill, scenes = drawn
    again = [sample_scene(skill, seed) for seed in SEEDS]
    assert again == scenes
    assert [place_objects(scene, np.random.default_rng(0)) for scene in again] == [
        place_objects(scene, np.random.default_rng(9)) for scene in scenes
    ]


def test_light_and_cameras_vary_within_their_ranges(drawn) -> None:
    _, scenes = drawn
    looks = [scene.appearance for scene in scenes]
    assert len({look.color_seed for look in looks}) == len(looks)
    for look in looks:
        assert np.linalg.norm(look.light) == pytest.approx(1.0)
        assert look.light[2] >= np.sin(np.radians(40.0)) - 1e-9
        assert np.abs(look.camera_shift).max() <= 0.010
        assert np.abs(look.camera_turn).max() <= np.radians(2.0)


def test_training_and_evaluation_share_no_seed_and_no_scene() -> None:
    (first, count), (other, _) = DISTRIBUTION.seeds["evaluation"], DISTRIBUTION.seeds["training"]
    assert first + count <= other
    skill = SKILLS["pick up"]
    evaluation = {sample_scene(skill, seed).describe() for seed in SEEDS}
    training = {sample_scene(skill, seed, "training").describe() for seed in SEEDS}
    assert not evaluation & training


def test_wrong_seeds_splits_and_verbs_are_refused() -> None:
    skill = SKILLS["pick up"]
    with pytest.raises(BadInputError, match="evaluation seeds go from 0"):
        sample_scene(skill, -1)
    with pytest.raises(BadInputError, match="evaluation seeds go from 0"):
        sample_scene(skill, 1_000_000)
    with pytest.raises(UnknownNameError, match="evaluation, training"):
        sample_scene(skill, 0, "test")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="unknown verb 'juggle'"):
        sample_scene(Skill("juggle the apple", "juggle", "apple"), 0)


def test_the_distribution_is_frozen() -> None:
    """Changing a number needs a new version: figures measured on the old one must stay readable."""
    assert DISTRIBUTION.version == 1
    scene = sample_scene(SKILLS["pick up"], 0)
    assert scene.describe() == FROZEN
    assert DISTRIBUTION.spacing.gap == 0.04
    assert DISTRIBUTION.spacing.edge == 0.03


FROZEN = (
    "at close counter, multigrain chips on table, jalapeno chips on close counter, kettle chips on table, "
    "pepsi can on close counter, coke can on close counter, energy bar on close counter, orange on table, "
    "apple on close counter"
)
