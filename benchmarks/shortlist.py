"""What is lost, and what is won, by narrowing 10,004 skills to a few before they are scored.

    python benchmarks/shortlist.py [--llm gemma] [--points 24 | --quick] [--queries] [--json FILE]

A decision point is an instruction, the steps done so far and the values in that world: the first decision of every task
of plans.toml, and each decision along the plans of scoring.toml and house.toml, all in the big house of house.py. Three
questions are asked of each shortlister, at 8 to 128 skills, "done" among them, with Wilson's 95% intervals:

    say          is the skill on it that has the largest say of all 10,004?
    say x can    is the skill on it that SayCan would do, had it scored all?
    next step    is the next step of the plan on it? (needs no scores, so it is asked at every point with a plan)

The first two need every option scored, minutes a point on two cores: they are asked at `--points` points, and the
scores are kept in the cache folder under a hash of model, prompt and options. Shortlisters are the model's own exact
search and its embedding, where it has them, all-MiniLM-L6-v2 where it is installed, and the words alone.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from house import House, house_library
from numpy.typing import NDArray
from report import Row, write_json
from rich.console import Console
from rich.table import Table

from saycan.cache import cache_folder
from saycan.compose import make_language_model
from saycan.language import LanguageModel, Shortlister, TextEmbedder
from saycan.observation import Observation
from saycan.planners.checked import checked_scores
from saycan.planners.embedding import QUERIES, EmbeddingShortlister
from saycan.planners.lexical import LexicalEmbedder
from saycan.planners.prompt import Prompt
from saycan.planners.sentence import SentenceEmbedder, packaged
from saycan.planners.shortlist import COUNT, ShortlistPlanner
from saycan.robots.kitchen.scene import parse_scene
from saycan.skills.geometric import PrivilegedGeometricValues
from saycan.statistics import Rate
from saycan.step import Memory, Outcome, Step

COUNTS = (8, 16, 32, 64, 128)
TIMED = 3  # decisions
HOUSE_SCENE = "with operator"
PROMPT = Prompt.load()
LIBRARY = house_library()
TEXTS, OWNERS = PROMPT.options(tuple(LIBRARY))


@dataclass(frozen=True)
class Point:
    """One decision to be made: `next` is the plan's own step, an index into the library, or None without a plan."""

    instruction: str
    memory: tuple[Memory, ...]
    house: House
    next: int | None

    @property
    def prompt(self) -> str:
        """What the model reads."""
        return PROMPT.render(self.instruction, self.memory)

    def values(self) -> NDArray[np.float64]:
        """(N,) can."""
        return PrivilegedGeometricValues(self.house).values(nothing_seen(), tuple(LIBRARY))


def nothing_seen() -> Observation:
    """The geometric values read the state, not the picture."""
    zeros = np.zeros(3)
    return Observation(0.0, {}, np.zeros(7), 1.0, zeros, np.array([1.0, 0.0, 0.0, 0.0]), zeros)


def points() -> list[Point]:
    """Every decision point; the sets take turns, and so do the first, second, ... decisions of a plan."""
    sets: dict[str, list[Iterator[Point]]] = {}
    for name in ("house", "scoring", "plans"):
        file = Path(__file__).with_name(f"{name}.toml")
        tasks = tomllib.loads(file.read_text(encoding="utf-8"))["task"]
        sets[name] = [along(task, seed) for seed, task in enumerate(tasks)]
    turns = [spread([list(steps) for steps in some]) for some in sets.values()]
    mixed = itertools.zip_longest(*turns)
    return [point for some in mixed for point in some if point is not None]


def along(task: dict[str, Any], seed: int) -> Iterator[Point]:
    """The decisions along a task's plan; the first one alone where there is no plan."""
    scene = parse_scene(task.get("scene", HOUSE_SCENE))
    plan = [LIBRARY.find(phrase) for phrase in task.get("plan", ())]
    dirty = [str(skill.place) for skill in plan if skill.verb == "wipe"]
    for count in range(max(1, len(plan))):
        house, memory = House(scene, seed, dirty), []
        for number, skill in enumerate(plan[:count], start=1):
            problem = house.perform(skill)
            assert problem is None, f"{task['instruction']}: {skill.phrase}: {problem}"
            memory.append(Step(number, skill, Outcome.SUCCEEDED))
        wanted = LIBRARY.phrases.index(plan[count].phrase) if plan else None
        yield Point(task["instruction"], tuple(memory), house, wanted)


