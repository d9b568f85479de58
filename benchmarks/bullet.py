"""The same skills in two simulators: a Panda at a table in PyBullet, and the mobile manipulator of MuJoCo's kitchen.

    python benchmarks/bullet.py [--policies "experts,learned"] [--robots "panda,kitchen"] [--episodes 30] [--json FILE]
    python benchmarks/bullet.py --policies "learned:runs/panda/policy.safetensors"      what was learned, by its file

The phrases are the Panda's, in both; scenes are of each simulator's evaluation split, that nothing was trained on.
"learned" is the shipped policy, which has never seen this arm, hand, table or renderer: zero-shot on the Panda. Success
is read from the simulator's own state after the skill has ended; intervals are Wilson's, 95%. Rows of the JSON file are
ROBOT/POLICY/SKILL. It needs the extra `pybullet`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table
from trying import carry_out, one_thread, skill_of

from saycan.compose import make_policy, make_robot, sample_scene
from saycan.errors import SceneError
from saycan.gate import Gate
from saycan.robots.panda.layout import PLACES
from saycan.skills.detector import PrivilegedDetector
from saycan.skills.kitchen import kitchen_library
from saycan.statistics import Rate
from saycan.step import Outcome

VERBS = ("pick up", "place", "put down", "trash", "bring", "wipe")
LIBRARY = tuple(skill for skill in kitchen_library() if skill.verb in VERBS and skill.place in (None, *PLACES))


@dataclass(frozen=True)
class Trial:
    """One skill in one scene.

    Attributes:
        robot, policy: Names as in `saycan.compose`.
        verb, seed: Which scene of the evaluation split.
    """

    robot: str
    policy: str
    verb: str
    seed: int


@dataclass(frozen=True)
class Outcomes:
    """How a trial went."""

    success: bool
    seconds: float
    message: str
    phrase: str


def run(trial: Trial) -> Outcomes | None:
    """Carry out one skill; None where its scene cannot be built (a thing slips out of the fingers beforehand)."""
    skill = skill_of(LIBRARY, trial.verb, trial.seed)
    cameras = () if trial.policy == "experts" else ("head", "wrist")  # privileged experts look at nothing
    try:
        scene = sample_scene(skill, trial.seed, "evaluation", robot=trial.robot)
        robot = Gate(make_robot(trial.robot, scene=scene, cameras=cameras))
    except SceneError:
        return None
    detector = PrivilegedDetector(robot.driver)  # type: ignore[arg-type]
    step, periods = carry_out(robot, make_policy(trial.policy, robot), skill, detector)
    robot.close()
    message = f"{step.outcome}: {step.message}"
    return Outcomes(step.outcome is Outcome.SUCCEEDED, periods / robot.spec.rate, message, skill.phrase)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--robots", default="panda,kitchen", help="comma-separated")
    parser.add_argument(
        "--policies", default="experts,learned", help="names as in compose.make_policy, comma-separated"
    )
    parser.add_argument("--verbs", default=",".join(VERBS), help="comma-separated")
    parser.add_argument("--episodes", type=int, default=30, help="scenes for each skill")
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--failures", action="store_true", help="list every failed trial")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    robots, policies, verbs = (
        [name.strip() for name in text.split(",")] for text in (options.robots, options.policies, options.verbs)
    )
    seeds = range(options.first, options.first + options.episodes)
    pairs = [(robot, policy) for policy in policies for robot in robots]
    trials = [Trial(robot, policy, verb, seed) for robot, policy in pairs for verb in verbs for seed in seeds]

    console = Console()
    with ProcessPoolExecutor(options.workers, initializer=one_thread) as pool:
        outcomes = [*track(pool.map(run, trials), "trying", total=len(trials), console=console, transient=True)]
    table = Table("robot", "policy", "skill", "succeeded", "95% interval", "mean s")
    rows = []
    for robot, policy in pairs:
        label = "trained here" if policy.startswith("learned:") else policy
        mine = [(trial, out) for trial, out in zip(trials, outcomes, strict=True)
                if out and (trial.robot, trial.policy) == (robot, policy)]  # fmt: skip
        for verb in [*verbs, "all"]:
            tried = [out for trial, out in mine if verb in ("all", trial.verb)]
            if not tried:
                continue
            rate = Rate(sum(out.success for out in tried), len(tried))
            low, high = rate.interval
            seconds = float(np.mean([out.seconds for out in tried]))
            counts, interval = f"{rate.successes}/{rate.trials}", f"{low:.0%} to {high:.0%}"
            table.add_row(robot, label, verb, counts, interval, f"{seconds:.1f}", end_section=verb == "all")
            rows.append(Row(f"{robot}/{label}/{verb}", rate.value, "share"))
            rows.append(Row(f"{robot}/{label}/{verb}/successes", rate.successes, f"of {rate.trials}"))
            rows.append(Row(f"{robot}/{label}/{verb}/seconds", seconds, "s"))
    console.print(table)
    if options.failures:
        for trial, out in zip(trials, outcomes, strict=True):
            if out is None or not out.success:
                what = "no such scene" if out is None else f"{out.phrase}: {out.message}"
                console.print(f"{trial.robot}, {trial.policy}, seed {trial.seed}: {what}", highlight=False)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
