"""Making data sets: which skills in which scenes, acted by whom, several skills in a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from saycan.errors import UnknownNameError
from saycan.gate import Gate
from saycan.library import SkillLibrary
from saycan.policy import Policy
from saycan.privileged import PrivilegedState, PrivilegedWorld
from saycan.skill import Skill
from saycan.skills.data.episode import Episode
from saycan.skills.data.noise import Noise
from saycan.skills.data.rollout import Turns, roll_out
from saycan.skills.kitchen import held_out
from saycan.symbolic import effect, precondition

SHARES: Mapping[str, float] = {
    "pick up": 0.34, "place": 0.14, "put down": 0.07, "wipe": 0.23, "trash": 0.05, "bring": 0.05, "open": 0.05,
    "close": 0.05, "go to": 0.01, "find": 0.01,
}  # fmt: skip
"""Verb to the share of the scenes that begin with it: the harder, the more."""

MANIPULATION = {verb: share for verb, share in SHARES.items() if verb not in ("go to", "find")}
"""What a learned policy attempts: driving and looking about are not learned."""

EVEN = dict.fromkeys(MANIPULATION, 1.0)
"""What it attempts alone: what comes of it is asked about every skill alike."""


def only(verbs: str, shares: Mapping[str, float]) -> Mapping[str, float]:
    """The shares of these verbs, which commas separate; of all when it is empty. Raises UnknownNameError."""
    names = [name.strip() for name in verbs.split(",") if name.strip()] or [*shares]
    for name in names:
        if name not in shares:
            raise UnknownNameError("verb", name, shares)
    return {name: shares[name] for name in names}


IN_A_ROW = 3
"""Most skills that are attempted one after the other in one scene: the later ones begin as the earlier ones end."""


WITH_EXPERT = " with the expert"
"""What follows the name of a policy that was helped: what came of that is no success of its own."""


@dataclass(frozen=True)
class Plan:
    """How a data set is made.

    Attributes:
        first: Number of the first scene; scenes with other numbers share nothing.
        noise: Largest level of `Noise`; a third of the episodes has none.
        every: A row is kept every so many periods, and some besides (`roll_out`): neighbours differ little, and
            pictures cost more than physics.
        takeover: Whether the expert takes over from the policy in mid-skill (`roll_out`); else the policy acts alone.
        shares: Verb to share of the scenes.
        in_a_row: Most skills in one scene.
    """

    first: int = 0
    noise: float = 1.2
    every: int = 3
    takeover: bool = True
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    in_a_row: int = IN_A_ROW


def collect_scene(
    number: int,
    plan: Plan,
    library: SkillLibrary,
    make_robot: Callable[[Skill, int], tuple[Gate, str]],
    policy: Callable[[Gate], Policy] | None = None,
    name: str = "experts",
) -> Iterator[Episode]:
    """The episodes of one scene; everything in them follows from its number.

    Where what the skill needs in the gripper lies before the robot (the variation "fetch"), it is picked up first.

    Args:
        number: Which scene.
        plan: See `Plan`.
        library: The skills.
        make_robot: (skill, number) to a gated robot in a scene in which the skill can be done, and the scene in words.
        policy: Makes the policy that acts; None lets the expert act.
        name: What it is called.
    """
    rng = np.random.default_rng([7, plan.first + number])
    skills = tuple(skill for skill in library if skill.verb != "done")
    wanted = _first(skills, plan, rng)
    robot, scene = make_robot(wanted, plan.first + number)
    actor = None if policy is None else policy(robot)
    try:
        skill = _fetching(wanted, skills, cast(PrivilegedWorld, robot.driver).privileged_state())
        if skill != wanted and held_out(skill):
            return
        for _ in range(plan.in_a_row):
            calm = rng.random() < 1 / 3 or plan.noise <= 0
            level = 0.0 if calm else float(rng.uniform(min(0.2, plan.noise), plan.noise))
            turns = Turns(rng) if plan.takeover and actor is not None else None
            episode = roll_out(
                robot, skill, skills, noise=Noise(level, rng), policy=actor,
                name=name if turns is None else f"{name}{WITH_EXPERT}", turns=turns,
                every=plan.every, seed=plan.first + number, scene=scene,
            )  # fmt: skip
            yield episode
            fetched = skill != wanted and episode.success
            following = wanted if fetched else _next(skills, episode, plan, rng)
            if following is None:
                return
            skill = wanted = following
    finally:
        robot.close()


def _first(skills: tuple[Skill, ...], plan: Plan, rng: np.random.Generator) -> Skill:
    verbs = [verb for verb in plan.shares if any(skill.verb == verb for skill in skills)]
    weights = np.array([plan.shares[verb] for verb in verbs])
    verb = verbs[int(rng.choice(len(verbs), p=weights / weights.sum()))]
    return _draw([skill for skill in skills if skill.verb == verb and not held_out(skill)], rng)


def _fetching(wanted: Skill, skills: tuple[Skill, ...], state: PrivilegedState) -> Skill:
    """The picking up after which `wanted` could be done, where it cannot be done yet; else `wanted` itself."""
    if precondition(state, wanted) is None:
        return wanted
    picks = (skill for skill in skills if skill.verb == "pick up" and precondition(state, skill) is None)
    return next((pick for pick in picks if precondition(effect(state, pick), wanted) is None), wanted)


def _next(skills: tuple[Skill, ...], episode: Episode, plan: Plan, rng: np.random.Generator) -> Skill | None:
    """A skill that can be done now, by verb first; driving about seldom."""
    able = [skill for skill, possible in zip(skills, episode.possible[-1], strict=True) if possible]
    able = [skill for skill in able if not held_out(skill)]
    verbs = [verb for verb in dict.fromkeys(skill.verb for skill in able) if verb in plan.shares]
    if not verbs:
        return None
    weights = np.array([plan.shares[verb] for verb in verbs])
    verb = verbs[int(rng.choice(len(verbs), p=weights / weights.sum()))]
    return _draw([skill for skill in able if skill.verb == verb], rng)


def _draw(skills: list[Skill], rng: np.random.Generator) -> Skill:
    return skills[int(rng.integers(len(skills)))]


def about(library: SkillLibrary, plan: Plan, versions: Mapping[str, str], distribution: int) -> dict[str, Any]:
    """What a shard says about itself."""
    return {
        "env_name": "saycan kitchen",
        "type": 0,
        "env_kwargs": {},
        "distribution": distribution,
        "versions": dict(versions),
        "first": plan.first,
        "noise": plan.noise,
        "every": plan.every,
        "phrases": [skill.phrase for skill in library if skill.verb != "done"],
    }
