"""Behaviour cloning: which rows a policy learns from, and how a batch of them is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saycan.action import GRIPPER, TERMINATE
from saycan.errors import BadInputError
from saycan.skills.data.frames import Frames
from saycan.skills.policies.network import Inputs, Targets
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences, wordings
from saycan.skills.training.pictures import follow, varied

SHARES: Mapping[str, float] = {
    "pick up": 0.35, "place": 0.13, "put down": 0.06, "wipe": 0.27, "trash": 0.05, "bring": 0.05, "open": 0.04,
    "close": 0.04, "go to": 0.01, "find": 0.0,
}  # fmt: skip
"""Verb to its share of the rows drawn. "find" has none: nobody can learn where a thing is that is out of sight."""

OTHER = 0.1
"""Share of any other verb, which somebody's own demonstrations may have."""

DRIVING, MOVING, ENDING = 0.3, 3.0, 3.0
"""Weights of a row in which the base is on its way, of one in which the fingers have to move, and of a skill's last."""

OPENING, EMPTY = 7, 0.93
"""Place of the fingers' opening in the state, and above which there is nothing between them."""

NAMED = 3
"""Things in each row's pictures that a network is taught the names of."""

CANONICAL = 0.5  # share of the rows that come with the library's own phrase; the others with another wording


def row_weights(frames: Frames) -> NDArray[np.float64]:
    """(N,) how likely each row is to be drawn; rows that nothing can be learned from weigh 0.

    Raises BadInputError when that is so of all of them.
    """
    verbs = np.array([skill.verb for skill in frames.skills])[frames.episode]
    weights = np.ones(len(frames))
    far = np.linalg.norm(frames.actions[:, 7:9], axis=1) > 0.02
    turning = np.abs(frames.actions[:, 9]) > 0.04
    weights[far | turning] = DRIVING
    opening, wanted = frames.state[:, OPENING], frames.actions[:, GRIPPER]
    moving = ((wanted < 0.5) & (opening > EMPTY)) | ((wanted > 0.5) & (opening < EMPTY))
    ending = frames.actions[:, TERMINATE] > 0.5
    weights[moving] = MOVING
    weights[ending] = ENDING
    phrases = {phrase: index for index, phrase in enumerate(frames.phrases)}
    own = np.array([phrases[skill.phrase] for skill in frames.skills])[frames.episode]
    done, possible = (frames.holds(mask, np.arange(len(frames)), own) for mask in (frames.done, frames.possible))
    weights[~(done | possible)] = 0.0  # nothing is to be learned from what lies behind a dropped sponge but to give up
    weights[ending & ~done] = 0.0  # the expert gave up
    for verb in {*verbs.tolist()}:
        mine = verbs == verb
        total = weights[mine].sum()
        weights[mine] *= SHARES.get(verb, OTHER) / total if total else 0.0
    if not weights.any():
        verbs_there = ", ".join(sorted({*verbs.tolist()}))
        raise BadInputError(f"nothing can be learned from these episodes ({verbs_there}); collect others or more")
    return np.asarray(weights / weights.sum())


