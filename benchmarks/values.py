"""How good the learned values, the success detector and the sense for foreign pictures are, on scenes never seen.

    python benchmarks/values.py [--policy learned] [--episodes 60] [--verbs place,wipe] [--figure PNG] [--json FILE]
    python benchmarks/values.py --policy learned:POLICY --values VALUES          others than the shipped ones
    python benchmarks/values.py --hard 1 --again 3        how well can be known what will come of an attempt

Every episode starts in a scene in which its skill's symbolic precondition holds, half of them (`--hard`) hard ones, in
which it often fails, the others frozen ones; the policy tries, the simulator judges. Reported for each verb: how often
it succeeded (base rate), the area under the ROC curve (AUC) and the expected calibration error (ECE) of the learned
value and of the privileged geometric one, and the detector's balanced accuracy and share of false successes. A verb
counts where at least a fifth of its episodes went either way. Beside the AUC stands its 95% interval, beside
the ECE what values that are exactly right would have, for so few cases. What is plainly impossible is reported apart.

`--again N` makes every attempt N times more, with the robot moved by 2 mm, and in hard scenes the things moved by as
much, turned by a degree, and held 1 mm higher or lower, which no picture of 64 pixels shows: how well their mean tells
what came of the first one (AUC) is about as well as anything that looks at pictures could.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table
from trying import carry_out, one_thread

from saycan.compose import make_policy, make_robot, sample_scene
from saycan.errors import SceneError
from saycan.gate import Gate
from saycan.robots.kitchen.scene import Scene, Thing
from saycan.skill import Skill
from saycan.skills.detector import PrivilegedDetector
from saycan.skills.geometric import PrivilegedGeometricValues
from saycan.skills.kitchen import STRESS, held_out, kitchen_library
from saycan.skills.shipped import VALUES, Learned, learned
from saycan.statistics import Rate, auc, auc_interval, calibration_error, calibration_floor
from saycan.symbolic import precondition

LIBRARY = kitchen_library()
FINDS = tuple(skill for skill in LIBRARY if skill.verb == "find")
VERBS = ("pick up", "place", "put down", "trash", "bring", "wipe", "open", "close")
NUDGE, TURN, SLIP = 0.002, np.radians(1.0), 0.001  # m, rad, m
SEEN = "all but held out"
"""Without the combinations of verb and thing that nothing was learned from (`HELD_OUT`)."""

FEWEST = 0.2
"""Share of either outcome from which ranking them is worth a number."""


@dataclass(frozen=True)
class Trial:
    """One attempt: what was thought before, what happened, what was thought afterwards."""

    skill: Skill
    value: float
    geometric: float
    success: bool
    detected: bool
    impossible: tuple[float, ...]
    strange: float


def asked(verb: str, seed: int) -> Skill:
    """Which skill of that kind is attempted."""
    phrases = [skill for skill in LIBRARY if skill.verb == verb]
    return phrases[int(np.random.default_rng([3, seed]).integers(len(phrases)))]


def parts_of(robot: Gate, values: Path) -> Learned:
    """The learned parts of a robot, which look with the network in a file."""
    parts: Learned = learned(robot.driver)
    parts.values_file = values
    return parts


def attempt(verb: str, seed: int, scenes: str, policy: str, values: Path) -> Trial:
    """Ask, try, judge, ask again."""
    skill = asked(verb, seed)
    robot = Gate(make_robot("kitchen", scene=sample_scene(skill, seed, "evaluation", scenes)))
    parts = parts_of(robot, values)
    observation = robot.observe()
    world: Any = robot.driver
    skills = [one for one in LIBRARY if one.verb in VERBS]
    seen = parts.perception.ask(observation, skills)
    state = world.privileged_state()
    index = skills.index(skill)
    impossible = tuple(
        float(value) for one, value in zip(skills, seen.value, strict=True) if precondition(state, one) is not None
    )
    geometric = float(PrivilegedGeometricValues(world).values(observation, [skill])[0])
    detector = PrivilegedDetector(world)
    carry_out(robot, make_policy(policy, robot), skill)
    success = detector.detect(skill, observation, observation).success
    # Of the driver itself: the gate may have stopped the robot, which is an attempt as any other.
    detected = parts.detector().detect(skill, observation, robot.driver.observe()).success
    robot.close()
    return Trial(skill, float(seen.value[index]), geometric, success, detected, impossible, seen.strange)


def nudged(scene: Scene, seed: int, number: int) -> Scene:
    """The scene but for less than a picture shows."""
    rng = np.random.default_rng([5, seed, number])

    def moved(thing: Thing) -> Thing:
        if thing.pose is None:
            return thing
        x, y, z, yaw = thing.pose
        return replace(thing, pose=(x + rng.normal(0, NUDGE), y + rng.normal(0, NUDGE), z, yaw + rng.normal(0, TURN)))

    things = tuple(moved(thing) for thing in scene.things)
    ahead, left, turned = scene.base_offset
    offset = (ahead + rng.normal(0, NUDGE), left + rng.normal(0, NUDGE), turned)
    return replace(scene, things=things, base_offset=offset, grip=scene.grip + rng.normal(0, SLIP) * bool(scene.grip))


def outcome(verb: str, seed: int, scenes: str, policy: str, values: Path, number: int) -> bool | None:
    """What comes of the attempt in the scene nudged; None where a thing does not stay in the fingers or in place."""
    skill = asked(verb, seed)
    try:
        robot = Gate(make_robot("kitchen", scene=nudged(sample_scene(skill, seed, "evaluation", scenes), seed, number)))
    except SceneError:
        return None
    observation, world = robot.observe(), robot.driver
    parts_of(robot, values)
    carry_out(robot, make_policy(policy, robot), skill)
    success = PrivilegedDetector(world).detect(skill, observation, observation).success  # type: ignore[arg-type]
    robot.close()
    return success


def search(seed: int, present: bool, policy: str, values: Path) -> tuple[bool, bool]:
    """Look for a thing that is somewhere, or nowhere: whether the robot ended up before it, whether it says so."""
    skill = FINDS[int(np.random.default_rng([4, seed]).integers(len(FINDS)))]
    scene = sample_scene(skill, seed, "evaluation")
    if not present:
        scene = replace(scene, things=tuple(thing for thing in scene.things if thing.name != skill.object))
    robot = Gate(make_robot("kitchen", scene=scene))
    world: Any = robot.driver
    observation, parts = robot.observe(), parts_of(robot, values)
    carry_out(robot, make_policy(policy, robot), skill)
    found = PrivilegedDetector(world).detect(skill, observation, observation).success
    said = parts.detector().detect(skill, observation, robot.driver.observe()).success
    robot.close()
    return found, said


def foreign_pictures(values: Path, count: int = 200) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Strangeness of pictures of scenes never seen, and of others; and which are the others.

    The others: black, white and grey pictures, noise, the pictures of an earlier moment at another place (a camera that
    froze), a picture upside down, stripes, and the view of the room from a corner (a foreign scene).
    """
    rng = np.random.default_rng(0)
    scores, foreign = [], []
    phrases = [skill for skill in LIBRARY if skill.verb in VERBS]
    earlier: Any = None
    for number in range(count):
        skill = phrases[int(rng.integers(len(phrases)))]
        robot = Gate(make_robot("kitchen", scene=sample_scene(skill, 50_000 + number, "evaluation")))
        perception = parts_of(robot, values).perception
        observation = robot.observe()
        scores.append(perception.ask(observation, [skill]).strange)
        foreign.append(False)
        size = next(iter(observation.images.values())).shape
        stripes = np.broadcast_to((np.arange(size[1]) // 4 % 2 * 255).astype(np.uint8)[None, :, None], size)
        view: Any = robot.driver
        kinds: list[Any] = [
            {name: np.zeros(size, np.uint8) for name in observation.images},
            {name: np.full(size, int(rng.integers(100, 256)), np.uint8) for name in observation.images},
            {name: rng.integers(0, 256, size, dtype=np.uint8) for name in observation.images},
            {name: image[::-1].copy() for name, image in observation.images.items()},
            {name: stripes.copy() for name in observation.images},
            {name: view.view(size[1], size[0]) for name in observation.images},
            earlier,
        ]
        pictures = kinds[number % len(kinds)]
        earlier = observation.images
        if pictures is not None:
            changed = type(observation)(**{**vars(observation), "images": pictures})
            scores.append(perception.ask(changed, [skill]).strange)
            foreign.append(True)
        robot.close()
    return np.array(scores), np.array(foreign)


def timing(values: Path) -> tuple[float, float]:
    """Seconds of one question, and of 551 questions, about one observation."""
    robot = Gate(make_robot("kitchen"))
    perception = parts_of(robot, values).perception
    observation = robot.observe()
    phrases = [skill for skill in LIBRARY if skill.verb != "done"]
    many = (phrases * 4)[: len(kitchen_library(STRESS)) - 1]
    spent = []
    for skills in ([phrases[0]], many):
        perception.ask(observation, skills)
        began = perf_counter()
        for _ in range(20):
            perception.ask(observation, skills)
        spent.append((perf_counter() - began) / 20)
    robot.close()
    return spent[0], spent[1]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, draw the reliability plot, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="learned")
    parser.add_argument("--values", type=Path, default=VALUES, help="checkpoint of the value network")
    parser.add_argument("--episodes", type=int, default=60, help="for each verb; half of them in hard scenes")
    parser.add_argument("--hard", type=float, default=0.5, help="share of the scenes that are hard")
    parser.add_argument("--again", type=int, default=0, help="how often each attempt is made again, nudged")
    parser.add_argument("--searches", type=int, default=200, help="for a thing; half of them for one that is not there")
    parser.add_argument("--first", type=int, default=20_000, help="seed of the first scene")
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure", type=Path, help="the reliability plot, a PNG")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    verbs = [verb.strip() for verb in options.verbs.split(",")]
    if options.searches < 2:
        parser.error("--searches is at least 2: one for what is there and one for what is not")
    console = Console()
    numbers = range(options.episodes)
    # Hard ones spread evenly: every second where they are half.
    hard = [int((number + 1) * options.hard) > int(number * options.hard) for number in numbers]
    jobs = [
        (verb, options.first + number, ("frozen", "hard")[hard[number]], options.policy, options.values)
        for verb in verbs
        for number in numbers
    ]
    with ProcessPoolExecutor(options.workers, initializer=one_thread) as pool:
        futures = [pool.submit(attempt, *job) for job in jobs]
        trials = [future.result() for future in track(futures, "episodes", console=console, transient=True)]
        searches = [
            pool.submit(search, options.first + number, number % 2 == 0, options.policy, options.values)
            for number in range(options.searches)
        ]
        found = [future.result() for future in track(searches, "searches", console=console, transient=True)]
        repeated = [pool.submit(outcome, *job, number) for job in jobs for number in range(1, options.again + 1)]
        again = [future.result() for future in track(repeated, "again", console=console, transient=True)]
    rows = report_values(console, verbs, trials)
    if again:
        of_each = [again[first : first + options.again] for first in range(0, len(again), options.again)]
        rows += report_again(console, trials, of_each)
    impossible = np.array([value for trial in trials for value in trial.impossible])
    possible = np.array([trial.value for trial in trials])
    told = auc(np.concatenate([possible, impossible]), np.arange(len(possible) + len(impossible)) < len(possible))
    console.print(
        f"impossible phrases: mean value {impossible.mean():.3f}, above 0.5: {(impossible > 0.5).mean():.1%}, "
        f"AUC against possible ones {told:.3f}"
    )
    present, absent = found[::2], found[1::2]
    rows += report_searches(console, present, absent)
    scores, foreign = foreign_pictures(options.values)
    strange = auc(scores, foreign)
    console.print(
        f"foreign pictures: AUROC {strange:.3f}; abstained on {(scores[foreign] > 1).mean():.0%} of them and on "
        f"{(scores[~foreign] > 1).mean():.1%} of the kitchen's"
    )
    one, many = timing(options.values)
    console.print(f"one phrase {1e3 * one:.1f} ms, 551 phrases {1e3 * many:.1f} ms: {many / one:.2f}x")
    rows += [
        Row("value/impossible_mean", float(impossible.mean()), "probability"),
        Row("value/impossible_auc", told, "auc"),
        Row("foreign/auroc", strange, "auc"),
        Row("value/ms_one", 1e3 * one, "ms"),
        Row("value/ms_551", 1e3 * many, "ms"),
    ]
    if options.figure is not None:
        save_reliability(options.figure, trials)
    write_json(options.json, rows)


def report_values(console: Console, verbs: Sequence[str], trials: Sequence[Trial]) -> list[Row]:
    """Print the table; the rows of the JSON file."""
    table = Table("skill", "base rate", "AUC", "ECE", "geometric AUC", "ECE", "detected", "false success")
    rows: list[Row] = []
    for verb in [*verbs, "all", SEEN]:
        mine = [
            trial
            for trial in trials
            if verb in ("all", trial.skill.verb) or (verb == SEEN and not held_out(trial.skill))
        ]
        success = np.array([trial.success for trial in mine])
        learned_, geometric, detected = (
            np.array([getattr(trial, name) for trial in mine]) for name in ("value", "geometric", "detected")
        )
        base = float(success.mean())
        mixed = FEWEST <= base <= 1 - FEWEST
        low, high = auc_interval(learned_, success) if mixed else (float("nan"), float("nan"))
        hits = float(detected[success].mean()) if success.any() else float("nan")
        false = float(detected[~success].mean()) if (~success).any() else float("nan")
        figures = {
            "auc": auc(learned_, success) if mixed else float("nan"),
            "auc_low": low,
            "auc_high": high,
            "ece": calibration_error(learned_, success),
            "ece_floor": calibration_floor(learned_),
            "geometric_auc": auc(geometric, success) if mixed else float("nan"),
            "geometric_ece": calibration_error(geometric, success),
            "detected": 0.5 * (hits + 1 - false),
            "false_success": false,
        }
        table.add_row(
            verb, f"{base:.2f} of {len(mine)}", f"{figures['auc']:.3f} ({low:.2f}-{high:.2f})",
            f"{figures['ece']:.3f} ({figures['ece_floor']:.3f})", f"{figures['geometric_auc']:.3f}",
            f"{figures['geometric_ece']:.3f}", f"{figures['detected']:.3f}",
            f"{false:.3f} of {np.count_nonzero(~success)}",
        )  # fmt: skip
        rows.append(Row(f"value/base/{verb}", base, f"of {len(mine)}"))
        rows += [Row(f"value/{name}/{verb}", value, "share") for name, value in figures.items()]
    console.print(table)
    return rows


def report_again(console: Console, trials: Sequence[Trial], again: Sequence[Sequence[bool | None]]) -> list[Row]:
    """Print how well attempts that look the same tell what came of another; the rows of the JSON file."""
    rows = []
    for verb in [*dict.fromkeys(trial.skill.verb for trial in trials), "all"]:
        mine = [
            (trial.success, [one for one in others if one is not None], trial.value)
            for trial, others in zip(trials, again, strict=True)
            if verb in ("all", trial.skill.verb) and any(one is not None for one in others)
        ]
        success, values = np.array([one for one, _, _ in mine], bool), np.array([value for _, _, value in mine])
        if not FEWEST <= success.mean() <= 1 - FEWEST:
            continue
        known = auc(np.array([np.mean(others) for _, others, _ in mine]), success)
        learned_ = auc(values, success)
        console.print(f"{verb}, {len(mine)}: AUC of the same nudged {known:.3f}, of the value {learned_:.3f}")
        rows += [Row(f"value/known_auc/{verb}", known, "auc"), Row(f"value/known_value_auc/{verb}", learned_, "auc")]
    return rows


def report_searches(
    console: Console, present: Sequence[tuple[bool, bool]], absent: Sequence[tuple[bool, bool]]
) -> list[Row]:
    """Print how searches ended; the rows of the JSON file."""
    rates = {
        "found": Rate(sum(found for found, _ in present), len(present)),
        "found_and_said": Rate(sum(found and said for found, said in present), len(present)),
        "absent_and_said": Rate(sum(not said for _, said in absent), len(absent)),
    }
    console.print(f"find what is in the kitchen: found {rates['found']}; and said so {rates['found_and_said']}")
    console.print(f"find what is not there: said so {rates['absent_and_said']}")
    return [Row(f"find/{name}", rate.value, f"of {rate.trials}") for name, rate in rates.items()]


def save_reliability(path: Path, trials: Sequence[Trial]) -> None:
    """Draw how often skills of each value succeeded."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    success = np.array([trial.success for trial in trials])
    figure, axis = pyplot.subplots(figsize=(4.2, 4))
    axis.plot([0, 1], [0, 1], color="#999", linewidth=1)
    for name, color in (("value", "#c05621"), ("geometric", "#718096")):
        values = np.array([getattr(trial, name) for trial in trials])
        which = np.minimum((values * 10).astype(int), 9)
        bins = np.unique(which)
        axis.plot(
            [values[which == k].mean() for k in bins], [success[which == k].mean() for k in bins], "o-", color=color,
            label="learned" if name == "value" else "geometric (privileged)",
        )  # fmt: skip
    axis.set_xlabel("value")
    axis.set_ylabel("share that succeeded")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
