"""How many whole plans are right when every skill works: the real language model in symbolic kitchens.

    python benchmarks/planning.py [--llm gemma] [--tasks FILE ...] [--demo | --demo-only]
                                  [--planner saycan|generative|constrained|shortlist|all] [--scoring sum|mean|prior|all]
                                  [--json FILE]

A plan is right when the agent itself ends it with "done" and the goal then holds. Skills are carried out by
`saycan.symbolic.effect`, so nothing but the decisions is measured. `plans.toml` is what the prompt and the values were
tuned on; `scoring.toml` is what a scoring is chosen by, and nothing was tuned on it; the demonstration is five wordings
of one instruction in ten kitchens each. Several planners or scorings stand side by side, with Wilson's 95% intervals.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np
from report import Row, write_json
from rich.console import Console
from rich.table import Table

from saycan import goals
from saycan.compose import make_language_model
from saycan.errors import BadInputError
from saycan.language import LanguageModel
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.planners.generative import GenerativePlanner
from saycan.planners.say import Scoring
from saycan.planners.saycan import SayCanPlanner
from saycan.planners.shortlist import ShortlistPlanner
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.scene import Scene, name_things, parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skills.geometric import PrivilegedGeometricValues
from saycan.skills.kitchen import kitchen_library
from saycan.statistics import Rate
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
HERE = Path(__file__).parent
SETS = (HERE / "plans.toml", HERE / "scoring.toml")
SHORTLIST = 32  # of the kitchen's 156 skills
PLANNERS = ("saycan", "generative", "constrained", "shortlist")
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
    """What came of it: the phrases with what was wrong with each, whether it was right, and why it was given up."""

    task: Task
    steps: tuple[tuple[str, str], ...]
    right: bool
    seconds: tuple[float, ...]
    gave_up: bool = False
    note: str = ""

    def __str__(self) -> str:
        steps = ", ".join(f"{phrase}{' (!)' if problem else ''}" for phrase, problem in self.steps)
        end = f" [nothing chosen: {self.note or 'no skill can succeed'}]" if self.gave_up else ""
        return f"{'right' if self.right else 'WRONG'}  {self.task.instruction!r}: {steps}{end}"


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
        decision = planner.decide(task.instruction, memory, _unseen())
        seconds.append(perf_counter() - began)
        skill = decision.skill
        if skill is None:
            return Plan(task, tuple(steps), False, tuple(seconds), gave_up=True, note=decision.note)
        done = skill.verb == "done"
        problem = kitchen.perform(skill) or ""
        steps.append((skill.phrase, problem))
        memory.append(Step(len(steps), skill, Outcome.FAILED if problem else Outcome.SUCCEEDED, problem))
    return Plan(task, tuple(steps), done and task.goal.holds(kitchen.state), tuple(seconds))


def _unseen() -> Observation:
    """The geometric values read the state, not the picture."""
    zeros = np.zeros(3)
    return Observation(0.0, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def make_planners(
    model: LanguageModel, values: PrivilegedGeometricValues, planners: Sequence[str], scorings: Sequence[str]
) -> dict[str, Planner]:
    """What is compared, by name, a planner that scores once for each scoring.

    Of several, those that the model has no methods for are left out, with a line that says so.
    """
    library = kitchen_library()
    makers: dict[str, Callable[[], Planner]] = {}
    for scoring in scorings:
        if "saycan" in planners:
            makers[f"saycan {scoring}"] = partial(SayCanPlanner, model, values, library, scoring=scoring)
        if "shortlist" in planners:
            makers[f"shortlist {scoring}"] = partial(
                ShortlistPlanner, model, values, library, count=SHORTLIST, scoring=scoring
            )
    proposing = partial(GenerativePlanner, model, values, library, synonyms=KITCHEN.synonyms)
    if "generative" in planners:
        makers["generative"] = proposing
    if "constrained" in planners:
        makers["constrained"] = partial(proposing, constrained=True)
    found: dict[str, Planner] = {}
    for name, make in makers.items():
        try:
            found[name] = make()
        except BadInputError as error:
            if len(makers) == 1:
                raise
            print(f"left out: {name}: {error}")
    return found


def report(title: str, plans: dict[str, list[Plan]]) -> list[Row]:
    """Print the counts by family, a column for each planner; the same counts as rows."""
    families = list(dict.fromkeys(plan.task.family for some in plans.values() for plan in some))
    table = Table("family", title=f"{title}: whole plans right (95% interval)")
    for name in plans:
        table.add_column(name, justify="right")
    rows = []
    for family in [*families, "all"]:
        cells = []
        for name, every in plans.items():
            members = [plan for plan in every if family in ("all", plan.task.family)]
            rate = Rate(sum(plan.right for plan in members), len(members))
            low, high = rate.interval
            cells.append(f"{rate.successes}/{rate.trials}\n{low:.0%} to {high:.0%}")
            rows += [
                Row(f"plans/{title}/{name}/{family}", rate.successes, "plans right"),
                Row(f"plans/{title}/{name}/{family}/of", rate.trials, "plans"),
            ]
        table.add_row(family, *cells, end_section=family == families[-1])
    seconds = {name: [second for plan in every for second in plan.seconds] for name, every in plans.items()}
    means = {name: mean(taken[1:] or taken) for name, taken in seconds.items()}
    table.add_row("seconds a decision", *(f"{value:.2f}" for value in means.values()))
    Console().print(table)
    return [*rows, *(Row(f"plans/{title}/{name}/seconds a decision", value, "s") for name, value in means.items())]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every set with every planner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma", help="name of the language model")
    parser.add_argument("--tasks", type=Path, nargs="+", default=SETS, help="files of tasks")
    parser.add_argument("--demo", action="store_true", help="run the demonstration too")
    parser.add_argument("--demo-only", action="store_true", help="run the demonstration alone")
    parser.add_argument("--planner", choices=[*PLANNERS, "all"], default="saycan")
    parser.add_argument("--scoring", choices=[*Scoring, "all"], default=Scoring.SUM.value)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args(arguments)
    sets: dict[str, Callable[[], Iterable[Task]]] = {}
    if not options.demo_only:
        sets |= {file.stem: lambda file=file: read_tasks(file) for file in options.tasks}
    if options.demo or options.demo_only:
        sets["demo"] = demo_tasks

    values = PrivilegedGeometricValues(SymbolicKitchen(Scene()))  # moved from kitchen to kitchen below
    planners = make_planners(
        make_language_model(options.llm),
        values,
        PLANNERS if options.planner == "all" else [options.planner],
        list(Scoring) if options.scoring == "all" else [options.scoring],
    )
    rows = []
    for title, tasks in sets.items():
        plans: dict[str, list[Plan]] = {name: [] for name in planners}
        for name, planner in planners.items():
            print(f"{title}, {name}:")
            for task in tasks():
                kitchen = SymbolicKitchen(task.scene)
                values.world = kitchen
                plans[name].append(run_plan(planner, kitchen, task))
                print(f"  {plans[name][-1]}", flush=True)
        rows += report(title, plans)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
