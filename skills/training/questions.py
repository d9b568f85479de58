"""What a value network is asked in training, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saycan.skill import Skill
from saycan.skills.data.frames import Frames
from saycan.skills.features import BODY, all_nearest, place_features
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences, wordings
from saycan.skills.training.pictures import follow, varied

STARTS = 0.4
"""Share of a policy's rows that are the first of an episode: when a skill is to begin, values are asked for."""

ENDS = 0.25
"""Share of all rows that are the last of an episode: when a skill has ended, it is asked whether it is done."""

PHRASES = 24
"""Phrases that are asked about each row: its own, those of one possible and one done deed, and others at random."""


@dataclass(frozen=True, eq=False)
class Questions:
    """A batch for a `ValueNetwork`: B rows, S phrases each, the row's own phrase first.

    Attributes:
        images: Camera name to (B, 3, H, W) uint8.
        body: (B, BODY). text: (B, S, E). place: (B, S, PLACE).
        possible, done: (B, S) float32, the truth. visible: (B, S) float32, whether a deed could be seen from here: the
            robot stands where it is done, and what it is done with does not move. A skill is judged at rest
            (`saycan.executor.SETTLE`); what still falls looks much as what has just fallen.
        where: (B, S, C, 3), where the thing that a phrase names appears to each camera, or the goal of the row's own
            skill where that names none.
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
        augment, device: As in `PolicyBatches`.

    Attributes:
        own: (N,) index of each row's own phrase.
        of_policy: (N,) whether that policy acted, alone.
        over: (N,) the first row behind each in which the attempt is over: its episode has ended, or its skill is none
            to begin any more.
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
        device: str = "cpu",
    ) -> None:
        self.frames, self.skills, self._augment, self._device = frames, skills, augment, device
        self._images = {name: torch.from_numpy(pixels).to(device) for name, pixels in frames.images.items()}
        self.rows = np.arange(len(frames)) if rows is None else rows
        self._body = scaling.standardise(frames.state)[:, :BODY]
        self._scaling = scaling
        index = {phrase: number for number, phrase in enumerate(frames.phrases)}
        self.own = np.array([index[skill.phrase] for skill in frames.skills])[frames.episode]
        self.of_policy = np.array([source == policy for source in frames.source])[frames.episode]
        self.over = self._ends()
        self._mine = self.rows[self.of_policy[self.rows]]
        self._begins = np.searchsorted(frames.episode, np.arange(len(frames.skills)))  # (E,) first rows
        self._attempts, self._episodes = (np.unique(frames.episode[rows]) for rows in (self._mine, self.rows))
        texts = wordings(skills)
        embedded = [sentences.embed(texts[skill.phrase]) for skill in skills]
        self._sayings = np.array([len(options) for options in embedded])  # of each skill
        self._saying = np.cumsum(self._sayings) - self._sayings  # where they begin
        self._texts = torch.from_numpy(np.concatenate(embedded)).to(device)
        self._things = np.array(
            [frames.things.index(skill.object) if skill.object in frames.things else -1 for skill in skills]
        )
        self._names = [*next(iter(frames.places))]
        self._about = np.array([self._names.index(skill.place) if skill.place else -1 for skill in skills])
        self._place, self._here = self._all_places()

    def _ends(self) -> NDArray[np.int64]:
        count = len(self.frames)
        rows = np.arange(count)
        possible = self.frames.holds(self.frames.possible, rows, self.own)
        after = np.append(np.where(possible, count, rows), count)
        after = np.minimum.accumulate(after[::-1])[::-1]  # (N + 1,) the first from here on in which it is not possible
        ends: NDArray[np.int64] = np.minimum(after[rows + 1], self.frames.end + 1)
        return ends

    def _all_places(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(N, P + 1, PLACE) features of every place and, last, of the nearest; (N,) where the base stands, or -1."""
        frames, names = self.frames, self._names
        rows, here = [], np.full(len(frames), -1)
        first = 0
        for episode, places in enumerate(frames.places):
            last = int(np.searchsorted(frames.episode, episode, side="right"))
            base = frames.base[first:last]
            stack = [place_features(base, places[name], True) for name in names]  # type: ignore[arg-type]
            near, stands = all_nearest(base, {name: places[name] for name in names})  # type: ignore[misc]
            unnamed = np.stack([place_features(base, places[name], False) for name in names])  # type: ignore[arg-type]
            stack.append(unnamed[near, np.arange(len(base))])
            here[first:last] = np.where(stands, near, -1)
            rows.append(np.stack(stack, axis=1))
            first = last
        features = np.concatenate(rows)
        mean, scale = self._scaling.mean[BODY:], self._scaling.scale[BODY:]
        return np.clip((features - mean) / scale, -5, 5).astype(np.float32), here

    def draw(self, rng: np.random.Generator, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(B,) rows and (B, S) phrases: half of the rows from the policy's own episodes, some their first or last.

        Firsts and lasts are drawn by the episode, for the longer an attempt, the more likely it fails.
        """
        count = size // 2 if len(self._mine) else 0
        own = np.arange(size) < count

        def drawn(mine: NDArray[Any], everyone: NDArray[Any]) -> NDArray[Any]:
            some = [rng.choice(mine, count)] if count else []
            return np.concatenate([*some, rng.choice(everyone, size - count)])

        rows, episodes = drawn(self._mine, self.rows), drawn(self._attempts, self._episodes)
        rows = np.where(own & (rng.random(size) < STARTS), self._begins[episodes], rows)
        rows = np.where(rng.random(size) < ENDS, self.frames.end[self._begins[episodes]], rows)
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
        things = self._things[phrases]
        moving = (things >= 0) & frames.moving[rows[:, None], np.maximum(things, 0)]
        visible = np.where(about >= 0, about == here, here >= 0) & ~moving
        where = np.where(things[..., None, None] >= 0,
                         frames.where[rows[:, None], :, np.maximum(things, 0)], 0).astype(np.float32)  # fmt: skip
        goals = (things < 0) & (phrases == self.own[rows][:, None])  # what is about no thing is about its goal: a spill
        images = {}
        drawn = torch.from_numpy(rows).to(self._device)
        for camera, (name, pixels) in enumerate(self._images.items()):
            pictures, by = varied(pixels[drawn, None], rng if self._augment else None)
            images[name] = pictures[:, 0]
            aimed = np.where(goals[..., None], frames.points[name][rows][:, None], where[:, :, camera])
            where[:, :, camera] = follow(aimed, by)
        other = (rng.random(phrases.shape) < 0.5) * self._augment
        said = self._saying[phrases] + (other * rng.random(phrases.shape) * self._sayings[phrases]).astype(np.int64)

        def there(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(self._device)

        def truth(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
            return frames.holds(mask, flat, phrases.ravel()).reshape(phrases.shape)

        # What came of an attempt is asked of the very thing that was held when it began: `saycan.symbolic.shortfall`.
        own = (phrases == self.own[rows][:, None]) & (rows == frames.end[rows])[:, None]
        done = np.where(own, frames.success[frames.episode[rows]][:, None], truth(frames.done))
        return Questions(
            images=images,
            body=there(self._body[rows]),
            text=self._texts[there(said)],
            place=there(place),
            possible=there(truth(frames.possible)).float(),
            done=there(done).float(),
            visible=there(visible).float(),
            where=there(where),
        )
