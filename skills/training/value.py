"""Learning what can be done and what has been done.

Value, by temporal differences from a sparse reward (MT-Opt, Kalashnikov et al. 2021, arXiv:2104.08212, without a
maximum over actions: the value is that of the very policy that acted), undiscounted and over n rows at once:

    V(s, phrase) <- r                        where all is over before s', n rows later: 1 for success, 0 for failure
    V(s, phrase) <- V'(s', phrase)           else, V' the moving average of V
    V(s, phrase) <- 0                        for phrases whose precondition does not hold in s, done ones among them

with n drawn anew each time, P(n) = (1 - lambda) lambda^(n - 1), whose mean is the lambda-return (Sutton and Barto 2018,
eq. 12.3): at lambda = 0 news of an end travels back one row a batch, over dozens of rows. Or by regression on the
outcome of the whole episode (Monte Carlo), the baseline. Only episodes in which the policy acted alone speak about it;
preconditions and deeds are learned from every row.

An outcome is one bit. What the answers are read from is therefore also to tell where the hand would have to go (the
expert's goal) and how long the policy took where it succeeded, which nobody asks at run time; a network that starts
from one that does not guess goes on without.
"""

from __future__ import annotations

import copy
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from saycan.skills.training.questions import Questions, ValueBatches
from saycan.skills.values.network import Answers, ValueNetwork, binary_loss, pointing_loss

Method = Literal["td", "mc"]

POINTING, COHERENT, IMPOSSIBLE, GUESS = 0.1, 0.2, 0.25, 0.1
"""Weights of the auxiliary losses, and of the zeros of what is impossible beside the outcomes of what was tried."""

REACH, LASTS = 0.2, 40.0
"""Units of `GUESSES`, m and control periods, of which no guess is asked to exceed three."""


class ValueLearner:
    """The losses of one step.

    Attributes:
        target: The moving average of the network that temporal differences bootstrap from; saved with the network.

    Args:
        batches: Where batches come from.
        method: "td" or "mc".
        lag: Decay of that moving average.
        trace: lambda.
    """

    def __init__(
        self,
        batches: ValueBatches,
        network: ValueNetwork,
        method: Method = "td",
        lag: float = 0.98,
        trace: float = 0.95,
    ) -> None:
        self._batches, self._method, self._lag, self._trace = batches, method, lag, trace
        self.target = copy.deepcopy(network).eval().requires_grad_(False)

    def losses(self, network: ValueNetwork, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        """Named losses of a random batch; for `saycan.training.loop.train`."""
        batches = self._batches
        rows, phrases = batches.draw(rng, size)
        asked = batches.questions(rows, phrases, rng)
        look = network.look(asked.images, asked.body)
        answers = network.ask(look, network.read(asked.text), asked.place)
        with torch.no_grad():
            own, outcome, impossible = self._targets(rows, phrases, asked, rng)
            for kept, new in zip(self.target.state_dict().values(), network.state_dict().values(), strict=True):
                kept.lerp_(new, 1 - self._lag)
        ones = torch.ones_like(asked.possible)
        mixed = functional.softplus(network.look(*incoherent(asked, rng)).coherent).mean()
        return {
            "value": binary_loss(answers.value[:, 0], outcome, own),
            "never": IMPOSSIBLE * binary_loss(answers.value, torch.zeros_like(ones), impossible),
            "possible": binary_loss(answers.possible, asked.possible, ones),
            "done": binary_loss(answers.done, asked.done, asked.visible),
            "pointing": POINTING * pointing_loss(answers.attention, asked.where),
            "guess": GUESS * self._guess(network, answers, rows),
            "coherent": COHERENT * (functional.softplus(-look.coherent).mean() + mixed),
        }

    def _guess(self, network: ValueNetwork, answers: Answers, rows: NDArray[np.int64]) -> Tensor:
        """How far what is guessed about the rows' own phrases is off, where the truth is known."""
        if network.guess is None:
            return answers.value.new_zeros(())
        batches, frames = self._batches, self._batches.frames
        left = (frames.period[frames.end[rows]] - frames.period[rows]) / LASTS
        told = batches.of_policy[rows] & frames.success[frames.episode[rows]]
        truth = np.column_stack([frames.goal[rows] / REACH, np.where(told, left, np.nan)]).clip(-3, 3)
        wanted = torch.from_numpy(truth.astype(np.float32)).to(answers.inner.device)
        off = functional.smooth_l1_loss(network.guess(answers.inner[:, 0]), wanted.nan_to_num(), reduction="none")
        known = wanted.isfinite()
        return (off * known).sum() / known.sum().clamp(min=1)

    def _targets(
        self, rows: NDArray[np.int64], phrases: NDArray[np.int64], asked: Questions, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B,) whether a row speaks about the value of its own phrase, (B,) what it says, and (B, S) what is never."""
        batches, frames = self._batches, self._batches.frames
        impossible = 1.0 - asked.possible  # an impossible skill does not succeed
        # Where its own phrase is impossible, done or dropped, a row is as any other: or what is done looks worth doing.
        own = np.flatnonzero(batches.of_policy[rows] & (asked.possible[:, 0] > 0).cpu().numpy())
        mine, device = rows[own], impossible.device
        outcome = torch.from_numpy(frames.success[frames.episode[mine]].astype(np.float32)).to(device)
        if self._method == "td" and len(own):
            following = mine + rng.geometric(1.0 - self._trace, len(mine))
            over = torch.from_numpy(following >= batches.over[mine]).to(device)
            after = batches.questions(np.minimum(following, frames.end[mine]), phrases[own, :1], rng)
            seen = self.target.look(after.images, after.body)
            ahead = self.target.ask(seen, self.target.read(after.text), after.place)
            outcome = torch.where(over, outcome, ahead.value[:, 0].sigmoid())
        known, said = torch.zeros(len(rows), device=device), torch.zeros(len(rows), device=device)
        known[own], said[own] = 1.0, outcome
        repeated = torch.from_numpy(phrases[:, 1:] == phrases[:, :1]).to(device)  # asked again it is not contradicted
        impossible[:, 1:] *= ~repeated
        return known, said, impossible


def incoherent(asked: Questions, rng: np.random.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """Pictures that do not belong to their proprioception, or to any kitchen, and that proprioception, (K, BODY)."""
    size = len(asked.body) // 4
    order = torch.from_numpy(rng.permutation(len(asked.body))[:size]).to(asked.body.device)
    images = {name: pictures[order].clone() for name, pictures in asked.images.items()}
    foreign = size // 2
    for pictures in images.values():
        for index in range(foreign):
            pictures[index] = _foreign(pictures[index], rng)
    return images, asked.body[:size]


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
    return coarse.repeat_interleave(height // 4, 1).repeat_interleave(width // 4, 2).to(picture.device)
