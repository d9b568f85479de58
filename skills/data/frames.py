"""The rows of many episodes as flat arrays in memory, which is what training draws from."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError
from saycan.skill import Skill
from saycan.skills.data.episode import Episode
from saycan.skills.data.store import read_shard, rows_in, shards
from saycan.skills.features import state_features

Float = NDArray[np.float32]

STIR = 0.005
"""m between two rows from which a thing that nobody holds moves."""

RESTED = 5
"""Control periods in which things come to rest (`saycan.executor.SETTLE` at 10 Hz): a row after so many is of rest."""


@dataclass(frozen=True, eq=False)
class Frames:
    """N rows of E episodes; an episode's rows lie one after the other.

    Attributes:
        images: Camera name to (N, H, W, 3) uint8.
        state: (N, P) float32, `saycan.skills.features`, not standardised.
        actions: (N, 11) float32, the label, in m, rad and shares.
        points: Camera name to (N, 3) float32, where the goal appears.
        goal: (N, 3) float32, the goal from the end effector in the base frame, m; NaN where there is none.
        episode: (N,) int32, index of the episode.
        end: (N,) int64, row of the episode's last observation.
        period: (N,) int64, control period of the row since its episode began.
        where: (N, C, K, 3) float16, where each of the K named things appears to each camera; not seen where there is
            none of it. Of several the one nearest to the hand.
        things: Names of the K things.
        moving: (N, K) bool, whether something of that name falls, rolls or topples: nobody holds it, and it is
            elsewhere in the row after (`STIR`). What has been done with it is open until it rests.
        possible, done: (N, ceil(S / 8)) uint8, packed bits for the S phrases.
        base: (N, 3) float32, base pose.
        skills: (E,) the skill of each episode.
        success: (E,) bool.
        source: (E,) who acted.
        seeds: (E,) number of the scene.
        phrases: The S phrases.
        places: (E,) maps.
    """

    images: Mapping[str, NDArray[np.uint8]]
    state: Float
    actions: Float
    points: Mapping[str, Float]
    goal: Float
    episode: NDArray[np.int32]
    end: NDArray[np.int64]
    period: NDArray[np.int64]
    where: NDArray[np.float16]
    things: tuple[str, ...]
    moving: NDArray[np.bool_]
    possible: NDArray[np.uint8]
    done: NDArray[np.uint8]
    base: Float
    skills: tuple[Skill, ...]
    success: NDArray[np.bool_]
    source: tuple[str, ...]
    seeds: NDArray[np.int64]
    phrases: tuple[str, ...]
    places: tuple[Mapping[str, object], ...]

    def __len__(self) -> int:
        return len(self.state)

    @cached_property
    def _order(self) -> tuple[int, NDArray[np.int64]]:
        """More than the largest period, and (N,) a key of each row by which all rows are sorted."""
        span = int(self.period.max()) + 1
        return span, self.episode.astype(np.int64) * span + self.period

    def at(self, rows: NDArray[np.int64], ahead: NDArray[np.int64]) -> NDArray[np.int64]:
        """(R, K) rows of the same episodes `ahead` (R, K) or (K,) periods later, or earlier where that is negative.

        Where that period was not kept: the first row after it, or the last one before it; never beyond the episode.
        """
        span, keys = self._order
        first = np.searchsorted(self.episode, self.episode[rows])[:, None]
        wanted = self.period[rows][:, None] + ahead
        sought = self.episode[rows].astype(np.int64)[:, None] * span + np.clip(wanted, 0, span - 1)
        later, earlier = np.searchsorted(keys, sought), np.searchsorted(keys, sought, side="right") - 1
        found = np.where(np.broadcast_to(ahead, wanted.shape) > 0, later, earlier)
        return np.asarray(np.clip(found, first, self.end[rows][:, None]))

    def holds(self, mask: NDArray[np.uint8], rows: NDArray[np.int64], phrases: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(R,) whether `mask` (possible or done) holds in each row for the phrase with that index."""
        return np.asarray(mask[rows, phrases >> 3] >> (7 - (phrases & 7)) & 1, bool)


