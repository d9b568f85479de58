"""How many whole plans a language model gets right on lessons that were kept from its training.

    python benchmarks/lessons.py [--llm gemma --llm gemma:none ...] [--sets abc] [--lessons 100] [--failing 0.1]
                                 [--show] [--json FILE]
    python benchmarks/lessons.py --suite FILE [--sets ab] [--lessons 100]

Three sets (`saycan.planners.lessons.lesson.SETS`): phrasings that were never taught, combinations and things that were
never taught or that are unknown, and other rooms with other names for things, places and skills. A plan is right when
the agent ends it with "done" within twice the shortest plan plus 4 steps, the goal holds, and nothing else was moved.
Skills take effect at once, but for some that fail without a reason, which do not count against it. Can is privileged
here: 0.95 where the symbolic precondition holds, else 0.05, times the levels of `saycan.skills.geometric`; but whether
a thing is there to be found it does not know, as no camera does before it has looked. Every model has the same lessons
and failures.

With --suite the kitchen's lessons are written as a suite for `saycan eval`: there the learned Can looks at pictures.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table

from saycan import goals
from saycan.compose import make_language_model, make_robot
from saycan.errors import SceneError
from saycan.evaluation.judge import SLACK, moved
from saycan.evaluation.shortest import shortest_plan
from saycan.evaluation.suite import Case
from saycan.language import LanguageModel
from saycan.observation import Observation
from saycan.planners.lessons.lesson import NEW, SETS, Lesson, validation
from saycan.planners.prompt import Prompt
from saycan.planners.saycan import SayCanPlanner
from saycan.privileged import PrivilegedState
from saycan.robots.kitchen.scene import parse_scene
from saycan.skill import DONE, Skill
from saycan.skills.levels import LEVEL
from saycan.statistics import Rate
from saycan.step import Memory, Outcome, Step
from saycan.symbolic import effect, precondition
from saycan.vocabulary import KITCHEN

PREPOSITIONS = {"trash can": "in", "drawer": "in", "operator": "with"}
POSSIBLE, IMPOSSIBLE = 0.95, 0.05
NOTHING = make_robot("fake").observe()
"""Nobody looks at it."""

MESSAGE = "it does not look done (14%)"


class SymbolicValues:
    """Can from the symbolic precondition; implements `saycan.value.ValueFunction`."""

    name = "privileged symbolic"

    def __init__(self, state: PrivilegedState) -> None:
        self.state = state

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) in [0, 1]."""
        can = [IMPOSSIBLE if self._cannot(skill) else POSSIBLE for skill in skills]
        return np.array([value * LEVEL.get(skill.verb, 1.0) for value, skill in zip(can, skills, strict=True)])

    def _cannot(self, skill: Skill) -> bool:
        unseen = skill.verb == "find" and not self.state.named(str(skill.object))
        return precondition(self.state, skill) is not None and not unseen


@dataclass(frozen=True)
class Attempt:
    """What came of a lesson."""

    right: bool
    why: str
    steps: tuple[str, ...]


def attempt(model: LanguageModel, lesson: Lesson, failing: float, seed: int) -> Attempt:
    """Plan and do, until "done" or for too long."""
    rng = random.Random(seed)
    setting = lesson.setting
    values = SymbolicValues(setting.state)
    prompt = Prompt.of(model, setting.spoken)
    planner = SayCanPlanner(model, values, setting.library, prompt)
    best = shortest_plan(setting.state, lesson.goal, setting.library)
    assert best is not None
    memory: list[Memory] = []
    failures = 0
    while len(memory) < 2 * len(best) + SLACK + failures:
        decision = planner.decide(lesson.instruction, memory, NOTHING)
        skill = decision.skills[decision.chosen] if decision.chosen is not None else DONE
        if skill.verb == DONE.verb:
            break
        problem = precondition(values.state, skill)
        if problem is None and rng.random() < failing:
            problem, failures = MESSAGE, failures + 1
        outcome = Outcome.FAILED if problem else Outcome.SUCCEEDED
        memory.append(Step(len(memory) + 1, skill, outcome, problem or ""))
        if not problem:
            values.state = effect(values.state, skill)
    else:
        return _judged(lesson, values.state, memory, "never done")
    return _judged(lesson, values.state, memory, "")


def _judged(lesson: Lesson, state: PrivilegedState, memory: list[Memory], why: str) -> Attempt:
    steps = tuple(
        f"{event.skill.phrase}{' (!)' if event.outcome is not Outcome.SUCCEEDED else ''}"
        for event in memory
        if isinstance(event, Step)
    )
    disturbed = moved(lesson.setting.state, state, lesson.goal)
    if not why and not lesson.goal.holds(state):
        why = "goal missed"
    if not why and disturbed:
        why = f"moved {', '.join(disturbed)}"
    return Attempt(not why, why, steps)


