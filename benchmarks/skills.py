"""How often each skill succeeds, in scenes of the frozen distribution that nothing was tuned or trained on.

    python benchmarks/skills.py [--policy experts] [--episodes 100] [--verbs "pick up,wipe"] [--json FILE]
    python benchmarks/skills.py --policy learned --phrases unseen      combinations of verb and object never trained
    python benchmarks/skills.py --policy learned --variation camera    or colors, sizes, kitchen
    python benchmarks/skills.py --policy learned --blind               the policy is told another phrase

Success is read from the simulator's own state after the skill has ended; intervals are Wilson's, 95%. Rows of the JSON
file are NAME/SKILL: success, unseen, blind or the variation.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from report import Row, write_json
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from trying import carry_out, one_thread, skill_of

from saycan.action import Action
from saycan.compose import make_policy, sample_scene
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.policy import Policy, close_policy
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.distribution import DISTRIBUTION, SPLITS
from saycan.skill import Skill
from saycan.skills.detector import PrivilegedDetector
from saycan.skills.kitchen import HELD_OUT, held_out, kitchen_library
from saycan.statistics import Rate
from saycan.step import Outcome

LIBRARY = kitchen_library()
VERBS = tuple(dict.fromkeys(skill.verb for skill in LIBRARY if skill.verb != "done"))


@dataclass(frozen=True)
class Episode:
    """One trial: which skill in which scene, and how it went.

    Attributes:
        disturbed: Another thing ended up elsewhere.
        seconds: By the robot's clock.
        energy: Mechanical work of all motors, J.
        thinking: Mean seconds of one action of the policy, on one core.
    """

    skill: Skill
    seed: int
    success: bool
    disturbed: bool
    seconds: float
    energy: float
    thinking: float
    message: str


@dataclass(frozen=True)
class Trial:
    """What an episode is tried with.

    Attributes:
        policy: Name as in `compose.make_policy`.
        split: Of the scenes' seeds.
        variation: "frozen", or how scenes differ from all that was trained on.
        phrases: "all", "seen" or "unseen": combinations of verb and object in training.
        blind: Whether the policy is told another phrase than the one that success is judged by.
    """

    policy: str
    split: str = "evaluation"
    variation: str = "frozen"
    phrases: str = "all"
    blind: bool = False


class Misled:
    """A policy that hears another phrase: what it does then is what it does without listening.

    Args:
        policy: The policy.
        skill: What it hears, always.
    """

    def __init__(self, policy: Policy, skill: Skill) -> None:
        self._policy, self._skill = policy, skill

    def reset(self, skill: Skill) -> None:
        """Begin the other skill."""
        self._policy.reset(self._skill)

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action for the other skill."""
        return self._policy.act(observation, self._skill)


class Timed:
    """A policy whose thinking is timed.

    Args:
        policy: The policy.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy, self.spent, self.calls = policy, 0.0, 0

    def reset(self, skill: Skill) -> None:
        """Begin a skill."""
        self._policy.reset(skill)

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The policy's action."""
        began = perf_counter()
        action = self._policy.act(observation, skill)
        self.spent += perf_counter() - began
        self.calls += 1
        return action


def another(skill: Skill, seed: int) -> Skill:
    """Another phrase, of the same verb where it has several."""
    others = [other for other in LIBRARY if other.verb == skill.verb and other != skill]
    others = others or [other for other in LIBRARY if other.verb not in (skill.verb, "done")]
    return others[int(np.random.default_rng(seed).integers(len(others)))]


def run_episode(verb: str, seed: int, trial: Trial) -> Episode:
    """Carry out one skill in its scene."""
    phrases = [one for one in LIBRARY if trial.phrases == "all" or held_out(one) == (trial.phrases == "unseen")]
    skill = skill_of(phrases, verb, seed)
    cameras = () if trial.policy == "experts" else ("head", "wrist")  # privileged experts look at nothing
    robot = Gate(Kitchen(sample_scene(skill, seed, trial.split, trial.variation), cameras=cameras))
    before = places_of_others(robot, skill)
    made = make_policy(trial.policy, robot)
    policy = Timed(made)
    told = Misled(policy, another(skill, seed)) if trial.blind else policy
    began = robot.driver.energy  # type: ignore[attr-defined]
    step, ticks = carry_out(robot, told, skill, PrivilegedDetector(robot.driver))  # type: ignore[arg-type]
    after = places_of_others(robot, skill)
    energy = float(robot.driver.energy - began)  # type: ignore[attr-defined]
    robot.close()
    close_policy(made)
    # A policy that has done the deed and does not say so has failed all the same: the step has timed out.
    success, seconds = step.outcome is Outcome.SUCCEEDED, ticks / robot.spec.rate
    thinking = policy.spent / max(policy.calls, 1)
    message = f"{step.outcome}: {step.message}"
    return Episode(skill, seed, success, before != after, seconds, energy, thinking, message)


