"""What benchmarks that try skills share: which skill, carrying it out, and how many threads it takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from saycan.executor import execute
from saycan.gate import Gate
from saycan.policy import Policy
from saycan.skill import Skill
from saycan.step import Step
from saycan.success import SuccessDetector


def skill_of(skills: Iterable[Skill], verb: str, seed: int) -> Skill:
    """The phrase of a verb that belongs to a seed: all of them take turns, in a shuffled order."""
    phrases = [skill for skill in skills if skill.verb == verb]
    order = np.random.default_rng(len(phrases)).permutation(len(phrases))
    return phrases[int(order[seed % len(phrases)])]


def carry_out(robot: Gate, policy: Policy, skill: Skill, detector: SuccessDetector | None = None) -> tuple[Step, int]:
    """How it went, and in how many control periods."""
    running = execute(robot, policy, skill, detector=detector)
    periods = 0
    while True:
        try:
            next(running)
            periods += 1
        except StopIteration as end:
            return end.value[0], periods


def one_thread() -> None:
    """Networks in as many processes as there are cores take one thread each."""
    import torch

    torch.set_num_threads(1)