def as_case(name: str, lesson: Lesson) -> Case | None:
    """A lesson of the kitchen as a case of a suite; None where its words cannot say it."""
    state = lesson.setting.state
    goal = _goal_text(lesson.goal)
    if goal is None or any(thing.name in NEW for thing in state.objects):
        return None
    held = [thing.name for thing in state.objects if thing.held]
    start = "with operator" if state.robot_place == "operator" else f"at {state.robot_place}"
    parts = [
        f"{thing.name} {PREPOSITIONS.get(str(thing.place), 'on')} {thing.place}"
        for thing in state.objects
        if thing.place
    ]
    parts += [f"spill on {spill.place}" for spill in state.spills]
    parts += ["drawer open" for drawer in state.drawers if drawer.opening > 0]
    if held:
        start += f" with {held[0]} in hand"
    case = Case(name, name[0], lesson.instruction, start, ", ".join(parts) or "nothing", goal)
    try:
        parse_scene(case.scene)
    except SceneError:
        return None
    return case


def _goal_text(goal: goals.Goal) -> str | None:
    """A goal in the goal language; None where it counts things that are no category."""
    if isinstance(goal, goals.And | goals.Or):
        parts = [_goal_text(part) for part in goal.parts]
        word = " and " if isinstance(goal, goals.And) else " or "
        return None if None in parts else f"({word.join(map(str, parts))})"
    if isinstance(goal, goals.Comparison) and isinstance(goal.terms[0], goals.Call):
        call, least = goal.terms[0], goal.terms[1]
        for category, members in KITCHEN.categories.items():
            if {*members} == {*call.objects}:
                return f"{call.function}({category!r}, {call.place!r}) >= {least}"
        if len(call.objects) == 1:
            return f"{call.function}({call.objects[0]!r}, {call.place!r}) >= {least}"
        at = " or ".join(f"at({thing!r}, {call.place!r})" for thing in call.objects)
        return f"({at})" if least == 1 else None
    if isinstance(goal, goals.Call) and goal.function == "holding" and len(goal.objects) > 1:
        return f"({' or '.join(f'holding({thing!r})' for thing in goal.objects)})"
    return str(goal).replace('"', "'")


def write_suite(path: Path, sets: dict[str, list[Lesson]]) -> int:
    """Write what can be said as a suite; how many cases that is."""
    cases = [as_case(f"{letter}{number}", one) for letter, some in sets.items() for number, one in enumerate(some)]
    rows = [asdict(case) for case in cases if case is not None]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Case)], delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def main() -> None:
    """Attempt them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", action="append", help="name of a language model; several are compared")
    parser.add_argument("--sets", default="".join(SETS), help="which sets: letters")
    parser.add_argument("--lessons", type=int, default=100, help="of each set")
    parser.add_argument("--failing", type=float, default=0.1, help="how often a skill fails")
    parser.add_argument("--show", action="store_true", help="print the wrong plans")
    parser.add_argument("--suite", type=Path, help="write the lessons of the kitchen as a suite, and leave")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console()
    table = Table(title=f"whole plans right, privileged symbolic Can, {options.failing:.0%} of the skills fail")
    table.add_column("set")
    names = options.llm or ["gemma", "gemma:none"]
    for name in names:
        table.add_column(name, justify="right")
    sets = {letter: list(validation(letter, options.lessons)) for letter in options.sets}
    if options.suite is not None:
        console.print(f"{write_suite(options.suite, sets)} cases in {options.suite}", highlight=False)
        return
    found: dict[tuple[str, str], Rate] = {}
    for name in names:
        model = make_language_model(name)
        for letter, lessons in sets.items():
            right = 0
            for number, lesson in enumerate(track(lessons, f"{name}, {letter}", console=console, transient=True)):
                result = attempt(model, lesson, options.failing, number)
                right += result.right
                if options.show and not result.right:
                    steps = "; ".join(result.steps)
                    console.print(f"{letter} {name}: {lesson.instruction!r} [{result.why}] {steps}", markup=False)
            found[name, letter] = Rate(right, len(lessons))
    for letter in sets:
        table.add_row(f"{letter}: {SETS[letter]}", *(str(found[name, letter]) for name in names))
    console.print(table)
    rows = [Row(f"lessons/{letter}/{name}", rate.value, "fraction") for (name, letter), rate in found.items()]
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
