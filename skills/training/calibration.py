"""How good a value network is on rows held back, and what makes its answers probabilities (Platt 1999)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saycan.skills.training.questions import ValueBatches
from saycan.skills.values.network import ValueNetwork
from saycan.statistics import auc, calibration_error

FEWEST = 50
"""Attempts of either outcome from which thresholds are fitted, and starts from which values are calibrated."""

COST = 2.0
"""Second tries that are as bad as one false success: what follows a deed that was none is wrong."""

SMALLEST, LARGEST = 0.2, 0.97
"""Thresholds. Little of what is asked in training is done, most of what was attempted: so less evidence will do."""


def evaluate_values(network: ValueNetwork, batches: ValueBatches, count: int = 1024) -> dict[str, float]:
    """Scores on held-out rows: how well the three answers rank, and how far the value is off.

    "done auc" is about any phrase in any row, "detector auc" about what was attempted where the attempts ended.
    """
    asked = collect_answers(network, batches, count)
    scores = {}
    for answer, truth in (("possible", asked.possible), ("done", asked.done)):
        weight = asked.visible if answer == "done" else np.ones_like(truth)
        logits = asked.logits[answer]
        scores[f"{answer} auc"] = auc(logits[weight > 0], truth[weight > 0] > 0.5)
    logits, outcome = own_values(network, batches)
    scores["value auc"] = auc(logits, outcome)
    scores["value error"] = calibration_error(1 / (1 + np.exp(-logits)), outcome)
    logits, outcome, _ = attempt_ends(network, batches)
    scores["detector auc"] = auc(logits, outcome)
    return scores


@dataclass(frozen=True, eq=False)
class Collected:
    """Answers of a network about held-out rows, (R, S) each, and what each row itself looks like.

    Attributes:
        logits: Answer to logits.
        possible, done, visible: The truth.
        features: (R, F). coherent: (R,).
    """

    logits: dict[str, NDArray[np.float64]]
    possible: NDArray[np.float64]
    done: NDArray[np.float64]
    visible: NDArray[np.float64]
    features: NDArray[np.float64]
    coherent: NDArray[np.float64]


def collect_answers(network: ValueNetwork, batches: ValueBatches, count: int) -> Collected:
    """Ask about `count` random rows."""
    rng = np.random.default_rng(1)
    parts: dict[str, list[NDArray[np.float64]]] = {}
    with torch.inference_mode():
        for _ in range(max(1, count // 128)):
            rows, phrases = batches.draw(rng, 128)
            asked = batches.questions(rows, phrases, rng)
            look = network.look(asked.images, asked.body)
            answers = network.ask(look, network.read(asked.text), asked.place)
            for name, tensor in (
                ("possible?", answers.possible), ("done?", answers.done), ("possible", asked.possible),
                ("done", asked.done), ("visible", asked.visible), ("features", look.features),
                ("coherent", look.coherent),
            ):  # fmt: skip
                parts.setdefault(name, []).append(tensor.double().cpu().numpy())
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    logits = {"possible": whole.pop("possible?"), "done": whole.pop("done?")}
    return Collected(logits, **whole)


def own_values(
    network: ValueNetwork, batches: ValueBatches, starts: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Logits of the value of the policy's own episodes, and how they ended: at their starts, or in every row."""
    frames = batches.frames
    rows = batches.rows[batches.of_policy[batches.rows]]
    if starts:
        rows = rows[np.searchsorted(frames.episode, frames.episode[rows]) == rows]
    rows = rows[frames.holds(frames.possible, rows, batches.own[rows])]
    return _own_answers(network, batches, rows, "value"), frames.success[frames.episode[rows]]


def _own_answers(
    network: ValueNetwork, batches: ValueBatches, rows: NDArray[np.int64], answer: str
) -> NDArray[np.float64]:
    """Logits of one answer about each row's own phrase."""
    rng = np.random.default_rng(2)
    logits = [np.zeros(0)]
    with torch.inference_mode():
        for first in range(0, len(rows), 256):
            some = rows[first : first + 256]
            asked = batches.questions(some, batches.own[some][:, None], rng)
            answers = network.ask(network.look(asked.images, asked.body), network.read(asked.text), asked.place)
            logits.append(getattr(answers, answer)[:, 0].double().cpu().numpy())
    return np.concatenate(logits)


