"""The shortest plan to a goal, when every skill works: A* over `saycan.symbolic`.

The heuristic counts what has to be put somewhere yet: each thing costs a skill that puts it there, and, unless the hand
holds it, one that picks it up. It never counts too much, so what is found is shortest (Hart et al. 1968).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from saycan import goals
from saycan.privileged import PrivilegedState
from saycan.skill import DONE, Skill
from saycan.symbolic import effect, precondition

MOST_STATES = 200_000


@dataclass(frozen=True)
class Plan:
    """A shortest plan.

    Attributes:
        skills: In order, without "done".
    """

    skills: tuple[Skill, ...]

    def __len__(self) -> int:
        return len(self.skills)


def shortest_plan(
    state: PrivilegedState, goal: goals.Goal, library: Iterable[Skill], most: int = MOST_STATES
) -> Plan | None:
    """A shortest plan from a state to a goal, or None when there is none, or none within `most` states."""
    skills = _relevant(state, goal, library)
    order = count()  # of two that seem as near, the one found first
    start = key(state, goal)
    queue: list[tuple[int, int, int, PrivilegedState, tuple[Skill, ...]]] = [
        (_remaining(state, goal), next(order), 0, state, ())
    ]
    best = {start: 0}
    looked = 0
    while queue and looked < most:
        _, _, done, here, plan = heapq.heappop(queue)
        looked += 1
        if goal.holds(here):
            return Plan(plan)
        if best[key(here, goal)] < done:
            continue
        for skill in skills:
            if precondition(here, skill) is not None:
                continue
            after = effect(here, skill)
            reached = key(after, goal)
            if done + 1 < best.get(reached, done + 2):
                best[reached] = done + 1
                estimate = done + 1 + _remaining(after, goal)
                heapq.heappush(queue, (estimate, next(order), done + 1, after, (*plan, skill)))
    return None


def concerned(goal: goals.Goal) -> frozenset[str]:
    """Canonical names of the things that a goal speaks of; a surface that is to be clean speaks of the sponge."""
    names: set[str] = set()
    for call in goals.calls(goal):
        names.update(call.objects)
        if call.function == "clean":
            names.add("sponge")
    return frozenset(names)


def _relevant(state: PrivilegedState, goal: goals.Goal, library: Iterable[Skill]) -> tuple[Skill, ...]:
    """The skills that can be of any use: about things that are there and that the goal or the hand is about."""
    there = {thing.name for thing in state.objects}
    names = concerned(goal) & there
    if state.held is not None:
        names |= {state.by_id(state.held).name}
    drawer = any(thing.place == "drawer" and thing.name in names for thing in state.objects)
    drawer = drawer or any(call.place == "drawer" for call in goals.calls(goal))
    places = {call.place for call in goals.calls(goal)}
    found = []
    for skill in library:
        if skill.verb == DONE.verb or (skill.object is not None and skill.object not in names):
            continue
        if skill.place == "drawer" and not drawer:
            continue
        if skill.verb == "wipe" and skill.place not in places:
            continue
        found.append(skill)
    return tuple(found)


def key(state: PrivilegedState, goal: goals.Goal) -> tuple[object, ...]:
    """What two states have to share to be the same to a goal and every skill: things of one name are alike."""
    things = sorted((thing.name, thing.place or "", thing.held) for thing in state.objects)
    spills = tuple(spill.place for spill in state.spills if len(spill.cells))
    drawers = tuple(round(drawer.opening, 3) for drawer in state.drawers)
    visited = frozenset(call.place for call in goals.calls(goal) if call.function == "visited" and call.holds(state))
    return (tuple(things), state.robot_place, visited, spills, drawers)


def _remaining(state: PrivilegedState, goal: goals.Goal) -> int:
    """A lower bound on the skills that are left."""
    if goal.holds(state):
        return 0
    wanted: dict[str, int] = {}
    taken: set[str] = set()
    for part in goal.conjuncts():
        call, number = _demand(part)
        if call is None or taken & set(call.objects):
            continue  # what two demands share could serve both at once
        taken |= set(call.objects)
        missing = number - call.number(state)
        if missing > 0:
            wanted[str(part)] = missing
    total = sum(wanted.values())
    held = state.held is not None
    return max(1, 2 * total - held)


def _demand(part: goals.Goal) -> tuple[goals.Call | None, int]:
    """Which things have to be at a place at least, and how many; (None, 0) where it is not of that kind."""
    if isinstance(part, goals.Call) and part.function == "at":
        return part, 1
    if isinstance(part, goals.Comparison) and len(part.terms) == 2 and part.signs[0] in ("==", ">="):
        call, number = part.terms
        if isinstance(call, goals.Call) and isinstance(number, int):
            return call, number
    return None, 0
