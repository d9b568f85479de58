"""How fast the default language model scores a library of skills, and that it does so exactly.

    python benchmarks/say.py [--llm gemma:none] [--sizes 75 151 551] [--sample 12 | --whole] [--dtype auto]
                             [--json FILE]

Four ways to the same numbers, one model, one dtype, one run:

    one forward an option     the definition: prompt and option through the whole model, logits for every token
    ... option's logits only  the same, but the output head runs on the option's own tokens alone
    batches, shared cache     the prompt once; options in batches on its key/value cache, padded to one length
    prefix tree               what `saycan.planners.transformers` does
    ... next decision         the same one step later in a run: the prompt has grown by a line

The first two take many minutes for a whole library, so they are timed on every k-th option (--sample) and multiplied;
--whole times all of them. Which ways were sampled is printed. Every option of a sample is compared with the tree's
score. Let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import Row, write_json
from rich.console import Console
from rich.progress import track
from rich.table import Table

from saycan.compose import make_language_model
from saycan.planners.prompt import Prompt
from saycan.planners.transformers import TransformersModel
from saycan.skill import Skill
from saycan.skills.kitchen import STRESS, kitchen_library
from saycan.step import Outcome, Step

INSTRUCTION = "clean the counter"
AFTER = (Step(1, Skill("find the sponge", "find", "sponge"), Outcome.SUCCEEDED),)
BATCH = 16  # options on one copy of the cache
console = Console(width=120)


@dataclass
class Way:
    """One way of scoring a library, and what it took.

    Attributes:
        name: For the table.
        scores: (N,) nats; NaN where an option was not scored.
        seconds: For all options, scaled up from a sample.
        fed: Tokens through the body, for all options.
        rows: Places at which the output head ran, for all options.
        sampled: Options that were timed, when not all of them were.
    """

    name: str
    scores: NDArray[np.float64]
    seconds: float
    fed: float
    rows: float
    sampled: int | None = None


def one_forward(
    model: TransformersModel, head: list[int], tails: list[list[int]], sample: Sequence[int], *, sparing: bool
) -> Way:
    """The definition, with nothing shared between options."""
    import torch

    scores, fed, rows = np.full(len(tails), np.nan), 0, 0
    network = model.model
    network(input_ids=torch.tensor([head]), use_cache=False)  # the first call is slower than any other
    began = perf_counter()
    for index in track(sample, "one forward an option", console=console, transient=True):
        ids, count = head + tails[index], len(tails[index])
        wanted = {"logits_to_keep": count + 1} if sparing else {}
        logits = network(input_ids=torch.tensor([ids]), use_cache=False, **wanted).logits[0]
        likely = logits[-count - 1 : -1].float().log_softmax(dim=-1)
        scores[index] = float(likely[range(count), tails[index]].double().sum())
        fed += len(ids)
        rows += len(logits)
    scale = len(tails) / len(sample)
    seconds = (perf_counter() - began) * scale
    name = "... option's logits only" if sparing else "one forward an option"
    return Way(name, scores, seconds, fed * scale, rows * scale, len(sample) if scale > 1 else None)


def batches(model: TransformersModel, head: list[int], tails: list[list[int]]) -> Way:
    """The prompt once, the options in batches on its cache."""
    import torch
    from transformers import DynamicCache

    network = model.model
    scores, fed, rows = np.full(len(tails), np.nan), len(head), 1
    began = perf_counter()
    cache = DynamicCache()
    first = network(input_ids=torch.tensor([head]), past_key_values=cache, use_cache=True, logits_to_keep=1).logits
    first = first[0, -1].float().log_softmax(dim=-1)  # (V,) for the first token of every option
    for start in track(range(0, len(tails), BATCH), "batches, shared cache", console=console, transient=True):
        some = tails[start : start + BATCH]
        longest = max(map(len, some))
        copy = DynamicCache()
        for layer, kept in enumerate(cache.layers):
            keys = kept.keys.expand(len(some), -1, -1, -1), kept.values.expand(len(some), -1, -1, -1)
            copy.update(*keys, layer)
        ids = torch.tensor([tail + [0] * (longest - len(tail)) for tail in some])  # what comes last is seen by nobody
        places = torch.arange(len(head), len(head) + longest)[None]
        logits = network(input_ids=ids, past_key_values=copy, position_ids=places, use_cache=True).logits
        likely = logits.float().log_softmax(dim=-1)  # (B, L, V)
        for row, tail in enumerate(some):
            rest = [float(likely[row, place, token]) for place, token in enumerate(tail[1:])]
            scores[start + row] = float(first[tail[0]]) + sum(rest)
        fed += ids.numel()
        rows += ids.numel()
    return Way("batches, shared cache", scores, perf_counter() - began, fed, rows)


def tree(model: TransformersModel, prompt: str, texts: list[str], name: str) -> Way:
    """What the product does, tokenising included, from the state that its cache is in."""
    fed, rows = model.network.fed, model.head.rows
    began = perf_counter()
    scores = model.score(prompt, texts)
    return Way(name, scores, perf_counter() - began, model.network.fed - fed, model.head.rows - rows)


def best(measured: Callable[[], Way]) -> Way:
    """The fastest of three, for every way alike: whatever else a computer does only takes time."""
    return min((measured() for _ in range(3)), key=lambda way: way.seconds)


def best_tree(model: TransformersModel, prompt: str, texts: list[str], before: str | None, name: str) -> Way:
    """The fastest of three, each from an empty cache or from one that holds the prompt `before`."""

    def once() -> Way:
        model.network.forget()
        if before is not None:
            model.score(before, texts[:1])
        return tree(model, prompt, texts, name)

    return best(once)


def read_prompt(model: TransformersModel, prompt: str, texts: list[str], before: str | None) -> tuple[float, int]:
    """Seconds and tokens that reading a prompt alone takes, from an empty cache or after another one; best of three."""
    import torch

    head, _ = model.split(prompt, texts)
    found = []
    for _ in range(3):
        model.network.forget()
        with torch.inference_mode():
            if before is not None:
                model.network.read(model.split(before, texts)[0][:-1])
            fed, began = model.network.fed, perf_counter()
            model.network.read(head[:-1])
            found.append((perf_counter() - began, model.network.fed - fed))
    return min(found)


def peak(dtype: Any) -> float:
    """Floating-point operations a second in a large matrix product, the best of five."""
    import torch

    one = torch.randn(2048, 2048).to(dtype)
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        torch.mm(one, one)
        best = min(best, perf_counter() - began)
    return float(2 * 2048**3 / best)


def work(model: TransformersModel, way: Way) -> float:
    """Floating-point operations in the matrices of body and head; attention comes on top."""
    config = model.network.config
    inside = sum(weight.numel() for weight in model.network.body.parameters()) - model.head.weight.numel()
    return float(2 * inside * way.fed + 2 * config.vocab_size * config.hidden_size * way.rows)


def measure(model: TransformersModel, size: int, sample: int | None, fastest: float) -> list[Row]:
    """One library: print its table, return its figures."""
    import torch

    prompt = Prompt.load()
    skills = list(kitchen_library(STRESS))
    skills = [skills[round(place)] for place in np.linspace(0, len(skills) - 1, size)]
    texts, _ = prompt.options(skills)
    first, second = prompt.render(INSTRUCTION), prompt.render(INSTRUCTION, AFTER)
    head, tails = model.split(first, texts)
    chosen = range(len(texts)) if sample is None else np.linspace(0, len(texts) - 1, sample).astype(int).tolist()
    with torch.inference_mode():
        ways = [
            best(lambda: one_forward(model, head, tails, chosen, sparing=False)),
            best(lambda: one_forward(model, head, tails, chosen, sparing=True)),
            best(lambda: batches(model, head, tails)),
        ]
    cold = best_tree(model, first, texts, None, "prefix tree")
    later = best_tree(model, second, texts, first, "... next decision")
    afresh = best_tree(model, second, texts, None, "the same, nothing kept")
    whole, _ = read_prompt(model, second, texts, None)
    rest, new = read_prompt(model, second, texts, first)
    ways += [cold, later]
    title = f"{size} phrases, {len(texts)} texts, prompt of {len(head)} tokens, {model.network.dtype}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("", "tokens fed", "head rows", "seconds", "vs one forward", "vs batches", "of peak", ""):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for way in ways:
        share = work(model, way) / way.seconds / fastest
        table.add_row(
            way.name,
            f"{way.fed:,.0f}",
            f"{way.rows:,.0f}",
            f"{way.seconds:.2f}",
            f"{ways[0].seconds / way.seconds:.1f}x",
            f"{ways[2].seconds / way.seconds:.1f}x",
            f"{share:.0%}",
            "" if way.sampled is None else f"{way.sampled} of {len(texts)} timed",
        )
    console.print(table)
    apart = max(float(np.nanmax(np.abs(way.scores - cold.scores))) for way in ways[:3])
    saving = 1.0 - rest / whole
    console.print(
        f"largest difference from the definition: {apart:.1e} nats\n"
        f"next decision: {new} new tokens of the prompt read instead of {later_tokens(model, second, texts)}, in "
        f"{rest:.2f} instead of {whole:.2f} s ({saving:.0%} saved); the whole decision {later.seconds:.2f} instead of "
        f"{afresh.seconds:.2f} s ({afresh.seconds / later.seconds:.2f}x)\n",
        highlight=False,
    )
    return [
        Row(f"speedup_vs_naive_{size}", ways[0].seconds / cold.seconds, "x"),
        Row(f"speedup_vs_naive_sparing_{size}", ways[1].seconds / cold.seconds, "x"),
        Row(f"speedup_vs_batched_{size}", ways[2].seconds / cold.seconds, "x"),
        Row(f"seconds_{size}", cold.seconds, "s"),
        Row(f"second_decision_prompt_saving_{size}", saving, "fraction"),
        Row(f"second_decision_new_tokens_{size}", new, "tokens"),
        Row(f"second_decision_speedup_{size}", afresh.seconds / later.seconds, "x"),
        Row(f"share_of_peak_{size}", work(model, cold) / cold.seconds / fastest, "fraction"),
        Row(f"max_abs_difference_{size}", apart, "nats"),
    ]


def later_tokens(model: TransformersModel, prompt: str, texts: list[str]) -> int:
    """Tokens of a prompt that are read before the tree."""
    return len(model.split(prompt, texts)[0]) - 1


def main() -> None:
    """Measure each size of library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="gemma:none", help="gemma, or transformers:PATH")
    parser.add_argument("--sizes", type=int, nargs="+", default=[75, 151, 551], help="phrases in the library")
    parser.add_argument("--sample", type=int, default=12, help="options timed in the two slowest ways")
    parser.add_argument("--whole", action="store_true", help="time every option in every way")
    parser.add_argument("--dtype", default="auto", help="of the model, for all ways: float32, bfloat16")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    model = make_language_model(options.llm, dtype=options.dtype)
    if not isinstance(model, TransformersModel) or not model.reads_trees:
        sys.exit(f"{options.llm!r} does not score by a prefix tree; give it gemma or transformers:PATH")
    fastest = peak(model.network.dtype)
    console.print(f"{model.name}: matrix products reach {fastest / 1e9:.0f} GFLOP/s here\n", highlight=False)
    rows: list[Row] = [Row("peak", fastest / 1e9, "GFLOP/s")]
    for size in options.sizes:
        rows += measure(model, size, None if options.whole else options.sample, fastest)
    rows.append(Row("max_abs_difference", max(row.value for row in rows if "max_abs" in row.name), "nats"))
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
