"""How many whole plans are right when every skill works: the real language model in symbolic kitchens.

    python benchmarks/planning.py [--llm gemma] [--tasks FILE] [--demo-only] [--json FILE]

A plan is right when the agent itself ends it with "done" and the goal then holds. Skills are carried out by
`saycan.symbolic.effect`, so nothing but the decisions is measured. Two sets are run: `plans.toml` beside this file, and
the demonstration, five wordings of one instruction in ten kitchens each.
"""

from __future__ import annotations

import argparse
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
from report import Row, write_json

from saycan import goals
from saycan.compose import make_language_model
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.planners.saycan import SayCanPlanner
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.scene import Scene, name_things, parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skills.geometric import PrivilegedGeometricValues
from saycan.skills.kitchen import kitchen_library
from saycan.step import Memory, Outcome, Step
from saycan.vocabulary import KITCHEN

LONGEST = 14  # steps
WORDINGS = (
    "clean the counter",
    "wipe the counter",
    "The counter is dirty.",
    "I have spilled juice on the counter, please clean it up.",
    "Can you make the counter clean again?",
)
DEMO_GOAL = 'clean("close counter")'
KITCHENS = 10


@dataclass(frozen=True)
class Task:
    """One instruction, said in one kitchen."""

    family: str
    instruction: str
    scene: Scene
    goal: goals.Goal


@dataclass(frozen=True)
class Plan:
    """What came of it: the phrases with what was wrong with each, and whether it was right."""

    task: Task
    steps: tuple[tuple[str, str], ...]
    right: bool
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        steps = ", ".join(f"{phrase}{' (!)' if problem else ''}" for phrase, problem in self.steps)
        return f"{'right' if self.right else 'WRONG'}  {self.task.instruction!r}: {steps}"


def read_tasks(file: Path) -> list[Task]:
    """The tasks of a TOML file."""
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["task"]
    return [
        Task(entry["family"], entry["instruction"], parse_scene(entry["scene"]), goals.parse(entry["goal"]))
        for entry in entries
    ]


def demo_tasks() -> Iterator[Task]:
    """Five wordings in ten kitchens: another start, another place for the sponge, two to six other things."""
    others = [noun.name for noun in KITCHEN.objects if noun.name != "sponge"]
    for seed in range(KITCHENS):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(others, size=int(rng.integers(2, 7)), replace=False)
        pairs = [("sponge", str(rng.choice(KITCHEN.surfaces)))]
        pairs += [(str(name), str(rng.choice(KITCHEN.surfaces))) for name in chosen]
        scene = Scene(name_things(pairs), ("close counter",), str(rng.choice(list(PLACES))))
        for wording in WORDINGS:
            yield Task(f"demo: {wording}", wording, scene, goals.parse(DEMO_GOAL))


def run_plan(planner: Planner, kitchen: SymbolicKitchen, task: Task) -> Plan:
    """Decide and do until "done", until nothing is worth trying, or for too long."""
    memory: list[Memory] = []
    steps: list[tuple[str, str]] = []
    seconds: list[float] = []
    done = False
    while len(steps) < LONGEST and not done:
        began = perf_counter()
        skill = planner.decide(task.instruction, memory, _unseen()).skill
        seconds.append(perf_counter() - began)
        if skill is None:
            break
        done = skill.verb == "done"
        problem = kitchen.perform(skill) or ""
        steps.append((skill.phrase, problem))
        memory.append(Step(len(steps), skill, Outcome.FAILED if problem else Outcome.SUCCEEDED, problem))
    return Plan(task, tuple(steps), done and task.goal.holds(kitchen.state), tuple(seconds))


def _unseen() -> Observation:
    """The geometric values read the state, not the picture."""
    zeros = np.zeros(3)
    return Observation(0.0, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def report(title: str, plans: Iterable[Plan]) -> list[Row]:
    """Print every plan, then the counts by family; the same counts as rows."""
    by_family: dict[str, list[Plan]] = defaultdict(list)
    for plan in plans:
        print(f"  {plan}", flush=True)
        by_family[plan.task.family].append(plan)
    every = [plan for family in by_family.values() for plan in family]
    if not every:
        return []
    print(f"\n{title}: whole plans right")
    rows = []
    for family, members in [*by_family.items(), ("all", every)]:
        right = sum(plan.right for plan in members)
        print(f"  {family:<64} {right:>3} of {len(members)}")
        rows += [
            Row(f"plans/{title}/{family}", right, "plans right"),
            Row(f"plans/{title}/{family}/of", len(members), "plans"),
        ]
    taken = [second for plan in every for second in plan.seconds]
    print(f"  seconds a decision: first {taken[0]:.2f}, mean of the others {mean(taken[1:] or taken):.2f}\n")
    return [*rows, Row(f"plans/{title}/seconds a decision", mean(taken[1:] or taken), "s")]


def main() -> None:
    """Run both sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma", help="name of the language model")
    parser.add_argument("--tasks", type=Path, default=Path(__file__).with_name("plans.toml"), help="a file of tasks")
    parser.add_argument("--demo-only", action="store_true", help="leave the file of tasks out")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    model = make_language_model(options.llm)
    library = kitchen_library()

    def plans(tasks: Iterable[Task]) -> Iterator[Plan]:
        for task in tasks:
            kitchen = SymbolicKitchen(task.scene)
            yield run_plan(SayCanPlanner(model, PrivilegedGeometricValues(kitchen), library), kitchen, task)

    rows = [] if options.demo_only else report("validation", plans(read_tasks(options.tasks)))
    rows += report("demo", plans(demo_tasks()))
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