def calibrate(network: ValueNetwork, batches: ValueBatches, count: int = 4096) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit on held-out rows what turns logits into probabilities, and what tells a foreign picture.

    Returns:
        Plain numbers: "calibration" (answer to the a and b of sigmoid(a logit + b), Platt 1999), "foreign" (the
        thresholds of distance and coherence that one row in 500 exceeds) and "thresholds"
        (`detection_thresholds`); and arrays: the mean of the features and the
        matrix that whitens them, so that the length of (features - mean) @ whiten is the Mahalanobis distance.
    """
    asked = collect_answers(network, batches, count)
    seen = asked.visible > 0
    logits, outcome = own_values(network, batches)  # values are asked for where skills begin
    if len(logits) < FEWEST:
        logits, outcome = own_values(network, batches, starts=False)
    calibration = {
        "possible": platt(asked.logits["possible"].ravel(), asked.possible.ravel() > 0.5),
        "done": platt(asked.logits["done"][seen], asked.done[seen] > 0.5),
        "value": platt(logits, outcome),
    }
    mean = asked.features.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(asked.features.T) + 1e-4 * np.eye(len(mean)))
    whiten = axes / np.sqrt(np.maximum(spread, 1e-4))
    distance = np.linalg.norm((asked.features - mean) @ whiten, axis=1)
    foreign = {
        "distance": float(np.quantile(distance, 0.998)),
        "coherent": float(np.quantile(asked.coherent, 0.002)),
    }
    arrays = {"mean": mean.astype(np.float32), "whiten": whiten.astype(np.float32)}
    thresholds = detection_thresholds(*attempt_ends(network, batches, calibration["done"]))
    return {"calibration": calibration, "foreign": foreign, "thresholds": thresholds}, arrays


def attempt_ends(
    network: ValueNetwork, batches: ValueBatches, calibration: tuple[float, float] = (1.0, 0.0)
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
    """Calibrated logits of what was attempted in the last rows of the policy's attempts, what came of it, the verbs."""
    frames = batches.frames
    rows = batches.rows[batches.of_policy[batches.rows]]
    rows = rows[frames.end[rows] == rows]
    verbs = np.array([skill.verb for skill in frames.skills])[frames.episode[rows]]
    a, b = calibration
    return a * _own_answers(network, batches, rows, "done") + b, frames.success[frames.episode[rows]], verbs


def detection_thresholds(
    logits: NDArray[np.float64],
    success: NDArray[np.bool_],
    verbs: NDArray[np.str_],
    cost: float = COST,
    fewest: int = FEWEST,
) -> dict[str, float]:
    """Verb to the probability from which a deed counts as done, by how attempts ended; none for too few of them.

    With success and failure as frequent in each verb, the odds of a success at an attempt's end are

        odds = exp(s logit + c[verb]),      s, c by logistic regression, c drawn towards their mean where ends are few,

    and a deed counts where they exceed `cost`: then (share of deeds not believed) + cost (share of failures believed)
    is smallest. A quantile of the failures' logits, which this replaces, hung on one or two of them.
    """
    if (~success).sum() < fewest or success.sum() < fewest:
        return {}
    names, which = np.unique(verbs, return_inverse=True)
    counts = np.array([[((which == v) & (success == y)).sum() for y in (False, True)] for v in range(len(names))])
    shares = counts.sum(axis=1, keepdims=True) / np.maximum(1, 2 * counts)
    weight = torch.from_numpy(shares[which, success.astype(int)])
    x, y, verb = torch.from_numpy(logits), torch.from_numpy(success.astype(np.float64)), torch.from_numpy(which)
    parameters = torch.zeros(1 + len(names), dtype=torch.float64)
    parameters[0] = 1.0
    parameters.requires_grad_(True)

    def loss() -> Tensor:
        odds = parameters[0] * x + parameters[1:][verb]
        off = parameters[1:] - parameters[1:].mean()
        each = torch.nn.functional.binary_cross_entropy_with_logits(odds, y, weight=weight, reduction="sum")
        return each + 0.5 * off.square().sum()

    _minimise(loss, parameters)
    s, *c = parameters.detach().tolist()
    levels = 1 / (1 + np.exp(-(np.log(cost) - np.array(c)) / max(s, 1e-3)))
    return {
        str(name): round(min(LARGEST, max(SMALLEST, float(level))), 3)
        for name, level in zip(names, levels, strict=True)
    }


def platt(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """a and b of sigmoid(a logit + b) that make the truth likeliest; (1, 0) where there is one class only."""
    if len(logits) == 0 or truth.all() or not truth.any():
        return 1.0, 0.0
    x, y = torch.from_numpy(logits), torch.from_numpy(truth.astype(np.float64))
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    _minimise(
        lambda: torch.nn.functional.binary_cross_entropy_with_logits(parameters[0] * x + parameters[1], y), parameters
    )
    a, b = parameters.detach().tolist()
    return float(a), float(b)


def _minimise(loss: Callable[[], Tensor], parameters: Tensor) -> None:
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
