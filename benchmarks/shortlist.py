"""What is lost, and what is won, by narrowing 10,004 skills to a few before they are scored.

    python benchmarks/shortlist.py [--llm gemma:none] [--points 24] [--whole 2] [--quick] [--queries] [--json FILE]

A decision point is an instruction, the steps done so far and the values in that world: the first decision of every task
of plans.toml, and each decision along the plans of scoring.toml and house.toml, all in the big house of house.py. Three
questions are asked of each shortlister, at 8 to 128 skills, "done" among them, with Wilson's 95% intervals:

    say          is the skill on it that has the largest say of all 10,004?
    say x can    is the skill on it that SayCan would do, had it scored all?
    next step    is the next step of the plan on it? (no scores needed, so it is asked at every point with a plan)

Scoring all takes minutes a point on two cores. A model with an exact search needs it only where the search proves
nothing: no skill that is missing among its 256 likeliest texts can have more say than twice the last of them, so what
beats that, times the largest value of the missing ones, is the best of all. `--whole` points are scored whole
nevertheless, to time it and to compare. What was computed is kept in the cache folder under a hash of model, prompt and
options. Shortlisters are the model's own search and its embedding, where it has them, all-MiniLM-L6-v2 where it is
installed, and the words alone.
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
from saycan.planners.checked import checked_scores, checked_shortlist
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
SEARCHED = 256  # texts; the largest shortlist that is asked of a model's own search
WORDINGS = 2  # texts that one skill has at most
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


class Reference:
    """What scoring every option finds at a point. Computed once for a model, prompt and library, then read from files.

    Implements `saycan.language.Shortlister` over the whole library, by the exact search where the model has one.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.folder = cache_folder() / "benchmarks"
        self.folder.mkdir(parents=True, exist_ok=True)

    def scores(self, prompt: str) -> NDArray[np.float64]:
        """(M,) nats, one for each text."""
        return self._kept("scores", prompt, lambda: {"scores": checked_scores(self.model, prompt, TEXTS)})["scores"]

    def search(self, prompt: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The likeliest texts, best first, and (M,) nats: minus infinity for texts of skills without one there."""

        def compute() -> dict[str, Any]:
            ranked = checked_shortlist(self.model, prompt, TEXTS, SEARCHED)  # type: ignore[arg-type]
            listed = np.flatnonzero(np.isin(OWNERS, OWNERS[ranked]))
            scores = np.full(len(TEXTS), -np.inf)
            scores[listed] = checked_scores(self.model, prompt, [TEXTS[index] for index in listed])
            return {"ranked": ranked, "scores": scores}

        kept = self._kept("search", prompt, compute)
        return kept["ranked"], kept["scores"]

    def picks(self, point: Point, *, whole: bool = False) -> tuple[int, int, str]:
        """The skills with the largest say and the largest say x can of all, and how that is known."""
        can = point.values()
        if not whole and isinstance(self.model, Shortlister):
            ranked, scores = self.search(point.prompt)
            say, product = log_say(scores), log_say(scores) + logarithm(can)
            limit = scores[ranked[-1]] + np.log(WORDINGS)
            missing = np.setdiff1d(np.arange(len(LIBRARY)), OWNERS[ranked])
            if say.max() >= limit and product.max() >= limit + logarithm(can[missing]).max():
                return int(say.argmax()), int(product.argmax()), "proven"
        say = log_say(self.scores(point.prompt))
        return int(say.argmax()), int((say + logarithm(can)).argmax()), "all scored"

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices, best first; `options` must be all of them."""
        assert len(options) == len(TEXTS), "it is kept for the whole library"
        if isinstance(self.model, Shortlister):
            return self.search(prompt)[0][:count]
        return np.argsort(-self.scores(prompt), kind="stable")[:count]

    def _kept(self, kind: str, prompt: str, compute: Callable[[], dict[str, Any]]) -> dict[str, NDArray[Any]]:
        key = hashlib.sha256("\0".join([self.model.name, prompt, *TEXTS]).encode()).hexdigest()[:24]
        file = self.folder / f"shortlist-{kind}-{key}.npz"
        if not file.is_file():
            np.savez(file, **compute())
        with np.load(file) as kept:
            return dict(kept)


def log_say(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) nats of the skills, all wordings of one added up, from (M,) of the texts."""
    found = np.full(len(LIBRARY), -np.inf)
    np.logaddexp.at(found, OWNERS, scores)
    return found


def logarithm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus infinity at 0, without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def make_shortlisters(model: LanguageModel) -> dict[str, EmbeddingShortlister]:
    """The embeddings that this model and this computer offer, by name."""
    found: dict[str, EmbeddingShortlister] = {}
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


def exact_targets(reference: Reference, some: Sequence[Point]) -> dict[str, Callable[[Point], int]]:
    """What scoring everything would pick at these points, by say alone and by say times can."""
    say: dict[Point, int] = {}
    saycan: dict[Point, int] = {}
    for number, point in enumerate(some, start=1):
        say[point], saycan[point], how = reference.picks(point)
        where = f"{number} of {len(some)} ({how}): {point.instruction!r}, step {len(point.memory) + 1}"
        print(f"  {where}: say: {LIBRARY[say[point]]}; say x can: {LIBRARY[saycan[point]]}", flush=True)
    return {"say": say.__getitem__, "say x can": saycan.__getitem__}


def time_decisions(model: LanguageModel, shortlister: Shortlister, some: Sequence[Point]) -> float:
    """Mean seconds of a whole decision, values included, after a first one that fills the caches."""
    taken = []
    for point in [some[0], *some]:
        values = PrivilegedGeometricValues(point.house)
        planner = ShortlistPlanner(model, values, LIBRARY, PROMPT, shortlister=shortlister)
        began = perf_counter()
        planner.decide(point.instruction, point.memory, nothing_seen())
        taken.append(perf_counter() - began)
    return float(np.mean(taken[1:]))


def compare_whole(reference: Reference, some: Sequence[Point]) -> list[Row]:
    """Score some points whole, and print whether that finds what was found without."""
    same = sum(reference.picks(point)[:2] == reference.picks(point, whole=True)[:2] for point in some)
    taken = []
    for point in some:  # anew, also where the scores are kept from an earlier day
        began = perf_counter()
        checked_scores(reference.model, point.prompt, TEXTS)
        taken.append(perf_counter() - began)
    seconds = float(np.mean(taken))
    print(f"all {len(TEXTS)} texts scored at {len(some)} points: {same} picks the same; {seconds:.1f} s a point")
    return [Row("whole/same picks", same, f"of {len(some)}"), Row("seconds/all scored", seconds, "s")]


def show_times(
    model: LanguageModel, shortlisters: dict[str, Shortlister], some: Sequence[Point], whole: float | None
) -> list[Row]:
    """Print what a decision takes with each shortlister, beside scoring everything; the same figures as rows."""
    table = Table("shortlister", title=f"seconds for a decision over {len(LIBRARY)} skills, {COUNT} of them scored")
    table.add_column("seconds", justify="right")
    table.add_column("times faster than scoring all", justify="right")
    rows = []
    for name, one in shortlisters.items():
        seconds = time_decisions(model, one, some)
        table.add_row(name, f"{seconds:.2f}", "" if whole is None else f"{whole / seconds:.0f}")
        rows.append(Row(f"seconds/{name}", seconds, "s"))
    Console().print(table)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma:none", help="name of the language model")
    parser.add_argument("--points", type=int, default=24, help="points at which say is asked; 0 for none")
    parser.add_argument("--whole", type=int, default=2, help="of these, points that are scored whole as well")
    parser.add_argument("--quick", action="store_true", help="4 points, none whole, and 20 for the next step")
    parser.add_argument("--queries", action="store_true", help="compare what an embedding may look for")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    every = points()
    planned = [point for point in every if point.next is not None][: 20 if options.quick else None]
    asked = every[: min(4, options.points) if options.quick else options.points]
    model = make_language_model(options.llm)
    embeddings = make_shortlisters(model)
    print(f"{len(LIBRARY)} skills, {len(TEXTS)} texts, {len(every)} points; embeddings: {', '.join(embeddings)}")

    def next_step(point: Point) -> int:
        assert point.next is not None
        return point.next

    found = {}
    for name, one in embeddings.items():
        for query in QUERIES if options.queries else (one.query,):
            usual, one.query = one.query, query
            found[f"{name}, {query}" if options.queries else name] = recall(planned, one, {"": next_step})[""]
            one.query = usual
    rows = show("next step", found)

    if asked:
        reference = Reference(model)
        targets = exact_targets(reference, asked)
        ranked: dict[str, Shortlister] = {"the model's own ranking": reference, **embeddings}
        tables = {name: recall(asked, one, targets) for name, one in ranked.items()}
        for target in targets:
            rows += show(target, {name: by_target[target] for name, by_target in tables.items()})
        whole = None
        if options.whole and not options.quick:
            rows += compare_whole(reference, asked[: options.whole])
            whole = rows[-1].value
        timed: dict[str, Shortlister] = {"exact search": model} if isinstance(model, Shortlister) else {}
        rows += show_times(model, {**timed, **embeddings}, asked[:TIMED], whole)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
