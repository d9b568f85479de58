"""The demonstration, for real: five wordings of one instruction in ten kitchens, the language model deciding, the robot
doing it in physics, the counter judged by the simulator's own state.

    python benchmarks/demo.py [--llm gemma] [--kitchens 10] [--json FILE]
    python benchmarks/demo.py --privileged      the scripted experts, geometric values and privileged detector instead

The wordings and kitchens are those of planning.py, where every skill works; what is lost here and not there is lost in
the doing. Success is that the agent itself chose done and the counter is clean then.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from planning import WORDINGS, demo_tasks
from report import Row, write_json
from rich.console import Console
from rich.table import Table

from saycan import Agent, EndState
from saycan.compose import make_language_model
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.kitchen import CAMERAS
from saycan.statistics import Rate


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print each run and the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma", help="name of the language model")
    parser.add_argument("--kitchens", type=int, choices=range(1, 11), default=10, help="for each wording")
    parser.add_argument("--privileged", action="store_true", help="no cameras: all but the words is read off the state")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)

    console = Console(highlight=False)
    model = make_language_model(options.llm)
    cleaned = dict.fromkeys(WORDINGS, 0)
    finished = dict.fromkeys(WORDINGS, 0)
    tasks = list(demo_tasks())[: options.kitchens * len(WORDINGS)]
    for index, task in enumerate(tasks):
        seed = index // len(WORDINGS)
        robot = Kitchen(task.scene, seed, cameras=() if options.privileged else CAMERAS)
        with Agent(robot, llm=model, record=None) as agent:
            result = agent.run(task.instruction)
        clean = task.goal.holds(robot.privileged_state())
        robot.close()
        cleaned[task.instruction] += clean and result.end is EndState.FINISHED
        finished[task.instruction] += result.end is EndState.FINISHED
        verdict = "[green]clean[/]" if clean else "[red]dirty[/]"
        steps = ", ".join(
            f"{step.skill.phrase}{'' if step.outcome == 'succeeded' else ' (!)'}" for step in result.steps
        )
        console.print(
            f"{index + 1:2}/{len(tasks)} {verdict} {result.end} {result.seconds:.0f} s {task.instruction!r}: {steps}"
        )

    parts = "privileged parts" if options.privileged else "learned parts"
    title = f"The demo with {options.llm} and {parts}, in physics"
    table = Table("wording", "done and clean", "ended with done", title=title)
    for wording in WORDINGS:
        table.add_row(wording, f"{cleaned[wording]}/{options.kitchens}", f"{finished[wording]}/{options.kitchens}")
    total = Rate(sum(cleaned.values()), len(tasks))
    console.print(table)
    console.print(f"all: {total}")
    rows = [Row(f"demo/{wording}", count / options.kitchens, "share") for wording, count in cleaned.items()]
    write_json(options.json, [*rows, Row("demo/all", total.value, "share")])


if __name__ == "__main__":
    main()
