"""BC-Z: a ResNet whose feature maps a sentence modulates, read out to actions (Jang et al. 2022, arXiv:2202.02005).

Two read-outs: "average" is the paper's, global average pooling. It tells what is there and hardly where; the default,
"keypoints", is the spatial softmax of Levine et al. 2016 (arXiv:1504.00702): every channel of attention becomes the
expected position (x, y) of its softmax, and what the first `looks` of them look at is pooled by the same attention:

    a_k = softmax(w_k * f / tau),   p_k = sum_ij a_k[i, j] (x_j, y_i),   v_k = sum_ij a_k[i, j] f[:, i, j].

Attention 0 of every camera can be taught to point at the goal of the skill (`Targets.points`), a label that is free in
simulation and not needed at run time. Without it a policy finds out slowly, or never, that the sentence matters.

Which of the things on the counter is meant is found apart, before the sentence modulates anything: a query that is
linear in the embedding, against features of a few convolutions,

    m = softmax(q(sentence) . g),

and every picture teaches it about everything that is to be seen there (`Targets.named`), not about the one thing that
its episode is about. Being linear, it knows a thing by its name in whatever sentence. All attention maps see m.

The published network: ResNet-18, a chunk of ten actions, global average pooling: `BCZ.paper()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from saycan.action import ACTION_SIZE, TERMINATE
from saycan.precision import coarse
from saycan.skills.features import STATE
from saycan.skills.group_norm import GroupNorm
from saycan.skills.pointing import coordinates, log_softmax, pointing_loss
from saycan.skills.policies.film import FiLM
from saycan.skills.policies.network import Inputs, Targets

WEIGHTS = (1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 0.5, 1.0, 1.0, 1.0)
"""Of the Huber loss of each channel but terminate: end effector 6, gripper, base 3."""

HUBER = 0.05
"""Error, in units of the scaled action, from which the loss grows linearly."""

POINTING, NAMING, GOAL, ENDING = 0.05, 0.1, 0.2, 0.05
"""Weights of the auxiliary losses and of the loss of terminate."""


class Block(nn.Module):
    """Two 3x3 convolutions with a skip, FiLM after the second normalisation: x + FiLM(norm(conv(relu(...))))."""

    def __init__(self, inputs: int, outputs: int, stride: int, text: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = GroupNorm(8, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.norm2 = GroupNorm(8, outputs)
        self.film = FiLM(text, outputs)
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """(N, inputs, H, W), (N, E) to (N, outputs, H / stride, W / stride)."""
        y = functional.relu(self.norm1(self.first(x)))
        y = self.film(self.norm2(self.second(y)), text)
        return functional.relu(self.skip(x) + y)


@dataclass(frozen=True, eq=False)
class Seen:
    """What an eye makes of N pictures.

    Attributes:
        features: (N, size).
        logits: (N, h, w) of attention 0, where there is attention.
        things: (N, W, h, w) what queries are held against, with a finder.
    """

    features: Tensor
    logits: Tensor | None = None
    things: Tensor | None = None


class Eye(nn.Module):
    """One camera's network: stem, stages of FiLM blocks, read-out.

    Args:
        text: E.
        stem: Channels of the first convolution, 5x5 with stride 2.
        stages: (channels, blocks, stride) of each stage, and the dilation of its blocks' second convolutions if not 1:
            a wider look at no cost.
        keypoints: K attention maps; 0 for global average pooling.
        looks: How many of them also say what is there.
        pool: Whether the stem ends with max pooling.
        finder: W, width of what queries are held against; 0 does without.
    """

    def __init__(
        self,
        text: int,
        stem: int,
        stages: Sequence[Sequence[int]],
        keypoints: int,
        looks: int,
        pool: bool = False,
        finder: int = 0,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 7 if pool else 5, 2, 3 if pool else 2)
        self.pool = nn.MaxPool2d(3, 2, 1) if pool else nn.Identity()
        blocks, channels = [], stem
        for outputs, count, stride, *dilation in stages:
            for index in range(count):
                blocks.append(Block(channels, outputs, stride if index == 0 else 1, text, *dilation))
                channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.finder = None
        if finder:
            self.finder = nn.Sequential(
                nn.Conv2d(stem, finder, 3, 2, 1, bias=False), GroupNorm(8, finder), nn.ReLU(),
                nn.Conv2d(finder, finder, 1), nn.ReLU(), nn.Conv2d(finder, finder, 1),
            )  # fmt: skip
        self.attention = nn.Conv2d(channels, keypoints, 1) if keypoints else None
        self.hint = nn.Parameter(torch.ones(keypoints)) if finder else None
        self.looks = looks
        self.size = keypoints * 3 + looks * channels + 3 * bool(finder) if keypoints else channels

    def forward(self, pixels: Tensor, text: Tensor, query: Tensor | None = None) -> Seen:
        """(N, 3, H, W) in [-1, 1], (N, E) and, with a finder, (N, W)."""
        with coarse(pixels, self.training):
            stem = self.pool(functional.relu(self.stem(pixels)))
            x = stem
            for block in self.blocks:
                x = block(x, text)
            things = None if self.finder is None else self.finder(stem).float()
        x = x.float()
        if self.attention is None:
            return Seen(x.mean(dim=(2, 3)))
        n, height, width = x.shape[0], x.shape[2], x.shape[3]
        logits = self.attention(x).flatten(2)  # (N, K, h w)
        found = []
        if things is not None and self.hint is not None and query is not None:
            if things.shape[2:] != (height, width):
                things = functional.adaptive_avg_pool2d(things, (height, width))  # (N, W, h, w)
            meant = point_out(things, query[:, None]).softmax(dim=-1)  # (N, 1, h w)
            peak = meant.amax(dim=-1)
            logits = logits + self.hint[:, None] * (meant / peak[..., None])
            found = [(meant @ coordinates(height, width, meant)).flatten(1), peak]
        weights = logits.softmax(dim=-1)
        points = weights @ coordinates(height, width, x)  # (N, K, 2)
        peak = weights.amax(dim=-1)  # (N, K): how sure
        seen = weights[:, : self.looks] @ x.flatten(2).transpose(1, 2)  # (N, looks, channels)
        features = torch.cat([points.flatten(1), peak, seen.flatten(1), *found], dim=1)
        return Seen(features, logits[:, 0].view(n, height, width), things)


def point_out(things: Tensor, queries: Tensor) -> Tensor:
    """(N, W, h, w) features and (N, M, W) queries to logits (N, M, h w)."""
    return (queries @ things.flatten(2)).div(things.shape[1] ** 0.5)


class BCZ(nn.Module):
    """A `saycan.skills.policies.network.PolicyNetwork`.

    Args:
        cameras: Their names; each has an eye of its own.
        text: E, numbers of a sentence embedding.
        state: P, numbers of proprioception; 0 leaves it out.
        stem, stages, keypoints, looks, pool, finder: See `Eye`.
        hidden: Width of the perceptron behind the eyes.
        sentence: Width that the embedding is projected to.
        history: T; images of the past are stacked behind the eyes.
        chunk: C.
    """

    def __init__(
        self,
        cameras: Sequence[str] = ("head", "wrist"),
        text: int = 640,
        state: int = STATE,
        stem: int = 32,
        stages: Sequence[Sequence[int]] = ((64, 2, 2, 2),),
        keypoints: int = 24,
        looks: int = 3,
        pool: bool = False,
        finder: int = 48,
        hidden: int = 384,
        sentence: int = 96,
        history: int = 1,
        chunk: int = 1,
    ) -> None:
        super().__init__()
        self._config = {
            "cameras": list(cameras), "text": text, "state": state, "stem": stem, "stages": [list(s) for s in stages],
            "keypoints": keypoints, "looks": looks, "pool": pool, "finder": finder, "hidden": hidden,
            "sentence": sentence, "history": history, "chunk": chunk,
        }  # fmt: skip
        self.history, self.chunk, self._cameras = history, chunk, tuple(cameras)
        self.sentence = nn.Sequential(nn.Linear(text, sentence), nn.ReLU())
        self.query = nn.Linear(text, finder) if finder else None
        self.eyes = nn.ModuleDict(
            {name: Eye(sentence, stem, stages, keypoints, looks, pool, finder) for name in cameras}
        )
        seen = sum(eye.size for eye in self.eyes.values())  # type: ignore[misc]
        self.body = nn.Sequential(
            nn.Linear(history * (int(seen) + state) + sentence, hidden), nn.LayerNorm(hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(hidden, chunk * ACTION_SIZE)
        self.goal = nn.Linear(hidden, 3)

    @classmethod
    def paper(cls, cameras: Sequence[str] = ("head",), text: int = 512) -> BCZ:
        """The published sizes: ResNet-18 (stages of 64, 128, 256, 512 channels, two blocks each), ten actions."""
        stages = ((64, 2, 1), (128, 2, 2), (256, 2, 2), (512, 2, 2))
        return cls(
            cameras, text, state=0, stem=64, stages=stages, keypoints=0, looks=2, pool=True, finder=0, hidden=256,
            sentence=256, chunk=10,
        )  # fmt: skip

    def config(self) -> dict[str, Any]:
        """What it was made with: `BCZ(**config)` makes another."""
        return self._config

    def forward(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Raw actions (B, C, A), each camera's logits of attention 0 (B, h, w) in the newest image, goal (B, 3)."""
        raw, seen, goal = self._look(inputs)
        return raw, {name: one.logits for name, one in seen.items() if one.logits is not None}, goal

    def _look(self, inputs: Inputs) -> tuple[Tensor, dict[str, Seen], Tensor]:
        """Actions, what each eye sees in the newest image, goal."""
        text = self.sentence(inputs.text)
        batch = text.shape[0]
        features, newest = [], {}
        for name in self._cameras:
            images = inputs.images[name]
            steps = images.shape[1]
            pixels = images.flatten(0, 1).float().div(127.5).sub(1.0)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            query = None if self.query is None else self.query(inputs.text).repeat_interleave(steps, dim=0)
            seen = self.eyes[name](pixels, text.repeat_interleave(steps, dim=0), query)
            features.append(seen.features.view(batch, -1))
            newest[name] = Seen(seen.features, *(_last(part, steps) for part in (seen.logits, seen.things)))
        if inputs.state.shape[-1] and self._config["state"]:
            features.append(inputs.state.flatten(1))
        hidden = self.body(torch.cat([*features, text], dim=1))
        return self.head(hidden).view(batch, self.chunk, ACTION_SIZE), newest, self.goal(hidden)

    def losses(self, inputs: Inputs, targets: Targets) -> dict[str, Tensor]:
        """Huber loss of the actions, cross-entropy of terminate, of pointing, Huber loss of the goal's position."""
        raw, seen, goal = self._look(inputs)
        wanted, mask = targets.actions, targets.mask
        weights = raw.new_tensor(WEIGHTS)
        moves = functional.huber_loss(raw[..., :TERMINATE], wanted[..., :TERMINATE], reduction="none", delta=HUBER)
        going = mask * (wanted[..., TERMINATE] < 0)  # what is commanded while terminating moves nothing
        losses = {
            "action": ((moves * weights).sum(-1) * going).sum() / going.sum().clamp(min=1) / HUBER,
            "terminate": ENDING * _mean(
                functional.binary_cross_entropy_with_logits(
                    raw[..., TERMINATE], (wanted[..., TERMINATE] > 0).float(), reduction="none"
                ), mask,
            ),
        }  # fmt: skip
        pointing = [
            pointing_loss(log_softmax(seen[name].logits), point)  # type: ignore[arg-type]
            for name, point in targets.points.items()
            if seen[name].logits is not None
        ]
        if pointing:
            losses["pointing"] = POINTING * sum(pointing, raw.new_zeros(()))
        if targets.named is not None and self.query is not None:
            queries = self.query(targets.named)  # (B, M, W)
            losses["naming"] = NAMING * sum(
                (_naming_loss(seen[name].things, queries, spots) for name, spots in targets.spots.items()),
                raw.new_zeros(()),
            )
        if targets.goal is not None:
            known = targets.goal.isfinite().all(dim=1).float()
            error = functional.huber_loss(goal, targets.goal.nan_to_num(), reduction="none", delta=0.1).sum(-1)
            losses["goal"] = GOAL * _mean(error, known)
        return losses

    def looks_at(self, inputs: Inputs) -> dict[str, Tensor]:
        """Each camera's logits of attention 0 (B, h, w) in the newest image."""
        maps: dict[str, Tensor] = self(inputs)[1]
        return maps

    def actions(self, inputs: Inputs) -> Tensor:
        """(B, C, A) in [-1, 1]; terminate is positive where it is likelier than not."""
        raw = self(inputs)[0]
        return torch.cat([raw[..., :TERMINATE].clamp(-1, 1), torch.tanh(raw[..., TERMINATE:] / 2)], dim=-1)


def _last(part: Tensor | None, steps: int) -> Tensor | None:
    """(B T, ...) to (B, ...) of the newest of the T images."""
    return None if part is None else part.unflatten(0, (-1, steps))[:, -1]  # type: ignore[no-untyped-call]


def _naming_loss(things: Tensor | None, queries: Tensor, spots: Tensor) -> Tensor:
    """Cross-entropy of M queries an image, (B, M, W), against where what they name is to be seen, (B, M, 3)."""
    if things is None:
        return queries.new_zeros(())
    logits = point_out(things, queries).flatten(0, 1).view(-1, *things.shape[2:])
    return pointing_loss(log_softmax(logits), spots.flatten(0, 1))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