def spread(plans: list[list[Point]]) -> list[Point]:
    """One point of every plan before the second of any, beginning at another step in each."""
    turned = [steps[i % len(steps) :] + steps[: i % len(steps)] for i, steps in enumerate(plans)]
    return [point for some in itertools.zip_longest(*turned) for point in some if point is not None]


class ScoredExactly:
    """Scores of all options, from the cache folder where they were found before; ranks by them.

    Implements `saycan.language.Shortlister` for a model that has no search of its own.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.folder = cache_folder() / "benchmarks"
        self.folder.mkdir(parents=True, exist_ok=True)

    def scores(self, prompt: str) -> tuple[NDArray[np.float64], float]:
        """(M,) nats, one for each text, and the seconds it took when it was computed."""
        key = hashlib.sha256("\0".join([self.model.name, prompt, *TEXTS]).encode()).hexdigest()[:24]
        file = self.folder / f"shortlist-{key}.npz"
        if not file.is_file():
            began = perf_counter()
            scores = checked_scores(self.model, prompt, TEXTS)
            np.savez(file, scores=scores, seconds=perf_counter() - began)
        with np.load(file) as kept:
            return kept["scores"], float(kept["seconds"])

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices, best first; `options` must be all of them."""
        assert len(options) == len(TEXTS), "scores are kept for the whole library"
        return np.argsort(-self.scores(prompt)[0], kind="stable")[:count]


def make_shortlisters(model: LanguageModel) -> dict[str, Shortlister]:
    """Whatever this model and this computer offer, by name."""
    found: dict[str, Shortlister] = {}
    if isinstance(model, Shortlister):
        found["exact search"] = model
    if isinstance(model, TextEmbedder):
        found[f"embedding of {model.name}"] = EmbeddingShortlister(model, PROMPT)
    if packaged() is not None:
        found["MiniLM"] = EmbeddingShortlister(SentenceEmbedder(), PROMPT)
    found["words"] = EmbeddingShortlister(LexicalEmbedder(), PROMPT)
    return found


def recall(
    some: Sequence[Point], shortlister: Shortlister, targets: dict[str, Callable[[Point], int]]
) -> dict[str, dict[int, Rate]]:
    """Target to count to how often the target is on the shortlist; one ranking serves all."""
    hits = {name: dict.fromkeys(COUNTS, 0) for name in targets}
    done = len(LIBRARY) - 1
    for point in some:
        ranked = OWNERS[shortlister.shortlist(point.prompt, TEXTS, max(COUNTS) - 1)]
        for name, target in targets.items():
            wanted = target(point)
            for count in COUNTS:
                hits[name][count] += wanted == done or wanted in ranked[: count - 1]
    return {name: {count: Rate(found, len(some)) for count, found in by.items()} for name, by in hits.items()}


def show(title: str, found: dict[str, dict[int, Rate]]) -> list[Row]:
    """Print one target's table, a row for each shortlister; the same figures as rows."""
    table = Table("shortlister", title=title)
    for count in COUNTS:
        table.add_column(f"of {count}", justify="right")
    rows = []
    for name, by_count in found.items():
        cells = []
        for count, rate in by_count.items():
            low, high = rate.interval
            cells.append(f"{rate.successes}/{rate.trials}\n{low:.0%} to {high:.0%}")
            rows += [
                Row(f"recall/{title}/{name}/{count}", rate.value, "share"),
                Row(f"hits/{title}/{name}/{count}", rate.successes, f"of {rate.trials}"),
            ]
        table.add_row(name, *cells)
    Console().print(table)
    return rows