def places_of_others(robot: Gate, skill: Skill) -> dict[str, str | None]:
    """Where everything is that the skill is not about."""
    state = robot.driver.privileged_state()  # type: ignore[attr-defined]
    return {thing.id: thing.place for thing in state.objects if thing.name != skill.object and not thing.held}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", default="experts", help="name as in compose.make_policy")
    parser.add_argument("--episodes", type=int, default=100, help="scenes for each verb")
    parser.add_argument("--first", type=int, default=0, help="seed of the first scene")
    parser.add_argument("--split", choices=SPLITS, default="evaluation")
    parser.add_argument("--variation", default="frozen", help="frozen, camera, colors, sizes or kitchen")
    parser.add_argument("--phrases", choices=("all", "seen", "unseen"), default="all")
    parser.add_argument("--blind", action="store_true", help="tell the policy another phrase")
    parser.add_argument("--verbs", default=",".join(VERBS), help="comma-separated")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--failures", action="store_true", help="list every failed episode")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    verbs = [verb.strip() for verb in options.verbs.split(",")]
    trial = Trial(options.policy, options.split, options.variation, options.phrases, options.blind)
    if options.phrases == "unseen":
        verbs = [verb for verb in verbs if verb in HELD_OUT]
    seeds = range(options.first, options.first + options.episodes)

    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    episodes: list[Episode] = []
    with (
        ProcessPoolExecutor(options.workers, initializer=one_thread) as pool,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        futures = [pool.submit(run_episode, verb, seed, trial) for verb in verbs for seed in seeds]
        bar = progress.add_task("episodes", total=len(futures))
        for future in futures:
            episodes.append(future.result())
            progress.advance(bar)

    title = f"{options.policy}: {options.split} scenes, distribution version {DISTRIBUTION.version}"
    name = "success"
    if options.phrases != "all":
        name, title = options.phrases, f"{title}, {options.phrases} combinations"
    if options.variation != "frozen":
        name, title = options.variation, f"{title}, another {options.variation}"
    if options.blind:
        name, title = "blind", f"{title}, told another phrase"
    table = Table("skill", "succeeded", "rate", "95% interval", "disturbed others", "mean s", "mean J", title=title)
    rows = []
    for verb in verbs:
        tried = [episode for episode in episodes if episode.skill.verb == verb]
        rate = Rate(sum(episode.success for episode in tried), len(tried))
        low, high = rate.interval
        seconds = float(np.mean([episode.seconds for episode in tried]))
        disturbed = sum(episode.disturbed for episode in tried)
        share, interval = f"{rate.value:.0%}", f"{low:.0%} to {high:.0%}"
        energy = float(np.mean([episode.energy for episode in tried]))
        counts = f"{rate.successes}/{rate.trials}"
        table.add_row(verb, counts, share, interval, str(disturbed), f"{seconds:.1f}", f"{energy:.0f}")
        rows += [
            Row(f"{name}/{verb}", rate.value, "share"),
            Row(f"successes/{verb}", rate.successes, f"of {rate.trials}"),
            Row(f"disturbed/{verb}", disturbed / rate.trials, "share"),
            Row(f"seconds/{verb}", seconds, "s"),
            Row(f"energy/{verb}", energy, "J"),
        ]
    console.print(table)
    asked = [one for one in episodes if one.skill.verb not in ("find", "go to")]  # which hardly ask a network
    thinking = float(np.mean([episode.thinking for episode in asked or episodes]))
    console.print(f"an action takes the policy {1e3 * thinking:.1f} ms on one core: {1 / thinking:.0f} Hz")
    rows.append(Row("thinking", 1e3 * thinking, "ms"))
    if options.failures:
        for episode in episodes:
            if not episode.success:
                console.print(f"seed {episode.seed}: {episode.skill.phrase}: {episode.message}", highlight=False)
        console.print(Counter(episode.skill.phrase for episode in episodes if not episode.success).most_common(12))
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