def load(
    folders: Path | Iterable[Path],
    keep: Callable[[Episode], bool] | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Frames:
    """Read data sets into memory, about 25 kB a row at 64 pixels.

    Args:
        folders: Data sets, or single shards.
        keep: Which episodes, all by default; a function of some module, for shards are read by all cores.
        limit: At most so many episodes.
        progress: Told (shards read, shards in all).

    Raises BadInputError when no episode is left, or when the sets were made with different phrases or cameras.
    """
    files = [file for folder in ([folders] if isinstance(folders, Path) else folders) for file in shards(folder)]
    pictures = Pictures(sum(map(rows_in, files)))
    episodes: list[Episode] = []
    with _all_cores(len(files)) as pool:
        parts = deque(pool.submit(_read, file, keep) for file in files)
        while parts:
            found = parts.popleft().result()
            episodes += map(pictures.take, found[: None if limit is None else limit - len(episodes)])
            progress(len(files) - len(parts), len(files))
            if len(episodes) == limit:
                pool.shutdown(cancel_futures=True)
                break
    if not episodes:
        raise BadInputError(f"no episode to learn from in {', '.join(map(str, files[:3]))}; collect more")
    if any(episode.phrases != episodes[0].phrases for episode in episodes):
        raise BadInputError("these data sets were made with different skill libraries; collect them with one")
    return _joined(episodes, pictures.images)


class Pictures:
    """The pictures of episodes, one after the other. They are nearly all that data weigh, so nobody keeps them twice.

    Args:
        room: At least as many rows as will come.
    """

    def __init__(self, room: int) -> None:
        self._room, self._count = room, 0
        self._stacks: dict[str, NDArray[np.uint8]] | None = None

    @property
    def images(self) -> dict[str, NDArray[np.uint8]]:
        """Camera name to (N, H, W, 3)."""
        return {name: stack[: self._count] for name, stack in (self._stacks or {}).items()}

    def take(self, episode: Episode) -> Episode:
        """Add an episode's pictures; the episode without them. Raises BadInputError for those of other cameras."""
        new = {name.removesuffix("_image"): seen for name, seen in episode.observations.items() if _shows(name)}
        if self._stacks is None:
            self._stacks = {name: np.empty((self._room, *seen.shape[1:]), np.uint8) for name, seen in new.items()}
        shapes, other = ({name: seen.shape[1:] for name, seen in some.items()} for some in (self._stacks, new))
        if shapes != other:
            told = "; ".join(
                ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in some.items()) or "none"
                for some in (shapes, other)
            )
            raise BadInputError(f"these data sets were made with different cameras: {told}; train on one of them")
        if odd := {name: len(seen) for name, seen in new.items() if len(seen) != len(episode)}:
            raise BadInputError(
                f"an episode of {episode.skill.phrase!r} has {len(episode)} actions and not so many pictures: {odd}"
            )
        first, self._count = self._count, self._count + len(episode)
        for name, seen in new.items():
            self._stacks[name][first : self._count] = seen
        return replace(episode, observations={n: seen for n, seen in episode.observations.items() if not _shows(n)})


def _shows(name: str) -> bool:
    return name.endswith("_image")


