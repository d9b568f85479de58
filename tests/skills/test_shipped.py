"""The weights that lie in the package, in scenes of training's own seeds that no training drew."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from saycan.compose import default_detector, default_policy, default_values, sample_scene
from saycan.errors import PolicyError, ValueFunctionError
from saycan.executor import execute
from saycan.gate import Gate
from saycan.robots.kitchen import Kitchen
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.skills.shipped import WEIGHTS, fits, learned_policy, learned_values
from saycan.skills.values.learned import LEVEL, POINTLESS
from saycan.step import Outcome
from saycan.symbolic import precondition, shortfall

LIBRARY = kitchen_library()
FIRST = 950_000


def kitchen(skill: Skill, seed: int) -> Kitchen:
    return Kitchen(sample_scene(skill, FIRST + seed, "training"))


def test_they_are_small_and_hold_no_code() -> None:
    files = [file for file in WEIGHTS.iterdir() if file.suffix not in (".md", ".sh")]
    assert {file.suffix for file in files} == {".safetensors"}
    assert sum(file.stat().st_size for file in files) < 30e6


@pytest.mark.parametrize("phrase", ["pick up the apple", "place the sponge on the table", "open the drawer"])
def test_most_attempts_succeed_and_are_seen_to(phrase: str) -> None:
    skill, done, seen = LIBRARY.find(phrase), [], []
    for seed in range(4):
        robot = kitchen(skill, seed)
        before = robot.privileged_state()
        policy, detector = default_policy(robot), default_detector(robot)
        assert policy is not None and detector is not None
        episode = execute(Gate(robot), policy, skill, detector=detector)
        while True:
            try:
                next(episode)
            except StopIteration as end:
                step = end.value[0]
                break
        done.append(shortfall(robot.privileged_state(), skill, before) is None)
        seen.append((step.outcome is Outcome.SUCCEEDED) == done[-1])
        robot.close()
    assert sum(done) >= 3
    assert sum(seen) >= 3


def test_they_fit_the_kitchen_as_it_was_in_training_alone() -> None:
    assert fits(Kitchen())
    for other in (Kitchen(image_size=128), Kitchen(rate=25.0), Kitchen(cameras=("head",))):
        assert not fits(other)


def test_pictures_of_another_size_are_not_looked_at() -> None:
    skill = LIBRARY.find("pick up the apple")
    robot = Kitchen(sample_scene(skill, FIRST, "training"), image_size=32)
    policy, values = learned_policy(robot), learned_values(robot)
    policy.reset(skill)
    with pytest.raises(PolicyError, match="trained on pictures of 64 x 64 pixels, and the camera 'head' gives 32 x 32"):
        policy.act(robot.observe(), skill)
    with pytest.raises(ValueFunctionError, match="64 x 64 pixels, and the camera 'head' gives 32 x 32"):
        values.values(robot.observe(), [skill])
    with pytest.raises(PolicyError, match="needs a perception network to look for things"):
        policy.reset(LIBRARY.find("find the apple"))  # and what else there is of a policy of that size can be done
    robot.close()


def test_what_cannot_be_done_is_worth_little() -> None:
    skills = [skill for skill in LIBRARY if skill.verb not in ("go to", "find", "done")]
    can, cannot = [], []
    for seed in range(4):
        robot = kitchen(LIBRARY.find("pick up the coke can"), seed)
        values = default_values(robot)
        assert values is not None
        found = values.values(robot.observe(), skills)
        levels = np.array([LEVEL.get(skill.verb, 1.0) for skill in skills])
        state = robot.privileged_state()
        able = np.array([precondition(state, skill) is None for skill in skills])
        can += (found / levels)[able].tolist()
        cannot += (found / levels)[~able].tolist()
        robot.close()
    assert np.mean(can) > 0.6
    assert np.mean(cannot) < 0.15


def test_a_black_picture_is_not_trusted() -> None:
    skill = LIBRARY.find("pick up the apple")
    robot = kitchen(skill, 0)
    observation = robot.observe()
    values, detector = default_values(robot), default_detector(robot)
    assert values is not None and detector is not None
    (trusted,) = values.values(observation, [skill])
    dark = replace(observation, images={name: np.zeros_like(image) for name, image in observation.images.items()})
    (value,) = values.values(dark, [skill])
    assert value == POINTLESS < trusted
    detection = detector.detect(skill, observation, dark)
    assert not detection.success and "like none" in detection.message
    robot.close()


def test_a_robot_that_nobody_has_any_more_is_let_go_with_its_networks() -> None:
    robot = Gate(Kitchen("apple on table", seed=0))
    parts = [robot.driver, default_policy(robot), default_values(robot), default_detector(robot)]
    gone = [weakref.ref(part) for part in parts]
    robot.close()
    del robot, parts
    gc.collect()
    assert [ref() for ref in gone] == [None] * 4