def exact_targets(exact: ScoredExactly, some: Sequence[Point]) -> dict[str, Callable[[Point], int]]:
    """What scoring everything would pick at these points, by say alone and by say times can."""
    say: dict[Point, int] = {}
    saycan: dict[Point, int] = {}
    for number, point in enumerate(some, start=1):
        scores, seconds = exact.scores(point.prompt)
        log_say = np.full(len(LIBRARY), -np.inf)
        np.logaddexp.at(log_say, OWNERS, scores)
        with np.errstate(divide="ignore"):
            product = log_say + np.log(point.values())
        say[point], saycan[point] = int(log_say.argmax()), int(product.argmax())
        picks = f"say: {LIBRARY[say[point]]}; say x can: {LIBRARY[saycan[point]]}"
        print(f"  {number} of {len(some)}: {point.instruction!r}, step {len(point.memory) + 1}: {picks}"
              f" ({seconds:.0f} s)", flush=True)  # fmt: skip
    return {"say": say.__getitem__, "say x can": saycan.__getitem__}


def time_decisions(model: LanguageModel, shortlister: Shortlister, some: Sequence[Point]) -> float:
    """Mean seconds of a whole decision, values included, after a first one that fills the caches."""
    taken = []
    for point in [some[0], *some]:
        planner = ShortlistPlanner(
            model, PrivilegedGeometricValues(point.house), LIBRARY, PROMPT, shortlister=shortlister
        )
        began = perf_counter()
        planner.decide(point.instruction, point.memory, nothing_seen())
        taken.append(perf_counter() - began)
    return float(np.mean(taken[1:]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma", help="name of the language model")
    parser.add_argument("--points", type=int, default=24, help="points at which everything is scored; 0 scores nothing")
    parser.add_argument("--quick", action="store_true", help="4 points, and 20 for the next step")
    parser.add_argument("--queries", action="store_true", help="compare what an embedding may look for")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    every = points()
    planned = [point for point in every if point.next is not None][: 20 if options.quick else None]
    scored = every[: 4 if options.quick else options.points]
    model = make_language_model(options.llm)
    shortlisters = make_shortlisters(model)
    print(f"{len(LIBRARY)} skills, {len(TEXTS)} texts, {len(every)} points; {', '.join(shortlisters)}")
    rows: list[Row] = []

    def next_step(point: Point) -> int:
        assert point.next is not None
        return point.next

    embedded = {name: one for name, one in shortlisters.items() if isinstance(one, EmbeddingShortlister)}
    found = {name: recall(planned, one, {"": next_step})[""] for name, one in embedded.items()}
    if options.queries:
        for (name, one), query in itertools.product(embedded.items(), QUERIES):
            chosen, one.query = one.query, query
            found[f"{name}, {query}"] = recall(planned, one, {"": next_step})[""]
            one.query = chosen
    rows += show("next step", found)

    if scored:
        exact = ScoredExactly(model)
        targets = exact_targets(exact, scored)
        shortlisters = {**shortlisters} if "exact search" in shortlisters else {"all scored": exact, **shortlisters}
        tables = {name: recall(scored, one, targets) for name, one in shortlisters.items()}
        for target in targets:
            rows += show(target, {name: by_target[target] for name, by_target in tables.items()})
        rows += show_times(model, shortlisters, exact, scored)
    write_json(options.json, rows)


def show_times(
    model: LanguageModel, shortlisters: dict[str, Shortlister], exact: ScoredExactly, some: Sequence[Point]
) -> list[Row]:
    """Print what a decision takes with each shortlister, and by scoring everything; the same figures as rows."""
    table = Table(
        "decision", "seconds", "times faster", title=f"one decision over {len(LIBRARY)} skills, {COUNT} scored"
    )
    whole = float(np.median([exact.scores(point.prompt)[1] for point in some]))
    table.add_row("all scored (median)", f"{whole:.2f}", "1")
    rows = [Row("seconds/all scored", whole, "s")]
    for name, one in shortlisters.items():
        if one is not exact:
            seconds = time_decisions(model, one, some[:TIMED])
            table.add_row(name, f"{seconds:.2f}", f"{whole / seconds:.0f}")
            rows += [Row(f"seconds/{name}", seconds, "s"), Row(f"speedup/{name}", whole / seconds, "times")]
    Console().print(table)
    return rows


if __name__ == "__main__":
    main()
