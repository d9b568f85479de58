"""How success grows with the number of demonstrations: one network, one recipe, more and more of the same data.

    python benchmarks/demonstrations.py data/demos [--counts 100,300,1000,3000] [--steps 1500] [--figure PNG]

For each count a policy is trained from nothing on the first so many episodes, and tried in scenes of the frozen
distribution that nothing was trained on. What is trained stays in --out, so that the same command goes on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table
from trying import one_thread

from saycan.skills.checkpoint import load
from saycan.skills.training.run import Job
from saycan.statistics import Rate
from saycan.train import train
from saycan.training.loop import Recipe
from skills import Trial, run_episode


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, try, print the table, draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="folders of demonstrations")
    parser.add_argument("--counts", default="100,300,1000,3000", help="episodes to learn from, comma-separated")
    parser.add_argument("--network", default="bcz")
    parser.add_argument("--steps", type=int, default=1500, help="batches of 256, the same for each count")
    parser.add_argument("--verbs", default="pick up,place,trash", help="comma-separated")
    parser.add_argument("--episodes", type=int, default=50, help="scenes for each verb")
    parser.add_argument("--out", type=Path, default=Path("runs/demonstrations"))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure", type=Path, help="the curve, a PNG")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    verbs = [verb.strip() for verb in options.verbs.split(",")]
    counts = [int(count) for count in options.counts.split(",")]
    console = Console()

    rates: dict[str, list[Rate]] = {verb: [] for verb in verbs}
    learned: list[int] = []
    for count in counts:
        job = Job(options.data, options.out / str(count), Recipe(steps=options.steps), limit=count)
        with console.status(f"training on {count} episodes"):
            file = train("policy", job, network=options.network)
        learned.append(int(load(file).about["episodes"]))  # there may be fewer
        trial = Trial(f"learned:{file}")
        with ProcessPoolExecutor(options.workers, initializer=one_thread) as pool:
            work = [(verb, seed) for verb in verbs for seed in range(options.episodes)]
            futures = [pool.submit(run_episode, verb, seed, trial) for verb, seed in work]
            tried = [future.result() for future in track(futures, "trying", console=console, transient=True)]
        for verb in verbs:
            mine = [episode.success for episode in tried if episode.skill.verb == verb]
            rates[verb].append(Rate(sum(mine), len(mine)))

    table = Table("episodes", *verbs, title=f"{options.network}, {options.steps} batches")
    for index, count in enumerate(learned):
        table.add_row(str(count), *(f"{rates[v][index].successes}/{rates[v][index].trials}" for v in verbs))
    console.print(table)
    if options.figure is not None:
        save_figure(options.figure, learned, rates)
    write_json(
        options.json,
        [
            Row(f"demonstrations/{count}/{verb}", rates[verb][index].value, "share")
            for verb in verbs
            for index, count in enumerate(learned)
        ],
    )


def save_figure(path: Path, counts: Sequence[int], rates: dict[str, list[Rate]]) -> None:
    """Draw success against the number of demonstrations, with 95% intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 3.4))
    for verb, points in rates.items():
        values = [rate.value for rate in points]
        below = [rate.value - rate.interval[0] for rate in points]
        above = [rate.interval[1] - rate.value for rate in points]
        axis.errorbar(counts, values, (below, above), marker="o", capsize=3, label=verb)
    axis.set_xscale("log")
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("demonstrations, of all of these")
    axis.set_ylabel("success")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
