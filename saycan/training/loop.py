"""The training loop that everything learned here shares.

AdamW with a warm-up and a cosine to zero, gradients clipped, and an exponential moving average of the weights, which is
what is evaluated and kept. Batch k follows from the seed and k alone, so a run that was killed goes on as if nothing
had happened from its last save.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saycan.errors import BadInputError

STATE, CURVE = "state.safetensors", "curve.jsonl"


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    Attributes:
        steps: Batches in all.
        batch: Rows in a batch.
        rate: Highest learning rate, reached after `warmup` steps.
        decay: Weight decay.
        average: Decay of the moving average of the weights.
        clip: Largest norm of a gradient.
        seed: Of weights and batches.
        save: Seconds between two saves.
        evaluate: Steps between two evaluations.
    """

    steps: int = 6000
    batch: int = 256
    rate: float = 1e-3
    warmup: int = 200
    decay: float = 1e-4
    average: float = 0.999
    clip: float = 1.0
    seed: int = 0
    save: float = 60.0
    evaluate: int = 500

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear up, cosine down."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes:
        step: Batches done.
        losses: Means since the last evaluation; in a report between two of them of the last 50 batches at most.
        scores: Of the last evaluation.
        seconds: Spent training, over all pieces.
    """

    step: int
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    seconds: float


def train(
    network: nn.Module,
    losses: Callable[[nn.Module, np.random.Generator, int], dict[str, Tensor]],
    recipe: Recipe,
    folder: Path,
    *,
    evaluate: Callable[[nn.Module], Mapping[str, float]] = lambda network: {},
    report: Callable[[Progress], object] = lambda progress: None,
    minutes: float | None = None,
    device: str | None = None,
    beside: nn.Module | None = None,
    job: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Train, or go on training what `folder` holds.

    Args:
        network: To be trained; its weights are overwritten by those in `folder`, if there are any.
        losses: (network, random numbers, batch size) to named scalar losses, whose sum is minimised.
        recipe: See `Recipe`.
        folder: Where state and curve are kept.
        evaluate: Averaged network to scores, every `recipe.evaluate` steps and at the end.
        report: Told how it goes, about once a second.
        minutes: Stop (and save) after so long; the next call goes on.
        device: "cuda", "cpu"; None takes CUDA where there is one.
        beside: A network of the same kind that `losses` changes on the way; it is saved and loaded with the other.
        job: Plain facts about what is learned from what; a folder goes on with the same ones alone.

    Returns:
        The network with averaged weights, on the CPU, in evaluation mode.

    Raises:
        BadInputError: What `folder` holds belongs to another network or another job.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    facts = json.loads(json.dumps({"seed": recipe.seed, **(job or {})}))
    network.to(device).train()
    if beside is not None:
        beside.to(device)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    step, spent = _resume(folder / STATE, network, average, optimiser, beside, facts)
    began = saved = told = time.monotonic()
    sums: dict[str, list[float]] = defaultdict(list)
    scores: Mapping[str, float] = {}
    while step < recipe.steps:
        rng = np.random.default_rng([recipe.seed, step])
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate_at(step)
        with _drawing(recipe.seed, step, device):
            parts = losses(network, rng, recipe.batch)
        total: Tensor = sum(parts.values(), torch.zeros((), device=device))
        optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        _average(average, network, min(recipe.average, (1 + step) / (10 + step)))  # soon forgets the untrained start
        step += 1
        for name, value in parts.items():
            sums[name].append(float(value.detach()))
        now = time.monotonic()
        last = step == recipe.steps or (minutes is not None and now - began > 60 * minutes)
        if step % recipe.evaluate == 0 or last:
            scores = evaluate(average)
            mean = {name: float(np.mean(values)) for name, values in sums.items()}
            sums.clear()
            _log(folder / CURVE, {"step": step, "seconds": spent + now - began, **mean, **scores})
            report(Progress(step, mean, scores, spent + now - began))
            told = now
        elif now - told > 1.0:
            mean = {name: float(np.mean(values[-50:])) for name, values in sums.items()}
            report(Progress(step, mean, scores, spent + now - began))
            told = now
        if now - saved > recipe.save or last:
            _save(folder / STATE, network, average, optimiser, beside, step, spent + time.monotonic() - began, facts)
            saved = time.monotonic()
        if last:
            break
    return average.to("cpu").eval()


@contextmanager
def _drawing(seed: int, step: int, device: str) -> Iterator[None]:
    """What layers draw (dropout) follows from seed and step too, and nobody else's random numbers are touched."""
    with torch.random.fork_rng([torch.cuda.current_device()] if device.startswith("cuda") else []):
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
        yield


@torch.no_grad()
def _average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """average = decay * average + (1 - decay) * network."""
    for kept, new in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _log(path: Path, row: Mapping[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({name: round(float(value), 6) for name, value in row.items()}) + "\n"
    whole = not path.exists() or path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(line if whole else "\n" + line)


def _save(
    path: Path, network: nn.Module, average: nn.Module, optimiser: Any, beside: nn.Module | None, step: int,
    seconds: float, job: Mapping[str, Any],
) -> None:  # fmt: skip
    from safetensors.torch import save_file

    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    if beside is not None:
        tensors |= {f"beside/{name}": tensor for name, tensor in beside.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam/{index}/{name}": moments[name] for name in ("exp_avg", "exp_avg_sq", "step")}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    contiguous = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, unfinished, {"step": str(step), "seconds": str(seconds), "job": json.dumps(job)})
    unfinished.replace(path)


def _resume(
    path: Path, network: nn.Module, average: nn.Module, optimiser: Any, beside: nn.Module | None, job: Mapping[str, Any]
) -> tuple[int, float]:
    """Load what was saved; (0, 0.0) when nothing was."""
    if not path.exists():
        return 0, 0.0
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict

    found = json.loads(metadata["job"]) if "job" in metadata else job  # who does not say it is believed
    if other := [name for name in {**found, **job} if found.get(name) != job.get(name)]:
        raise BadInputError(
            f"{path.parent} holds a training of something else: "
            + "; ".join(f"{name} is {found.get(name)}, not {job.get(name)}" for name in other)
            + ". Train into another folder, or with what it was begun with"
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    try:
        network.load_state_dict(part("network/"))
        average.load_state_dict(part("average/"))
        if beside is not None:
            beside.load_state_dict(part("beside/") or part("network/"))
    except RuntimeError as error:
        raise BadInputError(f"{path} belongs to another network; train into another folder ({error})") from error
    moments: dict[int, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in part("adam/").items():
        index, _, which = name.partition("/")
        moments[int(index)][which] = tensor
    state = optimiser.state_dict()
    state["state"] = dict(moments)
    optimiser.load_state_dict(state)
    return int(metadata["step"]), float(metadata["seconds"])


def read_curve(folder: Path) -> list[dict[str, float]]:
    """The rows that were logged, in order; of rows for the same step the last. A line that was cut off is none."""
    path = folder / CURVE
    rows: dict[int, dict[str, float]] = {}
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with suppress(ValueError):
            row = json.loads(line)
            rows[int(row["step"])] = row
    return [rows[step] for step in sorted(rows)]
