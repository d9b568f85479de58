"""Teaching a language model to plan: a low-rank adapter (LoRA) trained on lessons (`saycan.planners.lessons`).

The loss is that of the words of the steps, which are what Say asks for; what was asked and what went wrong is read, not
learned. Lessons follow from their numbers, which are drawn from a million, and the loop is the one that all networks
share (`saycan.training.loop`), so a training that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from saycan.digest import digest
from saycan.planners.lessons.lesson import SETS, validation
from saycan.planners.transformers.adapter import WEIGHTS
from saycan.planners.transformers.pupil import TOGETHER, Adapter, Course, Helpers, Pupil
from saycan.training.loop import Progress, Recipe, train

HELD = 20
"""Lessons of each validation set whose loss is looked at on the way."""

_FIRST = 1 << 20  # number of the first lesson of a seed: seeds share no lessons


def tune(
    course: Course,
    folder: Path,
    recipe: Recipe,
    *,
    minutes: float | None = None,
    workers: int | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
) -> Path:
    """Train an adapter, or go on; returns its folder, "adapter" in `folder`.

    Args:
        course: What is taught to what.
        folder: Where state, curve and adapter go.
        recipe: `batch` counts lessons.
        minutes: Stop and save after so long.
        workers: Processes; None takes one a core, and one alone on a GPU.
        report: Told how training goes.

    Raises:
        MissingPartError: peft is not installed, or there is no such model or adapter.
        BadInputError: What `folder` holds is the training of another model, rank or start.
    """
    pupil = Pupil(course)
    held = {name: [pupil.samples.of([one]) for one in validation(name, HELD)] for name in SETS}
    if workers is None:
        workers = os.cpu_count() or 1 if pupil.device == "cpu" else 1
    robots = -(-recipe.batch // TOGETHER)
    helpers = Helpers(course, min(workers, robots) - 1)
    first = recipe.seed * _FIRST

    def losses(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        numbers = [first + int(number) for number in rng.integers(_FIRST, size=robots)]
        total, count, slope = helpers.study(pupil, numbers)
        return {"loss": _with_gradient(pupil.adapter, total / count, slope / count)}

    def evaluate(network: nn.Module) -> Mapping[str, float]:
        assert isinstance(network, Adapter)
        with torch.no_grad(), pupil.adapter.replaced_by(network):
            return {
                f"held {name}": float(sum(map(pupil.loss, some))) / sum(len(one.targets) for one in some)
                for name, some in held.items()
            }

    try:
        trained = train(
            pupil.adapter, losses, recipe, folder, evaluate=evaluate, report=report, minutes=minutes,
            device=pupil.device, job=_job(course),
        )  # fmt: skip
    finally:
        helpers.close()
    assert isinstance(trained, Adapter)
    return pupil.save(trained, folder / "adapter")


def _job(course: Course) -> dict[str, object]:
    start = None if course.start is None else digest(Path(course.start) / WEIGHTS)
    return {"what": "planner", "model": Path(course.model).name, "rank": course.rank, "start": start}


def _with_gradient(adapter: Adapter, value: float, slope: Tensor) -> Tensor:
    """A number whose gradient for the adapter's values is known: what the loop minimises."""
    linear = (torch.cat([part.reshape(-1) for part in adapter.values]) * slope).sum()
    return linear - linear.detach() + value
