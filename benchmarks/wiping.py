"""What wiping is worth to the values, and how often it works: where the spill is in view, where it is not, and after
the sponge was picked up, which is how a run comes to it.

    python benchmarks/wiping.py [--values FILE] [--kitchens 8] [--json FILE]

The simulator's own state says whether the counter is clean in the end.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table

from saycan import Agent, goals
from saycan.robots.kitchen import Kitchen
from saycan.skills.kitchen import kitchen_library
from saycan.skills.shipped import VALUES
from saycan.statistics import Rate

PICK = "pick up the sponge"

SITUATIONS = (
    ("in view", "at table with sponge in hand, spill on table", "table"),
    ("in view", "at far counter with sponge in hand, spill on far counter", "far counter"),
    ("in view", "at close counter with sponge in hand, spill on close counter", "close counter"),
    ("out of view", "at table with sponge in hand, spill on close counter", "close counter"),
    ("out of view", "at far counter with sponge in hand, spill on close counter", "close counter"),
    ("picked up, in view", "at table, sponge on table, spill on table", "table"),
    ("picked up, in view", "at close counter, sponge on close counter, spill on close counter", "close counter"),
    ("picked up, out of view", "at table, sponge on table, spill on close counter", "close counter"),
    ("picked up, out of view", "at far counter, sponge on far counter, spill on close counter", "close counter"),
)
"""Where the spill is (a row of the table), the scene in words, and what is wiped."""


def attempt(words: str, place: str, seed: int, values: Path) -> tuple[float, bool] | None:
    """The value of wiping, and whether it worked; None where the sponge was not picked up."""
    library = kitchen_library()
    skill, part = library.find(f"wipe the {place} with the sponge"), f"learned:{values}"
    with closing(Kitchen(words, seed)) as robot:
        with Agent(robot, llm="scripted:done", values=part, detector=part, record=None) as agent:  # nothing is decided
            if "in hand" not in words:
                for _ in agent.perform(library.find(PICK)):
                    pass
            if not goals.parse("holding('sponge')").holds(robot.privileged_state()):
                return None
            assert agent.values is not None
            value = float(agent.values.values(robot.observe(), [skill])[0])
            for _ in agent.perform(skill):
                pass
        return value, goals.parse(f"clean('{place}')").holds(robot.privileged_state())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=Path, default=VALUES, help="checkpoint of the value network")
    parser.add_argument("--kitchens", type=int, default=8, help="for each situation")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    console = Console()
    jobs = [(kind, words, place, seed) for kind, words, place in SITUATIONS for seed in range(options.kitchens)]
    found: dict[str, list[tuple[float, bool]]] = {kind: [] for kind, _, _ in SITUATIONS}
    for kind, words, place, seed in track(jobs, "wiping", console=console, transient=True):
        if (one := attempt(words, place, seed, options.values)) is not None:
            found[kind].append(one)
    table, rows = Table("the spill is", "value", "succeeded"), []
    for kind, tried in found.items():
        if not tried:
            continue
        value, rate = float(np.mean([one for one, _ in tried])), Rate(sum(clean for _, clean in tried), len(tried))
        table.add_row(kind, f"{value:.2f}", str(rate))
        rows += [Row(f"wiping/value/{kind}", value, "probability"), Row(f"wiping/success/{kind}", rate.value, "share")]
    console.print(table)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
