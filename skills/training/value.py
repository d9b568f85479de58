"""Learning what can be done and what has been done.

Value, by temporal differences from a sparse reward (MT-Opt, Kalashnikov et al. 2021, arXiv:2104.08212, without a
maximum over actions: the value is that of the very policy that acted):

    V(s, phrase) <- r                        before s' in which the skill is over: 1 for success, 0 for failure
    V(s, phrase) <- V'(s', phrase)           before any other s', undiscounted, V' the moving average of V
    V(s, phrase) <- 0                        for phrases whose precondition does not hold in s, done ones among them

or by regression on the outcome of the whole episode (Monte Carlo), the baseline. Only episodes in which the policy
acted alone speak about it; preconditions and deeds are learned from every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saycan.skill import Skill
from saycan.skills.data.frames import Frames
from saycan.skills.features import BODY, nearest, place_features
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences, wordings
from saycan.skills.training.pictures import tinted
from saycan.skills.values.network import ValueNetwork, binary_loss, pointing_loss
from saycan.statistics import auc, calibration_error

Method = Literal["td", "mc"]

PHRASES = 24
"""Phrases that are asked about each row: its own, those of one possible and one done deed, and others at random."""

POINTING, COHERENT = 0.1, 0.2


@dataclass(frozen=True, eq=False)
class Questions:
    """A batch for a `ValueNetwork`: B rows, S phrases each, the row's own phrase first.

    Attributes:
        images: Camera name to (B, 3, H, W) uint8.
        body: (B, BODY). text: (B, S, E). place: (B, S, PLACE).
        possible, done: (B, S) float32, the truth. visible: (B, S) float32, whether a deed could be seen from here.
        where: (B, S, C, 3).
    """

    images: dict[str, Tensor]
    body: Tensor
    text: Tensor
    place: Tensor
    possible: Tensor
    done: Tensor
    visible: Tensor
    where: Tensor


class ValueBatches:
    """Draws batches for value functions and success detectors.

    Args:
        frames: The rows.
        skills: The library, in the order of `frames.phrases`.
        scaling, sentences: As in a policy's training.
        policy: Name of the policy whose value is learned: the `source` of its episodes.
        rows: Which rows to draw from, None for all.
        augment: As in `PolicyBatches`.
    """

    def __init__(
        self,
        frames: Frames,
        skills: tuple[Skill, ...],
        scaling: Scaling,
        sentences: Sentences,
        policy: str,
        rows: NDArray[np.int64] | None = None,
        augment: bool = True,
    ) -> None:
        self.frames, self.skills, self._augment = frames, skills, augment
        self.rows = np.arange(len(frames)) if rows is None else rows
        self._body = scaling.standardise(frames.state)[:, :BODY]
        self._scaling = scaling
        index = {phrase: number for number, phrase in enumerate(frames.phrases)}
        self.own = np.array([index[skill.phrase] for skill in frames.skills])[frames.episode]
        self.of_policy = np.array([source == policy for source in frames.source])[frames.episode]
        texts = wordings(skills)
        self._texts = [sentences.embed(texts[skill.phrase]) for skill in skills]
        self._things = np.array(
            [frames.things.index(skill.object) if skill.object in frames.things else -1 for skill in skills]
        )
        self._names = [*next(iter(frames.places))]
        self._about = np.array([self._names.index(skill.place) if skill.place else -1 for skill in skills])
        self._place, self._here = self._all_places()

    def _all_places(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(N, P + 1, PLACE) features of every place and, last, of the nearest; (N,) where the base stands, or -1."""
        frames, names = self.frames, self._names
        rows, here = [], np.full(len(frames), -1)
        first = 0
        for episode, places in enumerate(frames.places):
            last = int(np.searchsorted(frames.episode, episode, side="right"))
            base = frames.base[first:last]
            stack = [place_features(base, places[name], True) for name in names]  # type: ignore[arg-type]
            near = [nearest(pose, places) for pose in base]  # type: ignore[arg-type]
            stack.append(np.stack([place_features(b, place, False) for b, (place, _) in zip(base, near, strict=True)]))
            here[first:last] = [names.index(place.name) if stands else -1 for place, stands in near]
            rows.append(np.stack(stack, axis=1))
            first = last
        features = np.concatenate(rows)
        mean, scale = self._scaling.mean[BODY:], self._scaling.scale[BODY:]
        return np.clip((features - mean) / scale, -5, 5).astype(np.float32), here

    def draw(self, rng: np.random.Generator, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B,) rows and (B, S) phrases: half of the rows from the policy's own episodes."""
        mine, others = self.rows[self.of_policy[self.rows]], self.rows
        count = size // 2 if len(mine) else 0
        rows = np.concatenate([mine[rng.integers(len(mine), size=count)] if count else mine[:0],
                               others[rng.integers(len(others), size=size - count)]])  # fmt: skip
        phrases = rng.integers(len(self.skills), size=(size, PHRASES))
        phrases[:, 0] = self.own[rows]
        for column, mask in ((1, self.frames.possible), (2, self.frames.possible), (3, self.frames.done),
                             (4, self.frames.done)):  # fmt: skip
            bits = np.unpackbits(mask[rows], axis=1, count=len(self.skills))
            chance = bits * rng.random(bits.shape)
            phrases[:, column] = np.where(bits.any(axis=1), chance.argmax(axis=1), phrases[:, column])
        return rows, phrases

    def questions(self, rows: NDArray[np.int64], phrases: NDArray[np.int64], rng: np.random.Generator) -> Questions:
        """The batch of these rows and phrases."""
        frames = self.frames
        count = phrases.shape[1]
        flat = np.repeat(rows, count)
        about = self._about[phrases]  # (B, S)
        place = self._place[rows[:, None], about]  # -1 is the nearest
        here = self._here[rows][:, None]
        visible = np.where(about >= 0, about == here, here >= 0)
        things = self._things[phrases]
        where = np.where(things[..., None, None] >= 0,
                         frames.where[rows[:, None], :, np.maximum(things, 0)], 0).astype(np.float32)  # fmt: skip
        texts = np.stack([
            options[0 if not self._augment or rng.random() < 0.5 else int(rng.integers(len(options)))]
            for options in (self._texts[phrase] for phrase in phrases.ravel())
        ]).reshape(*phrases.shape, -1)  # fmt: skip

        def truth(mask: NDArray[np.uint8]) -> Tensor:
            return torch.from_numpy(frames.holds(mask, flat, phrases.ravel()).reshape(phrases.shape)).float()

        return Questions(
            images={name: self._pictures(pixels[rows], rng) for name, pixels in frames.images.items()},
            body=torch.from_numpy(self._body[rows]),
            text=torch.from_numpy(texts),
            place=torch.from_numpy(place),
            possible=truth(frames.possible),
            done=truth(frames.done),
            visible=torch.from_numpy(visible).float(),
            where=torch.from_numpy(where),
        )

    def _pictures(self, pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return tinted(images, rng) if self._augment else images


class ValueLearner:
    """The losses of one step.

    Attributes:
        target: The moving average of the network that temporal differences bootstrap from; saved with the network.

    Args:
        batches: Where batches come from.
        method: "td" or "mc".
        lag: Decay of that moving average.
    """

    def __init__(self, batches: ValueBatches, network: ValueNetwork, method: Method = "td", lag: float = 0.99) -> None:
        import copy

        self._batches, self._method, self._lag = batches, method, lag
        self.target = copy.deepcopy(network).eval().requires_grad_(False)

    def losses(self, network: ValueNetwork, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        """Named losses of a random batch; for `saycan.skills.training.loop.train`."""
        batches = self._batches
        rows, phrases = batches.draw(rng, size)
        asked = batches.questions(rows, phrases, rng)
        look = network.look(asked.images, asked.body)
        answers = network.ask(look, asked.text, asked.place)
        with torch.no_grad():
            target, known = self._targets(rows, phrases, asked, rng)
            for kept, new in zip(self.target.state_dict().values(), network.state_dict().values(), strict=True):
                kept.lerp_(new, 1 - self._lag)
        ones = torch.ones_like(asked.possible)
        mixed = self._incoherent(network, asked, rng)
        return {
            "value": binary_loss(answers.value, target, known),
            "possible": binary_loss(answers.possible, asked.possible, ones),
            "done": binary_loss(answers.done, asked.done, asked.visible),
            "pointing": POINTING * pointing_loss(answers.attention, asked.where, look.counts),
            "coherent": COHERENT * (torch.nn.functional.softplus(-look.coherent).mean() + mixed),
        }

    def _targets(
        self, rows: NDArray[np.int64], phrases: NDArray[np.int64], asked: Questions, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """(B, S) what the value should be and whether anything is known about it."""
        batches, frames = self._batches, self._batches.frames
        known = 1.0 - asked.possible  # an impossible skill does not succeed
        target = torch.zeros_like(known)
        mine = batches.of_policy[rows]
        outcome = torch.from_numpy(frames.success[frames.episode[rows]].astype(np.float32))
        if self._method == "td":
            following = np.minimum(rows + 1, frames.end[rows])
            after = batches.questions(following, phrases[:, :1], rng)
            ahead = self.target.ask(self.target.look(after.images, after.body), after.text, after.place)
            # An attempt is over where it ends, and where the skill is none to begin any more: done, or dropped.
            over = torch.from_numpy(rows + 1 > frames.end[rows]) | (after.possible[:, 0] == 0)
            outcome = torch.where(over, outcome, ahead.value[:, 0].sigmoid())
        # From there on the phrase is as impossible as anywhere else, or what is done would look worth doing.
        own = torch.from_numpy(mine) & (asked.possible[:, 0] > 0)
        target[:, 0] = torch.where(own, outcome, target[:, 0])
        known[:, 0] = torch.where(own, torch.ones_like(outcome), known[:, 0])
        known[:, 0] *= 4.0
        known[:, 1:] *= torch.from_numpy(phrases[:, 1:] != phrases[:, :1])  # asked again it must not be contradicted
        return target, known

    def _incoherent(self, network: ValueNetwork, asked: Questions, rng: np.random.Generator) -> Tensor:
        """Loss of pictures that do not belong to their proprioception, or to any kitchen."""
        size = len(asked.body) // 4
        order = torch.from_numpy(rng.permutation(len(asked.body))[:size])
        images = {name: pictures[order].clone() for name, pictures in asked.images.items()}
        foreign = size // 2
        for pictures in images.values():
            for index in range(foreign):
                pictures[index] = _foreign(pictures[index], rng)
        return torch.nn.functional.softplus(network.look(images, asked.body[:size]).coherent).mean()


def _foreign(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """A picture that no kitchen gives: inverted, turned, in shuffled tiles, or blocks of colour.

    The benchmark tries others: `benchmarks/values.py`.
    """
    kind = int(rng.integers(4))
    height, width = picture.shape[1:]
    if kind == 0:
        return 255 - picture
    if kind == 1:
        return picture.rot90(1 if rng.random() < 0.5 else 3, (1, 2))
    if kind == 2:
        tiles = [tile for band in picture.chunk(4, 1) for tile in band.chunk(4, 2)]
        mixed = [tiles[index] for index in rng.permutation(16)]
        return torch.cat([torch.cat(mixed[row : row + 4], 2) for row in range(0, 16, 4)], 1)
    coarse = torch.from_numpy(rng.integers(0, 256, (3, 4, 4), dtype=np.uint8))
    return coarse.repeat_interleave(height // 4, 1).repeat_interleave(width // 4, 2)


def evaluate_values(network: ValueNetwork, batches: ValueBatches, count: int = 1024) -> dict[str, float]:
    """Scores on held-out rows: how well the three answers rank, and how far the value is off."""
    asked = collect_answers(network, batches, count)
    scores = {}
    for answer, truth in (("possible", asked.possible), ("done", asked.done)):
        weight = asked.visible if answer == "done" else np.ones_like(truth)
        logits = asked.logits[answer]
        scores[f"{answer} auc"] = auc(logits[weight > 0], truth[weight > 0] > 0.5)
    logits, outcome = own_values(network, batches)
    scores["value auc"] = auc(logits, outcome)
    scores["value error"] = calibration_error(1 / (1 + np.exp(-logits)), outcome)
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
            answers = network.ask(look, asked.text, asked.place)
            for name, tensor in (
                ("possible?", answers.possible), ("done?", answers.done), ("possible", asked.possible),
                ("done", asked.done), ("visible", asked.visible), ("features", look.features),
                ("coherent", look.coherent),
            ):  # fmt: skip
                parts.setdefault(name, []).append(tensor.double().numpy())
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
    rng = np.random.default_rng(2)
    logits = []
    with torch.inference_mode():
        for first in range(0, len(rows), 256):
            some = rows[first : first + 256]
            asked = batches.questions(some, batches.own[some][:, None], rng)
            answers = network.ask(network.look(asked.images, asked.body), asked.text, asked.place)
            logits.append(answers.value[:, 0].double().numpy())
    return np.concatenate(logits) if logits else np.zeros(0), frames.success[frames.episode[rows]]


def calibrate(network: ValueNetwork, batches: ValueBatches, count: int = 4096) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fit on held-out rows what turns logits into probabilities, and what tells a foreign picture.

    Returns:
        Plain numbers: "calibration" (answer to the a and b of sigmoid(a logit + b), Platt 1999) and "foreign" (the
        thresholds of distance and coherence that one row in 500 exceeds); and arrays: the mean of the features and the
        matrix that whitens them, so that the length of (features - mean) @ whiten is the Mahalanobis distance.
    """
    asked = collect_answers(network, batches, count)
    seen = asked.visible > 0
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
    return {"calibration": calibration, "foreign": foreign}, arrays


def platt(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """a and b of sigmoid(a logit + b) that make the truth likeliest; (1, 0) where there is one class only."""
    if len(logits) == 0 or truth.all() or not truth.any():
        return 1.0, 0.0
    x, y = torch.from_numpy(logits), torch.from_numpy(truth.astype(np.float64))
    parameters = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(parameters[0] * x + parameters[1], y)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    a, b = parameters.detach().tolist()
    return float(a), float(b)
