"""Carrying out one skill in a simulator while everything about it is written down."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.executor import standing
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.place import Place
from saycan.policy import Policy
from saycan.privileged import PrivilegedState, PrivilegedWorld
from saycan.skill import Skill
from saycan.skills.data.episode import PROPRIOCEPTION, Episode
from saycan.skills.data.noise import Noise
from saycan.skills.experts.experts import PrivilegedExperts
from saycan.skills.experts.motion import act
from saycan.symbolic import precondition, shortfall

NEAR, DENSE = 0.05, 6
"""m between the hand and where the expert wants it, within which fingers are about to move, and how many periods of
each such stretch are kept whole: a grasp is decided in one of them, and the one before says the opposite."""

STILL, PATIENCE = 0.004, 6
"""m (and rad) a period below which a robot stands still, and periods after which a learner that does is stuck."""


class Recording:
    """Collects the rows of one episode.

    Args:
        skill: What is attempted.
        skills: The library's skills, for each of which it is noted whether it is possible, and done.
    """

    def __init__(self, skill: Skill, skills: tuple[Skill, ...]) -> None:
        self._skill, self._skills = skill, skills
        self._rows: dict[str, list[Any]] = defaultdict(list)
        self._objects: tuple[str, ...] = ()

    def add(
        self, period: int, observation: Observation, state: PrivilegedState, label: Action, goal: Any, executed: Action
    ) -> None:
        """One period."""
        rows = self._rows
        rows["period"].append(period)
        for camera, image in observation.images.items():
            rows[f"obs/{camera}_image"].append(image)
        for name in PROPRIOCEPTION:
            rows[f"obs/{name}"].append(np.atleast_1d(np.asarray(getattr(observation, name), np.float32)))
        rows["actions"].append(label.to_vector().astype(np.float32))
        rows["executed"].append(executed.to_vector().astype(np.float32))
        rows["possible"].append([precondition(state, skill) is None for skill in self._skills])
        rows["done"].append([shortfall(state, skill) is None for skill in self._skills])
        point = np.full(3, np.nan) if goal is None else np.asarray(goal, float)
        rows["goal"].append(point.astype(np.float32))
        for camera, pose in state.cameras.items():
            rows[f"{camera}_point"].append(_seen(pose, point))
        rows["cameras"].append([[*pose.position, *pose.rotation.ravel(), pose.fovy] for pose in state.cameras.values()])
        self._objects = tuple(thing.name for thing in state.objects)
        rows["objects"].append([[*thing.position, float(thing.held)] for thing in state.objects])

    def episode(
        self, seed: int, source: str, scene: str, success: bool, terminated: bool, places: Mapping[str, Place]
    ) -> Episode:
        """All rows so far as arrays."""
        rows = {name: np.asarray(values) for name, values in self._rows.items()}
        observations = {name.removeprefix("obs/"): rows.pop(name) for name in [*rows] if name.startswith("obs/")}
        actions, executed, possible, done = (rows.pop(name) for name in ("actions", "executed", "possible", "done"))
        length = len(actions)
        labels = {name: array.reshape(length, *array.shape[1:]).astype(np.float32) for name, array in rows.items()}
        phrases = tuple(skill.phrase for skill in self._skills)
        return Episode(
            self._skill, seed, source, scene, success, terminated, observations, actions, executed, possible, done,
            labels, places, phrases, self._objects,
        )  # fmt: skip


class Turns:
    """Who acts when, learner or expert, so that the learner's own states get labels and the way out of them is shown.

    DAgger (Ross et al. 2011, arXiv:1011.0686) with an expert that steps in, as in HG-DAgger (Kelly et al. 2019,
    arXiv:1810.02890): after a while, and at once where the learner stands still. A learner that is left standing fills
    the data with one and the same state.

    Args:
        rng: Draws how long each turn lasts.
        learner, expert: Shortest and longest turn, control periods.
    """

    def __init__(
        self, rng: np.random.Generator, learner: tuple[int, int] = (20, 90), expert: tuple[int, int] = (6, 25)
    ) -> None:
        self._rng, self._spans = rng, {True: learner, False: expert}
        self.learner = True
        self._left = int(rng.integers(*learner))
        self._still, self._gripper = 0, 1.0

    def note(self, executed: Action, observation: Observation) -> None:
        """What was done in this period; decides who acts in the next."""
        moved = float(np.linalg.norm(executed.ee_delta[:3]) + np.linalg.norm(executed.base_delta))
        gripping = abs(observation.gripper - self._gripper) > 0.01
        self._gripper = observation.gripper
        self._still = self._still + 1 if moved < STILL and not gripping else 0
        self._left -= 1
        if self._left <= 0 or (self.learner and self._still >= PATIENCE):
            self.learner = not self.learner
            self._left, self._still = int(self._rng.integers(*self._spans[self.learner])), 0


def roll_out(
    robot: Gate,
    skill: Skill,
    skills: tuple[Skill, ...],
    *,
    noise: Noise,
    policy: Policy | None = None,
    name: str = "experts",
    turns: Turns | None = None,
    every: int = 1,
    seed: int = 0,
    scene: str = "",
) -> Episode:
    """Attempt a skill once; the expert's action in every state is the label, whoever acts.

    Args:
        robot: A simulator, gated.
        skill: What to attempt.
        skills: The library's skills, see `Episode.possible`.
        noise: Disturbs what is carried out.
        policy: Who acts; None is the expert itself.
        name: What to call whoever acts.
        turns: Lets the expert act in between; None lets the policy act alone, and its word that it is done counts.
        every: A row is kept every so many periods, and besides while the hand is `NEAR`, and the last one.
        seed, scene: Noted in the episode.

    Returns:
        The episode; it ends when whoever acts terminates, or at the skill's time limit. In the first case a last row
        shows what a success detector is shown (`saycan.executor`): things have come to rest.
    """
    recording = Recording(skill, skills)
    world = cast(PrivilegedWorld, robot.driver)
    limit = math.ceil(skill.seconds * robot.spec.rate)
    before, terminated, near = world.privileged_state(), False, 0
    if policy is not None:
        policy.reset(skill)
    for period in range(limit):
        state = world.privileged_state()
        target = PrivilegedExperts.target(state, skill)
        acting = policy is not None and (turns is None or turns.learner)
        close = target.position is not None and float(np.linalg.norm(target.position - state.ee_position)) < NEAR
        near = near + 1 if close else 0
        kept = period % every == 0 or 0 < near <= DENSE or target.terminate or period == limit - 1
        if hasattr(world, "looking"):
            world.looking = kept or acting
        observation = robot.observe() if kept or acting else robot.driver.observe()  # the gate asks for pictures
        label = chosen = act(state, observation, target)
        if policy is not None and acting:
            chosen = policy.act(observation, skill)
            if turns is not None and chosen.terminate:
                chosen = label if label.terminate else Action(gripper=chosen.gripper)
        executed = robot.apply(noise.disturb(chosen))
        if turns is not None:
            turns.note(executed, observation)
        if kept or executed.terminate:
            recording.add(period, observation, state, label, target.goal, executed)
        if executed.terminate:
            terminated = True
            break
    rest = standing(executed, robot.spec.rate) if terminated else []
    for waiting in rest:
        robot.apply(waiting)
    if hasattr(world, "looking"):
        world.looking = True
    if terminated:
        observation, state = robot.observe(), world.privileged_state()
        target = PrivilegedExperts.target(state, skill)
        label, nothing = act(state, observation, target), Action(gripper=executed.gripper, terminate=True)
        recording.add(period + 1 + len(rest), observation, state, label, target.goal, nothing)
    robot.hold()
    success = shortfall(world.privileged_state(), skill, before) is None
    return recording.episode(seed, name, scene, success, terminated, dict(robot.spec.places))


def _seen(pose: Any, point: NDArray[np.float64]) -> list[float]:
    if not np.isfinite(point).all():
        return [0.0, 0.0, 0.0]
    x, y, visible = pose.project(point)
    return [x, y, float(visible)] if visible else [0.0, 0.0, 0.0]
