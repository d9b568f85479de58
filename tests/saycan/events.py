"""Hand-made events for the tests of what shows and records them."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np

from saycan.action import Action
from saycan.decision import Decision
from saycan.observation import Observation
from saycan.robot import RobotSpec
from saycan.skill import DONE, Skill
from saycan.step import EndState, Event, Feedback, Outcome, Result, Step, Tick

SKILLS = (
    Skill("find the sponge", "find", "sponge"),
    Skill("pick up the sponge", "pick up", "sponge"),
    Skill("wipe the table with the sponge", "wipe", None, "table"),
    DONE,
)


def make_observation(seed: int = 0, cameras: Sequence[str] = ("head", "wrist"), side: int = 32) -> Observation:
    rng = np.random.default_rng(seed)
    images = {name: rng.integers(0, 255, (side, side, 3), np.uint8) for name in cameras}
    return Observation(0.1 * seed, images, np.zeros(7), 1.0, np.zeros(3), np.array([1.0, 0, 0, 0]), np.zeros(3))


def make_decision(chosen: int | None = 0, skills: tuple[Skill, ...] = SKILLS) -> Decision:
    say = np.full(len(skills), 0.1)
    can = np.linspace(1.0, 0.5, len(skills))
    if chosen is not None:
        say[chosen] = 0.9
    say /= say.sum()
    combined = say * can / (say * can).sum()
    return Decision(skills, say, can, combined, np.log(say), chosen, "a prompt", 0.25, 0.125)


def make_run(
    ticks: int = 20, cameras: Sequence[str] = ("head", "wrist"), end: EndState = EndState.FINISHED
) -> Generator[Event, None, Result]:
    """Two steps (the second fails), a word from a person in between, and a result."""
    steps = []
    for index, (skill, outcome, message) in enumerate(
        ((SKILLS[0], Outcome.SUCCEEDED, ""), (SKILLS[1], Outcome.FAILED, "it | slipped")), start=1
    ):
        decision = make_decision(index - 1)
        yield decision
        for tick in range(1, ticks + 1):
            yield Tick(skill, tick, 100, make_observation(tick, cameras), Action())
        step = Step(index, skill, outcome, message, ticks, 1.5, decision)
        steps.append(step)
        yield step
        if index == 1:
            yield Feedback("human", "the blue one")
    yield make_decision(3)
    result = Result("clean the table", end, "the planner chose done", tuple(steps), 4.0, 1.0)
    yield result
    return result


class StillRobot:
    """Just enough of a robot to be filmed."""

    spec = RobotSpec("still", simulated=True)


class PosingRobot(StillRobot):
    """One that has a third-person picture of itself."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def view(self, width: int, height: int) -> np.ndarray:
        self.asked.append((width, height))
        return np.full((height, width, 3), (200, 30, 30), np.uint8)
