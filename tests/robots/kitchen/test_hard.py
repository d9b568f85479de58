from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from saycan.errors import BadInputError, UnknownNameError
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.distribution import sample_scene
from saycan.robots.kitchen.hard import hard_scene
from saycan.robots.kitchen.scene import Scene, Thing
from saycan.robots.kitchen.variation import sample_variation
from saycan.skill import Skill
from saycan.symbolic import precondition

SKILLS = (
    Skill("find the apple", "find", "apple"),
    Skill("pick up the coke can", "pick up", "coke can"),
    Skill("pick up the rice chips", "pick up", "rice chips"),
    Skill("put down the tea", "put down", "tea"),
    Skill("place the sponge on the table", "place", "sponge", "table"),
    Skill("place the apple in the drawer", "place", "apple", "drawer"),
    Skill("put the orange in the trash can", "trash", "orange", "trash can"),
    Skill("bring the rice chips to the operator", "bring", "rice chips", "operator"),
    Skill("go to the table", "go to", place="table"),
    Skill("wipe the table with the sponge", "wipe", place="table"),
    Skill("open the drawer", "open", place="drawer"),
    Skill("close the drawer", "close", place="drawer"),
)
PICK = SKILLS[1]


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.phrase)
def test_the_precondition_holds_in_the_world_that_was_built(skill: Skill) -> None:
    for seed in range(6):
        state = Kitchen(hard_scene(skill, seed), cameras=()).privileged_state()
        assert precondition(state, skill) is None, seed


def test_a_seed_gives_one_scene_of_its_split_and_it_is_not_the_frozen_one() -> None:
    for skill in SKILLS[1:4]:
        assert hard_scene(skill, 3) == hard_scene(skill, 3) == sample_variation(skill, 3, variation="hard")
        assert len({hard_scene(skill, 3), hard_scene(skill, 3, "training"), sample_scene(skill, 3)}) == 3
    with pytest.raises(BadInputError, match="evaluation seeds"):
        hard_scene(PICK, -1)
    with pytest.raises(UnknownNameError, match="split"):
        hard_scene(PICK, 0, "test")  # type: ignore[arg-type]


def test_things_lie_are_loaded_wedged_and_at_edges() -> None:
    found: Counter[str] = Counter()
    for seed in range(60):
        scene = hard_scene(PICK, seed)
        place = scene.layout[scene.start]
        target = next(thing for thing in scene.things if thing.id == "coke can")
        assert target.pose is not None
        at = np.array(target.pose[:2])
        others = [thing for thing in scene.things if thing.pose is not None and thing.id != target.id]
        gaps = [float(np.linalg.norm(at - thing.pose[:2])) for thing in others if thing.pose]
        found["lying"] += target.tilt != 0.0
        found["loaded"] += any(gap < 1e-6 for gap in gaps)
        found["wedged"] += len(gaps) >= 4 and max(gaps) < 0.17
        deep = float((at - place.front) @ place.forward)
        found["edge"] += deep < 0.03 or deep > place.depth - 0.07
    assert min(found[kind] for kind in ("lying", "loaded", "wedged", "edge")) >= 3
    assert found["wedged"] + found["loaded"] > 30


def test_what_lies_on_its_side_lies_on_its_side() -> None:
    scene = Scene((Thing("tea", "tea", "table", (1.6, 0.0, 0.74 + 0.033, 0.4), tilt=0.5 * np.pi),), start="table")
    thing = Kitchen(scene, cameras=()).privileged_state().by_id("tea")
    _, x, y, _ = thing.quaternion
    up = 1 - 2 * (x * x + y * y)
    assert abs(up) < 0.1
    assert thing.place == "table"
    assert thing.position[2] == pytest.approx(0.74 + 0.032, abs=0.006)
    (placement,) = place_objects(scene, np.random.default_rng(0)).placements
    assert placement.tilt == 0.5 * np.pi


def test_a_loose_grip_holds_less_of_the_thing() -> None:
    words = "at table, coke can in hand"
    firm = Kitchen(words, cameras=()).privileged_state()
    assert firm.held == "coke can"
    scenes = [hard_scene(SKILLS[3], seed) for seed in range(5)]
    for scene in scenes:
        assert scene.grip > 0.0
        state = Kitchen(scene, cameras=()).privileged_state()
        tea = state.by_id("tea")
        assert tea.held
        assert state.ee_position[2] > tea.position[2] + 0.5 * tea.size[2]  # the pads' middle is over its top
