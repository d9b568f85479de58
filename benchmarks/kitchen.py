"""How fast the kitchen is: physics, pictures and the expert against real time, on one core.

    python benchmarks/kitchen.py [--seconds 60] [--json FILE]

Every row simulates the same errand again and again; the ratios are to real time, side by side in one run.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from report import Row, write_json
from rich.console import Console
from rich.table import Table

from saycan.compose import make_policy
from saycan.gate import Gate
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.kitchen import CAMERAS
from saycan.skills.kitchen import kitchen_library

SCENE = "at table, spill on table, sponge, coke can and apple on table, pepsi can and rice chips on close counter"
ERRAND = ("pick up the sponge", "wipe the table with the sponge", "bring the sponge to the operator", "go to the table")


def simulate(seconds: float, cameras: Sequence[str], image_size: int) -> float:
    """Simulated seconds per wall-clock second of the errand, with the expert acting and the gate in between."""
    library = kitchen_library()
    robot = Gate(Kitchen(SCENE, image_size=image_size, cameras=cameras))
    policy = make_policy("experts", robot)
    periods, spent = 0, 0.0
    while periods < seconds * robot.spec.rate:
        robot.driver.reset()  # type: ignore[attr-defined]
        began = perf_counter()
        for phrase in ERRAND:
            skill = library.find(phrase)
            while True:
                action = policy.act(robot.observe(), skill)
                if action.terminate:
                    break
                robot.apply(action)
                periods += 1
        spent += perf_counter() - began
    robot.close()
    return periods / robot.spec.rate / spent


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="simulated seconds for each row, at least")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)

    began = perf_counter()
    Kitchen(SCENE, cameras=()).close()
    building = perf_counter() - began
    cases = {
        "no camera": simulate(options.seconds, (), 96),
        "both cameras, 64 px": simulate(options.seconds, CAMERAS, 64),
        "both cameras, 96 px": simulate(options.seconds, CAMERAS, 96),
        "both cameras, 128 px": simulate(options.seconds, CAMERAS, 128),
    }
    table = Table("expert acting at 10 Hz", "x real time", "ms a period", title="The kitchen, one core")
    for name, ratio in cases.items():
        table.add_row(name, f"{ratio:.1f}", f"{100 / ratio:.1f}")
    console = Console()
    console.print(table)
    console.print(f"building a scene: {building:.2f} s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)
    rows = [Row(f"real_time/{name}", ratio, "x") for name, ratio in cases.items()]
    write_json(options.json, [*rows, Row("build_scene", building, "s"), Row("peak_memory", memory, "GB")])


if __name__ == "__main__":
    main()
