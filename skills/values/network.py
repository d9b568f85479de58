"""One look, many questions: an image encoding that phrases put their questions to by attention.

The cameras' feature maps become N tokens f_n, once for an observation; every phrase is a query on them,

    a_hn = softmax_n(q_h . k_n / sqrt(d)),   seen_h = sum_n a_hn v_n,   peak_h = max_n q_h . k_n / sqrt(d),

and a small perceptron on (seen, peak, phrase, body, place) answers three questions about each phrase: will the policy
succeed if it starts now (value), does the precondition hold (possible), has it been done (done). Its first layer is a
sum of what each of these adds, and what phrases and body add is computed once. So 551 phrases cost little more than
one. A fourth answer is about the observation alone: whether picture and proprioception belong together (coherent),
which tells a frozen, black or foreign picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from saycan.precision import coarse
from saycan.skills.features import BODY, PLACE
from saycan.skills.group_norm import GroupNorm
from saycan.skills.pointing import coordinates, log_softmax
from saycan.skills.pointing import pointing_loss as one_camera

ANSWERS = ("value", "possible", "done")

GUESSES = ("x", "y", "z", "left")
"""What is guessed besides in training alone: where the goal is from the hand, in the base frame and units of 0.2 m, and
for how many times four seconds a policy that succeeds still acts."""


@dataclass(frozen=True, eq=False)
class Look:
    """An encoded observation, B of them.

    Attributes:
        keys, values: (B, N, heads * d) of all cameras' tokens, one camera after the other.
        body: (B, hidden) what proprioception adds to the perceptron's first layer.
        counts: Tokens of each camera.
        features: (B, F) pooled features: what a foreign picture is told by.
        coherent: (B,) logit that picture and proprioception belong together.
    """

    keys: Tensor
    values: Tensor
    body: Tensor
    counts: tuple[int, ...]
    features: Tensor
    coherent: Tensor


@dataclass(frozen=True, eq=False)
class Phrases:
    """Encoded phrases, S of them, the same for all observations or for each of B; no picture is needed for it.

    Attributes:
        queries: (S, cameras * heads * d) or (B, S, cameras * heads * d).
        phrase: (S, hidden) or (B, S, hidden), what they add to the perceptron's first layer.
    """

    queries: Tensor
    phrase: Tensor


@dataclass(frozen=True, eq=False)
class Answers:
    """Logits for B observations and S phrases.

    Attributes:
        value, possible, done: (B, S).
        attention: Of each camera (B, heads, S, tokens) logits of the attention.
        inner: (B, S, hidden), what the answers are read from.
    """

    value: Tensor
    possible: Tensor
    done: Tensor
    attention: tuple[Tensor, ...]
    inner: Tensor


class ValueNetwork(nn.Module):
    """See the module.

    Args:
        cameras: Their names.
        text: E, numbers of a sentence embedding.
        stem, channels, blocks: Of each camera's convolutional network; its map has a quarter of the picture's size.
        heads, width: Attention heads and their width d.
        hidden: Width of the perceptron.
        guessing: Whether it also learns `GUESSES`, which nobody asks at run time.
    """

    def __init__(
        self,
        cameras: Sequence[str] = ("head", "wrist"),
        text: int = 640,
        stem: int = 24,
        channels: int = 48,
        blocks: int = 2,
        heads: int = 4,
        width: int = 24,
        hidden: int = 96,
        guessing: bool = False,
    ) -> None:
        super().__init__()
        self._config = {
            "cameras": list(cameras), "text": text, "stem": stem, "channels": channels, "blocks": blocks,
            "heads": heads, "width": width, "hidden": hidden, "guessing": guessing,
        }  # fmt: skip
        self._cameras, self._heads, self._width = tuple(cameras), heads, width
        self.eyes = nn.ModuleDict({name: _eye(stem, channels, blocks) for name in cameras})
        inner = heads * width
        self.key, self.worth = nn.Linear(channels + 2, inner), nn.Linear(channels + 2, inner)
        self.query = nn.Sequential(nn.Linear(text, hidden), nn.ReLU(), nn.Linear(hidden, len(cameras) * inner))
        self.phrase = nn.Sequential(nn.Linear(text, hidden), nn.ReLU())
        self.body = nn.Sequential(nn.Linear(BODY, hidden), nn.ReLU())
        seen = len(cameras) * (inner + heads)
        self.answer = nn.Sequential(
            nn.Linear(seen + 2 * hidden + PLACE, hidden), nn.LayerNorm(hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, len(ANSWERS)),
        )  # fmt: skip
        self._widths = [seen, hidden, hidden, PLACE]
        self.guess = nn.Linear(hidden, len(GUESSES)) if guessing else None
        pooled = 2 * len(cameras) * channels
        self.coherent = nn.Sequential(nn.Linear(pooled + hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def config(self) -> dict[str, Any]:
        """What it was made with."""
        return self._config

    def look(self, images: Mapping[str, Tensor], body: Tensor) -> Look:
        """Encode (B, 3, H, W) uint8 pictures and (B, BODY) standardised proprioception."""
        tokens, counts, pooled = [], [], []
        for name in self._cameras:
            pixels = images[name].float().div(127.5).sub(1.0).contiguous(memory_format=torch.channels_last)
            with coarse(pixels, self.training):
                x = self.eyes[name](pixels)
            x = x.float()
            pooled += [x.mean(dim=(2, 3)), x.amax(dim=(2, 3))]
            height, width = x.shape[2:]
            grid = coordinates(height, width, x).expand(len(x), -1, -1)
            tokens.append(torch.cat([x.flatten(2).transpose(1, 2), grid], dim=2))
            counts.append(height * width)
        everything = torch.cat(tokens, dim=1)
        features, inner = torch.cat(pooled, dim=1), self.body(body)
        coherent = self.coherent(torch.cat([features, inner], dim=1))[:, 0]
        return Look(
            self.key(everything), self.worth(everything), self._adds(inner, 2), tuple(counts), features, coherent
        )

    def read(self, text: Tensor) -> Phrases:
        """Encode (S, E) or (B, S, E) sentence embeddings."""
        return Phrases(self.query(text), self._adds(self.phrase(text), 1))

    def ask(self, look: Look, phrases: Phrases, place: Tensor) -> Answers:
        """Answers about S phrases with (B, S, PLACE) features of the places that they are about."""
        batch, heads, width = len(look.keys), self._heads, self._width
        queries, phrase = phrases.queries, phrases.phrase
        if queries.dim() == 2:
            queries, phrase = queries.expand(batch, -1, -1), phrase.expand(batch, -1, -1)
        count = queries.shape[1]
        queries = (queries * width**-0.5).view(batch, count, len(self._cameras), heads, width).permute(2, 0, 3, 1, 4)
        parts, attention = [], []
        by_camera = (torch.split(one, [*look.counts], dim=1) for one in (look.keys, look.values))
        for asked, *both in zip(queries, *by_camera, strict=True):
            keys, values = (every.view(batch, -1, heads, width).transpose(1, 2) for every in both)
            scores = asked @ keys.transpose(2, 3)  # (B, heads, S, tokens)
            seen = scores.softmax(dim=-1) @ values
            parts += [seen.transpose(1, 2).flatten(2), scores.amax(dim=-1).transpose(1, 2)]
            attention.append(scores)
        answers = self._adds(torch.cat(parts, dim=2), 0) + self._adds(place, 3)
        inner = answers + phrase + look.body[:, None] + self._first.bias
        for layer in [*self.answer][1:-1]:
            inner = layer(inner)
        value, possible, done = self.answer[-1](inner).unbind(dim=2)
        return Answers(value, possible, done, tuple(attention), inner)

    @property
    def _first(self) -> nn.Linear:
        first = self.answer[0]
        assert isinstance(first, nn.Linear)
        return first

    def _adds(self, part: Tensor, index: int) -> Tensor:
        """What one of (what is seen, phrase, body, place) adds to the perceptron's first layer."""
        return functional.linear(part, torch.split(self._first.weight, self._widths, dim=1)[index])


def pointing_loss(attention: Sequence[Tensor], where: Tensor) -> Tensor:
    """Cross-entropy of the first head's attention towards the thing that a phrase names.

    Args:
        attention: See `Answers`.
        where: (B, S, C, 3) for each camera x, y in [-1, 1] and whether it is in the picture.
    """
    losses, weights = [], []
    for index, scores in enumerate(attention):
        side = round(scores.shape[3] ** 0.5)
        logits = scores[:, 0].reshape(-1, side, side)
        points = where[:, :, index].flatten(0, 1)
        losses.append(one_camera(log_softmax(logits), points))
        weights.append(points[:, 2].sum())
    weight = torch.stack(weights)
    return (torch.stack(losses) * weight).sum() / weight.sum().clamp(min=1)


def binary_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean cross-entropy towards probabilities."""
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def _eye(stem: int, channels: int, blocks: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, stem, 5, 2, 2), nn.ReLU(), nn.Conv2d(stem, channels, 3, 2, 1), nn.ReLU()]
    layers += [_Residual(channels) for _ in range(blocks)]
    return nn.Sequential(*layers)


class _Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), GroupNorm(8, channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), GroupNorm(8, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.inner(x))