class PolicyBatches:
    """Draws batches for behaviour cloning.

    Args:
        frames: The rows.
        scaling: Of actions and proprioception.
        sentences: Embeds the wordings.
        history, chunk: Of the network.
        stride: Periods between two observations of the history.
        rows: Which rows to draw from, None for all; the weights decide between them.
        augment: Whether pictures change in contrast and tint, and phrases in wording.
        device: Where batches are made, and where the pictures are kept for it.
    """

    def __init__(
        self,
        frames: Frames,
        scaling: Scaling,
        sentences: Sentences,
        history: int = 1,
        chunk: int = 1,
        rows: NDArray[np.int64] | None = None,
        augment: bool = True,
        stride: int = 1,
        device: str = "cpu",
    ) -> None:
        self._frames, self._augment, self._device = frames, augment, device
        self._images = {name: torch.from_numpy(pixels).to(device) for name, pixels in frames.images.items()}
        self._past = -stride * np.arange(history)[::-1]
        self._ahead = np.arange(chunk)
        self._rows = np.arange(len(frames)) if rows is None else rows
        weights = row_weights(frames)[self._rows]
        self._cumulative = np.cumsum(weights / weights.sum())
        self._state = scaling.standardise(frames.state)
        self._actions = scaling.scale_actions(frames.actions)
        names = wordings({skill.phrase: skill for skill in frames.skills}.values())
        self._texts = {phrase: sentences.embed(texts) for phrase, texts in names.items()}
        about = {skill.phrase: skill.object for skill in frames.skills}
        of_thing = [[self._texts[phrase] for phrase, name in about.items() if name == thing] for thing in frames.things]
        self._about = np.concatenate(
            [np.zeros((0, sentences.size), np.float32), *(texts for thing in of_thing for texts in thing)]
        )
        self._sayings = np.array([sum(map(len, texts)) for texts in of_thing], int)  # how many there are of each thing
        self._saying = np.cumsum(self._sayings) - self._sayings  # and where they begin

    def draw(self, rng: np.random.Generator, size: int) -> tuple[Inputs, Targets]:
        """A batch of random rows."""
        rows = self._rows[np.searchsorted(self._cumulative, rng.random(size)).clip(max=len(self._rows) - 1)]
        return self.rows(rows, rng)

    def rows(self, rows: NDArray[np.int64], rng: np.random.Generator) -> tuple[Inputs, Targets]:
        """The batch of these rows."""
        frames, device = self._frames, self._device
        which = torch.from_numpy(frames.at(rows, self._past)).to(device)
        past, future = frames.at(rows, self._past), frames.at(rows, self._ahead)  # (B, T), (B, C)
        mask = frames.period[rows][:, None] + self._ahead <= frames.period[frames.end[rows]][:, None]
        images, by = {}, {}
        for name, pixels in self._images.items():
            images[name], by[name] = varied(pixels[which], rng if self._augment else None)
        points = {name: follow(where[rows], by[name]) for name, where in frames.points.items()}
        text = self._text(rows, rng)
        inputs = Inputs(images, torch.from_numpy(self._state[past]).to(device), torch.from_numpy(text).to(device))
        targets = Targets(
            actions=torch.from_numpy(self._actions[future]).to(device),
            mask=torch.from_numpy(mask.astype(np.float32)).to(device),
            points={name: torch.from_numpy(where).to(device) for name, where in points.items()},
            goal=torch.from_numpy(frames.goal[rows]).to(device),
            **self._named(rows, text, points, by, rng),
        )
        return inputs, targets

    def _named(
        self,
        rows: NDArray[np.int64],
        text: NDArray[np.float32],
        points: Mapping[str, NDArray[np.float32]],
        by: Mapping[str, NDArray[np.float32]],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """`Targets.named` and `Targets.spots`: things that are to be seen, and sentences of these data about them.

        A sentence about no thing ("wipe the counter with the sponge") names what its own skill is about: the goal.
        """
        frames = self._frames
        known = np.flatnonzero(self._sayings)  # the things that these data say anything about
        where = frames.where[rows][:, :, known].astype(np.float32)  # (B, C, K, 3)
        chance = rng.random((len(rows), len(known))) + (where[..., 2].max(axis=1) > 0)
        chosen = np.argsort(-chance, axis=1)[:, :NAMED]  # (B, M), what is to be seen first
        which = (rng.random(chosen.shape) * self._sayings[known[chosen]]).astype(int)
        texts = np.concatenate([self._about[self._saying[known[chosen]] + which], text[:, None]], axis=1)
        where = np.take_along_axis(where, chosen[:, None, :, None], axis=2)
        nothing = np.array([not skill.object for skill in frames.skills])[frames.episode[rows]]
        spots = {}
        for index, name in enumerate(frames.images):
            own = points[name] * np.stack([nothing, nothing, nothing], axis=1)
            spots[name] = np.concatenate([follow(where[:, index], by[name]), own[:, None]], axis=1, dtype=np.float32)
        return {
            "named": torch.from_numpy(texts).to(self._device),
            "spots": {name: torch.from_numpy(spot).to(self._device) for name, spot in spots.items()},
        }

    def _text(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        chosen = []
        for row in rows:
            texts = self._texts[self._frames.skills[self._frames.episode[row]].phrase]
            canonical = not self._augment or len(texts) == 1 or rng.random() < CANONICAL
            chosen.append(texts[0 if canonical else int(rng.integers(1, len(texts)))])
        return np.stack(chosen)


def split(frames: Frames, every: int = 40) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows for training and for evaluation: each scene is wholly in one of them.

    Where there are too few scenes for that, both get all rows: the scores then say how well they are remembered.
    """
    aside = (frames.seeds % every == 0)[frames.episode]
    rows = np.arange(len(frames))
    if aside.all() or not aside.any():
        return rows, rows
    return rows[~aside], rows[aside]


def evaluate(network: torch.nn.Module, batches: PolicyBatches, count: int = 1536) -> dict[str, float]:
    """Scores on held-out rows: error of hand and fingers, of terminate, and whether the network points at the goal."""
    rng = np.random.default_rng(0)
    hand: list[float] = []
    grip: list[float] = []
    ended: list[float] = []
    hits: dict[str, list[float]] = {}
    with torch.inference_mode():
        for _ in range(count // 256):
            inputs, targets = batches.draw(rng, 256)
            predicted = network.actions(inputs)[:, 0]  # type: ignore[operator]
            wanted = targets.actions[:, 0]
            going = wanted[:, TERMINATE] < 0
            hand += (predicted - wanted)[going, :3].norm(dim=1).tolist()
            grip += ((predicted[going, GRIPPER] > 0) == (wanted[going, GRIPPER] > 0)).float().tolist()
            ended += ((predicted[:, TERMINATE] > 0) == (wanted[:, TERMINATE] > 0)).float().tolist()
            for name, maps in network.looks_at(inputs).items():  # type: ignore[operator]
                if name in targets.points:
                    hits.setdefault(name, []).extend(_hits(maps, targets.points[name]))
    scores = {
        "hand error": float(np.mean(hand)),
        "fingers right": float(np.mean(grip)),
        "ending right": float(np.mean(ended)),
    }
    return scores | {f"points {name}": float(np.mean(values)) for name, values in hits.items() if values}


def _hits(logits: Tensor, point: Tensor) -> Sequence[float]:
    """Whether the strongest cell lies within a cell and a half of the goal, where that is in the picture."""
    _, height, width = logits.shape
    best = logits.flatten(1).argmax(dim=1)
    x, y = (best % width + 0.5) / width * 2 - 1, (best // width + 0.5) / height * 2 - 1
    close = ((x - point[:, 0]).abs() * width / 2 <= 1.5) & ((y - point[:, 1]).abs() * height / 2 <= 1.5)
    found: list[float] = close[point[:, 2] > 0].float().tolist()
    return found
