"""Whose fault was it? The first thing that went wrong after the run was as near to its goal as it ever got.

Near is the length of the shortest plan. A choice that brings the goal no nearer is Say's fault where the language model
alone would have chosen no better, and Can's where the values talked it out of something better; a good choice that
brings the goal no nearer is Do's fault, and the check's where the agent took it for done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from saycan import goals
from saycan.decision import Decision
from saycan.evaluation.shortest import key, shortest_plan
from saycan.privileged import PrivilegedState
from saycan.skill import DONE, Skill
from saycan.step import Outcome, Step
from saycan.symbolic import effect, precondition

FAULTS = ("say", "can", "do", "check")

FAR = 1_000
"""Skills to a goal that cannot be reached any more."""


@dataclass(frozen=True)
class Moment:
    """A decision, the world in which it was made, and what came of it.

    Attributes:
        state: When it was made.
        decision: It.
        step: What came of it; None after "done", and where nothing was chosen.
        after: The world afterwards.
    """

    state: PrivilegedState
    decision: Decision
    step: Step | None
    after: PrivilegedState


def blame(moments: Sequence[Moment], goal: goals.Goal, library: Iterable[Skill]) -> str:
    """One of `FAULTS` for a run that failed; "" where nothing that was decided is at fault."""
    if not moments:
        return ""
    way = _Way(goal, tuple(library))
    near = [way.left(moment.state) for moment in moments]
    ends = [*near[1:], way.left(moments[-1].after)]
    closest = int(np.argmin([*near, ends[-1]]))
    for index in (*range(closest, len(moments)), *range(closest)):  # in time means: without detours before, either
        moment = moments[index]
        skill = moment.decision.skill
        if skill is not None and skill.phrase == DONE.phrase and near[index] == 0:
            continue
        expected = way.left_after(moment.state, skill)
        if expected >= near[index]:
            return _of_choice(moment, way)
        if ends[index] > expected:
            believed = moment.step is not None and moment.step.outcome is Outcome.SUCCEEDED
            return "check" if believed else "do"
    return "do"  # every choice was good and worked, and something else was moved on the way


def _of_choice(moment: Moment, way: _Way) -> str:
    """Of Can where all that the model liked best would have brought the goal nearer; of Say where it liked nothing."""
    decision, near = moment.decision, way.left(moment.state)
    top = max(decision.say, default=0.0)
    said = [skill for skill, say in zip(decision.skills, decision.say, strict=True) if say == top > 0]
    good = bool(said) and all(way.left_after(moment.state, skill) < near for skill in said)
    return "can" if good else "say"


class _Way:
    """How far it is to a goal, in skills; each state is looked at once."""

    def __init__(self, goal: goals.Goal, skills: Sequence[Skill]) -> None:
        self._goal, self._skills = goal, skills
        self._known: dict[tuple[object, ...], int] = {}

    def left(self, state: PrivilegedState) -> int:
        """Distance from a state."""
        here = key(state, self._goal)
        if here not in self._known:
            plan = shortest_plan(state, self._goal, self._skills)
            self._known[here] = FAR if plan is None else len(plan)
        return self._known[here]

    def left_after(self, state: PrivilegedState, skill: Skill | None) -> int:
        """Distance after a choice that works; as far as before where it cannot, or where nothing is to be done."""
        if skill is None or skill.phrase == DONE.phrase or precondition(state, skill) is not None:
            return self.left(state)
        return self.left(effect(state, skill))