def _all_cores(files: int) -> Executor:
    """Processes; for a few shards they would not be worth their start."""
    workers = min(os.cpu_count() or 1, files // 4)
    if workers < 2:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def _read(file: Path, keep: Callable[[Episode], bool] | None) -> list[Episode]:
    return [episode for episode in read_shard(file) if keep is None or keep(episode)]


def flatten(episodes: Sequence[Episode]) -> Frames:
    """The rows of episodes, one after the other. Labels that an episode lacks are taken to be unknown."""
    pictures = Pictures(sum(map(len, episodes)))
    return _joined([*map(pictures.take, episodes)], pictures.images)


def _joined(episodes: Sequence[Episode], images: Mapping[str, NDArray[np.uint8]]) -> Frames:
    """The rows of episodes whose pictures have been taken."""
    lengths = np.array([len(episode) for episode in episodes])
    ends = np.cumsum(lengths) - 1
    index = np.repeat(np.arange(len(episodes)), lengths)
    things = tuple(sorted({name for episode in episodes for name in episode.objects}))
    phrases = episodes[0].phrases or tuple(dict.fromkeys(episode.skill.phrase for episode in episodes))
    return Frames(
        images=images,
        state=_stack(state_features(e.observations, e.skill, e.places) for e in episodes),
        actions=_stack(e.actions for e in episodes),
        points={camera: _stack(_point(e, camera) for e in episodes) for camera in images},
        goal=_stack(_goal_from_hand(e) for e in episodes),
        episode=index.astype(np.int32),
        end=ends[index],
        period=np.concatenate([e.period for e in episodes]),
        where=np.concatenate([_where(e, things, len(images)) for e in episodes]),
        things=things,
        moving=np.concatenate([_moving(e, things) for e in episodes]),
        possible=np.packbits(np.concatenate([_truths(e, phrases)[0] for e in episodes]), axis=1),
        done=np.packbits(np.concatenate([_truths(e, phrases)[1] for e in episodes]), axis=1),
        base=_stack(np.asarray(e.observations["base_pose"], np.float32) for e in episodes),
        skills=tuple(e.skill for e in episodes),
        success=np.array([e.success for e in episodes]),
        source=tuple(e.source for e in episodes),
        seeds=np.array([e.seed for e in episodes]),
        phrases=phrases,
        places=tuple(e.places for e in episodes),
    )


def _stack(arrays: Iterable[Float]) -> Float:
    return np.concatenate([*arrays]).astype(np.float32)


def _truths(episode: Episode, phrases: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(T, S) what was possible and what was done; without labels a success is done in its last row."""
    if len(episode.done) == len(episode):
        return episode.possible, episode.done
    own = np.array([phrase == episode.skill.phrase for phrase in phrases])
    last = np.arange(len(episode))[:, None] == len(episode) - 1
    return np.broadcast_to(own, (len(episode), len(own))), own & last & episode.success


def _moving(episode: Episode, things: tuple[str, ...]) -> NDArray[np.bool_]:
    """(T, K) what of each name moves by itself; of the last row it is told by the row before, if that is near."""
    found = np.zeros((len(episode), len(things)), bool)
    if not episode.objects or len(episode) < 2:
        return found
    objects = episode.labels["objects"]  # (T, O, 4)
    held = objects[:, :, 3] > 0.5
    moved = np.linalg.norm(np.diff(objects[:, :, :3], axis=0), axis=2) > STIR  # (T - 1, O)
    stirs = np.zeros_like(held)
    stirs[:-1] = moved & ~held[1:]  # what is held in the next row was only reached for
    stirs[-1] = moved[-1] & (episode.period[-1] - episode.period[-2] < RESTED)
    for index, name in enumerate(episode.objects):
        found[:, things.index(name)] |= stirs[:, index] & ~held[:, index]
    return found


def _point(episode: Episode, camera: str) -> Float:
    """(T, 3) where the goal appears: nowhere when that is not known."""
    return episode.labels.get(f"{camera}_point", np.zeros((len(episode), 3), np.float32))


def _goal_from_hand(episode: Episode) -> Float:
    """(T, 3) the goal in the base frame, counted from the end effector; NaN where it is not known."""
    if "goal" not in episode.labels:
        return np.full((len(episode), 3), np.nan, np.float32)
    base = np.asarray(episode.observations["base_pose"], np.float64)
    offset = episode.labels["goal"].astype(np.float64) - np.column_stack([base[:, :2], np.zeros(len(base))])
    cos, sin = np.cos(base[:, 2]), np.sin(base[:, 2])
    x, y = cos * offset[:, 0] + sin * offset[:, 1], cos * offset[:, 1] - sin * offset[:, 0]
    hand = np.asarray(episode.observations["ee_position"], np.float64)
    return (np.stack([x, y, offset[:, 2]], axis=1) - hand).astype(np.float32)


def _where(episode: Episode, things: tuple[str, ...], views: int) -> NDArray[np.float16]:
    """(T, C, K, 3) where each named thing appears."""
    if not episode.objects:
        return np.zeros((len(episode), views, len(things), 3), np.float16)
    cameras, objects = episode.labels["cameras"], episode.labels["objects"]  # (T, C, 13), (T, O, 4)
    length, count = cameras.shape[:2]
    found = np.zeros((length, count, len(things), 3), np.float16)
    rotation = cameras[:, :, 3:12].reshape(length, count, 3, 3)
    offset = objects[:, None, :, :3] - cameras[:, :, None, :3]  # (T, C, O, 3)
    right, up, back = np.moveaxis(np.einsum("tcoi,tcij->tcoj", offset, rotation), -1, 0)
    depth = np.where(back < -1e-6, -back, np.inf) * np.tan(0.5 * cameras[:, :, None, 12])
    x, y = right / depth, -up / depth
    seen = (back < -1e-6) & (np.abs(x) <= 1) & (np.abs(y) <= 1)
    x, y = np.clip(x, -2, 2), np.clip(y, -2, 2)  # half precision ends at 65504
    distance = np.linalg.norm(offset[:, -1], axis=-1).mean(axis=0)  # from the last camera, the one on the hand
    for index in np.argsort(-distance):  # the nearest is written last
        found[:, :, things.index(episode.objects[index])] = np.stack([x, y, seen], axis=-1)[:, :, index]
    return found
