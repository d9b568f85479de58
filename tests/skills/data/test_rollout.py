from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from saycan.action import Action
from saycan.compose import sample_scene
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.privileged import PrivilegedState
from saycan.robots.fake import FakeRobot
from saycan.robots.kitchen import Kitchen
from saycan.skill import Skill
from saycan.skills.data.episode import Episode
from saycan.skills.data.noise import Noise
from saycan.skills.data.rollout import PATIENCE, Turns, roll_out
from saycan.skills.kitchen import kitchen_library
from saycan.symbolic import precondition, shortfall
from tests.skills.data.builder import make_observation

LIBRARY = kitchen_library()
SKILLS = tuple(skill for skill in LIBRARY if skill.verb != "done")
GO, FIND, PICK = (LIBRARY.find(phrase) for phrase in ("go to the table", "find the apple", "pick up the sponge"))


def attempt(skill: Skill, level: float = 0.0, robot: FakeRobot | None = None, **options: object) -> Episode:
    noise = Noise(level, np.random.default_rng(0))
    return roll_out(Gate(robot or FakeRobot(image_size=16)), skill, SKILLS, noise=noise, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> tuple[Episode, FakeRobot]:
    robot = FakeRobot(image_size=16)
    return attempt(FIND, robot=robot, every=3, seed=7, scene="words"), robot


def test_an_episode_says_how_it_went(found: tuple[Episode, FakeRobot]) -> None:
    episode, robot = found
    assert (episode.skill, episode.seed, episode.source, episode.scene) == (FIND, 7, "experts", "words")
    assert episode.success and episode.terminated and robot.holds == 1
    assert episode.phrases == tuple(skill.phrase for skill in SKILLS)
    assert set(episode.objects) == {thing.name for thing in robot.privileged_state().objects}


def test_every_third_row_is_kept_and_the_last_and_what_is_judged(found: tuple[Episode, FakeRobot]) -> None:
    episode, robot = found
    periods = np.round(episode.observations["time"][:, 0] * robot.spec.rate).astype(int)
    (last,) = (index for index, action in enumerate(robot.actions) if action.terminate)
    assert periods.tolist() == [*range(0, last, 3), last, last + 6] == [*episode.period]
    assert len(robot.actions) == last + 6 and not episode.executed[-1, :6].any()
    assert len(episode) == len(periods) == len(episode.observations["head_image"])
    assert episode.observations["head_image"][:, 0, 0, 0].tolist() == periods.tolist()  # grey as the clock
    sent = [robot.actions[period].to_vector() for period in periods[:-1]]
    np.testing.assert_allclose(episode.executed[:-1], sent, atol=1e-6)


def test_no_row_is_left_out_where_the_fingers_decide() -> None:
    robot = Kitchen(sample_scene(PICK, 5, "training"), cameras=())
    episode = roll_out(Gate(robot), PICK, SKILLS, noise=Noise(0.0, np.random.default_rng(0)), every=5)
    robot.close()
    closing = int(np.argmax(episode.actions[:, 6] < 0.5))
    apart = np.diff(episode.period)
    assert episode.success and episode.actions[closing - 1, 6] > 0.5
    assert apart[closing - 1] == 1 and apart[0] == 5


def test_rows_hold_what_was_seen_and_what_was_true_then(found: tuple[Episode, FakeRobot]) -> None:
    episode, robot = found
    for name, size in (("joints", 7), ("gripper", 1), ("ee_position", 3), ("ee_quaternion", 4), ("base_pose", 3)):
        assert episode.observations[name].shape == (len(episode), size)
        assert episode.observations[name].dtype == np.float32
    own = SKILLS.index(FIND)
    assert episode.done[0, own] == 0 and episode.done[-1, own] == 1
    assert episode.possible[0, own] == 1 and episode.possible[-1, own] == 0
    now = robot.privileged_state()
    assert episode.possible[-1].tolist() == [precondition(now, skill) is None for skill in SKILLS]
    assert episode.done[-1].tolist() == [shortfall(now, skill) is None for skill in SKILLS]


def test_noise_goes_into_what_is_done_and_the_label_stays_clean() -> None:
    clean, noisy = attempt(GO), attempt(GO, 1.0)
    np.testing.assert_array_equal(clean.actions, clean.executed)
    assert not np.allclose(noisy.actions[:-1], noisy.executed[:-1], atol=1e-4)
    np.testing.assert_array_equal(noisy.actions[0], clean.actions[0])  # in the same state the same label
    assert noisy.executed[-1, 10] == 1 and noisy.success


class Still:
    name = "still"

    def __init__(self, ends_after: int | None = None) -> None:
        self.ends_after, self.resets, self.acts = ends_after, 0, 0

    def reset(self, skill: Skill) -> None:
        self.resets += 1

    def act(self, observation: Observation, skill: Skill) -> Action:
        self.acts += 1
        return Action(terminate=self.acts == self.ends_after)


def test_a_policy_acts_and_the_experts_action_is_the_label() -> None:
    robot, policy = FakeRobot(image_size=16), Still(ends_after=5)
    episode = attempt(GO, robot=robot, policy=policy, name="still")
    assert (policy.resets, policy.acts, len(episode), episode.source) == (1, 5, 6, "still")
    assert episode.terminated and not episode.success  # its word that it is done ends it, whether it is or not
    assert not episode.executed[:, 7:10].any()
    assert (np.linalg.norm(episode.actions[:, 7:10], axis=1) > 0.01).all()


def test_an_attempt_has_succeeded_if_it_has_once_things_are_at_rest() -> None:
    there = FakeRobot(image_size=16)
    attempt(GO, robot=there)

    class Late(FakeRobot):
        def privileged_state(self) -> PrivilegedState:
            return there.privileged_state() if len(self.actions) > 3 else super().privileged_state()

    episode = attempt(GO, robot=Late(image_size=16), policy=Still(ends_after=1))
    own = SKILLS.index(GO)
    assert episode.done[:, own].tolist() == [0, 1] and episode.success


def test_the_time_limit_ends_an_attempt() -> None:
    brief = Skill(GO.phrase, "go to", None, "table", seconds=0.7)
    episode = attempt(brief, policy=Still(), every=4)
    assert not episode.terminated and not episode.success
    assert episode.observations["time"][:, 0] == pytest.approx([0.0, 0.4, 0.6])


def test_when_a_learner_stands_still_the_expert_takes_over_and_brings_it_about() -> None:
    turns = Turns(np.random.default_rng(0), learner=(50, 51), expert=(200, 201))
    episode = attempt(GO, policy=Still(ends_after=2), turns=turns)
    assert episode.success and episode.terminated
    moved = np.linalg.norm(episode.executed[:, 7:10], axis=1) > 0
    assert not moved[:PATIENCE].any() and moved[PATIENCE]


def moving(time: float) -> Iterator[tuple[Action, Observation]]:
    while True:
        yield Action(base_delta=(0.02, 0, 0)), make_observation(time=time)


def test_turns_last_as_long_as_they_are_drawn() -> None:
    turns = Turns(np.random.default_rng(0), learner=(4, 5), expert=(2, 3))
    who = []
    for (action, seen), _ in zip(moving(0.0), range(12), strict=False):
        who.append(turns.learner)
        turns.note(action, seen)
    assert who == [True] * 4 + [False] * 2 + [True] * 4 + [False] * 2


def test_fingers_that_move_are_no_standstill() -> None:
    turns = Turns(np.random.default_rng(0), learner=(90, 91))
    seen = make_observation()
    for period in range(3 * PATIENCE):
        object.__setattr__(seen, "gripper", math.exp(-0.03 * period))
        turns.note(Action(gripper=0.0), seen)
    assert turns.learner
    for _ in range(PATIENCE):
        turns.note(Action(gripper=0.0), seen)
    assert not turns.learner


def test_the_same_seeds_give_the_same_episode() -> None:
    one, other = (attempt(PICK, 1.0, every=3) for _ in range(2))
    np.testing.assert_array_equal(one.executed, other.executed)
    for name in one.observations:
        np.testing.assert_array_equal(one.observations[name], other.observations[name])
