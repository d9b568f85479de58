"""LeRobotDatasets (v3.0) as data sets of this project: the way back from `saycan.skills.data.lerobot_export`.

What was exported comes back row for row: pictures bit for bit where they are PNG, proprioception, both actions, the
instruction, and how each episode ended. What the format has no place for stays behind: the simulator's labels, the
masks over the phrases, and a skill's parts, which are looked up by its phrase in the library that is passed.

A set that others recorded is taken when it holds what a robot here sees and does: "observation.state" with the numbers
of `Observation.proprioception` and "action" with those of `Action`, by their names or as many of them. A set of motor
positions is none of that; a policy is trained on it in LeRobot, and runs as `lerobot:CHECKPOINT`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, MissingPartError, UnknownNameError
from saycan.library import SkillLibrary
from saycan.skill import Skill
from saycan.skills.data.columns import ACTION, IMAGE, STATE
from saycan.skills.data.episode import Episode
from saycan.skills.data.lerobot_export import RATE, VERSION
from saycan.skills.data.store import SUFFIX, write_shard

_OTHER_THAN_JOINTS = sum(len(names) for part, names in STATE.items() if part != "joints")


@dataclass(frozen=True)
class Imported:
    """How much was written.

    Attributes:
        episodes, rows: In all.
        every: Control periods from row to row.
    """

    episodes: int
    rows: int
    every: int


def bring(
    folder: Path,
    out: Path,
    library: SkillLibrary | None = None,
    *,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Imported:
    """Write a LeRobotDataset as a data set of one shard.

    Args:
        folder: Of the LeRobotDataset: that in which "meta" lies.
        out: The folder to make.
        library: Where instructions are looked up; one that is not in it becomes a skill whose verb is itself.
        progress: Told (episodes written, episodes in all).

    Raises:
        BadInputError: It is no LeRobotDataset of this version, lacks something, or `out` exists.
        MissingPartError: pyarrow is not installed.
    """
    source = _Source(folder)
    if out.exists():
        raise BadInputError(f"{out} exists; name a folder that does not, or remove it first")

    def told() -> Iterator[Episode]:
        for number, episode in enumerate(source.episodes(library)):
            yield episode
            progress(number + 1, source.count)

    facts = {
        "env_name": source.robot, "every": source.every, "cameras": list(source.cameras), "imported": "LeRobotDataset",
        "phrases": [],
    }  # fmt: skip
    path = out / f"shard_0000000{SUFFIX}"
    try:
        count = write_shard(path, told(), facts)
    except BaseException:
        path.with_suffix(".unfinished").unlink(missing_ok=True)
        out.rmdir()
        raise
    return Imported(count, source.rows, source.every)


class _Source:
    """Reads one LeRobotDataset.

    Attributes:
        robot: What it says it was recorded on.
        every: Control periods from row to row.
        cameras: Name of each camera to its feature.
        count, rows: Episodes, and rows in all.
    """

    def __init__(self, folder: Path) -> None:
        self._pq = _parquet()
        self._folder = folder
        info = self._json("meta/info.json")
        version = info.get("codebase_version")
        if version != VERSION:
            raise BadInputError(
                f"{folder} is a LeRobotDataset {version}, and {VERSION} is read; LeRobot converts older ones "
                "(python -m lerobot.datasets.v30.convert_dataset_v21_to_v30)"
            )
        self._features: Mapping[str, Any] = info.get("features", {})
        self.robot = str(info.get("robot_type") or "unknown")
        self.every = self._every(info.get("fps"))
        self._data, self._videos = str(info.get("data_path")), info.get("video_path")
        self._joints = self._fitting()
        self.cameras = {
            name.removeprefix(IMAGE): name for name in self._features if name.startswith(IMAGE)
        }  # fmt: skip
        self._tasks = self._task_names()
        self._episodes = self._episode_rows()
        self.count, self.rows = len(self._episodes), sum(int(row["length"]) for row in self._episodes)

    def episodes(self, library: SkillLibrary | None) -> Iterator[Episode]:
        """One after the other. Raises BadInputError."""
        path, table = None, None
        for row in self._episodes:
            needed = self._folder / self._data.format(
                chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
            )
            if needed != path:
                path, table = needed, self._table(needed)
            assert table is not None
            numbers = np.asarray(table["episode_index"].to_numpy()).ravel()
            rows = np.flatnonzero(numbers == row["episode_index"])
            if len(rows) != row["length"] or not len(rows):
                raise BadInputError(
                    f"{path} holds {len(rows)} rows of episode {row['episode_index']}, and meta/episodes says "
                    f"{row['length']}; the set is not whole"
                )
            yield self._episode(row, table.slice(int(rows[0]), len(rows)), library)

    def _episode(self, row: Mapping[str, Any], table: Any, library: SkillLibrary | None) -> Episode:
        length = len(table)
        state = _numbers(table["observation.state"])
        seen: dict[str, NDArray[Any]] = {
            f"{camera}_image": self._pictures(name, table, row) for camera, name in self.cameras.items()
        }
        begin = 0
        for part, names in STATE.items():
            size = self._joints if part == "joints" else len(names)
            seen[part] = state[:, begin : begin + size]
            begin += size
        periods = np.arange(length) * self.every
        seen["time"] = (periods[:, None] / RATE).astype(np.float32)
        actions = _numbers(table["action"])
        there = table.column_names
        success = bool(row.get("success", True))
        if "success" not in row and "next.success" in there:
            success = bool(_numbers(table["next.success"])[-1, 0])
        phrase = self._tasks[int(_numbers(table["task_index"], np.int64)[0, 0])]
        unknown = np.zeros((0, 0), bool)
        return Episode(
            _skill(phrase, library),
            int(row.get("seed") or 0),
            str(row.get("source") or "lerobot"),
            str(row.get("scene") or ""),
            success,
            bool(row.get("terminated", True)),
            seen,
            actions,
            _numbers(table["executed"]) if "executed" in there else actions,
            unknown,
            unknown,
            {"period": periods.astype(np.float32)},
        )

    def _pictures(self, name: str, table: Any, row: Mapping[str, Any]) -> NDArray[np.uint8]:
        """(T, H, W, 3)."""
        shape = self._features[name]["shape"]
        if self._features[name]["dtype"] == "video":
            found = self._frames(name, row, len(table))
        else:
            found = [self._picture(one["bytes"], one["path"], name) for one in table[name].to_pylist()]
        pictures = np.stack(found)
        if pictures.shape[1:] not in ((*shape,), (*shape[1:], shape[0])):
            raise BadInputError(f"{self._folder}: {name} should be {shape}, found pictures of {pictures.shape[1:]}")
        return pictures

    def _picture(self, coded: bytes | None, path: str | None, name: str) -> NDArray[np.uint8]:
        from PIL import Image

        try:
            opened = Image.open(io.BytesIO(coded) if coded is not None else self._folder / str(path))
            return np.asarray(opened.convert("RGB"))
        except OSError as error:
            raise BadInputError(f"{self._folder}: a picture of {name} cannot be read: {error}") from error

    def _frames(self, name: str, row: Mapping[str, Any], length: int) -> list[NDArray[np.uint8]]:
        """Of a video, in which several episodes lie one after the other."""
        import av

        place = {key: row[f"videos/{name}/{key}"] for key in ("chunk_index", "file_index")}
        path = self._folder / str(self._videos).format(video_key=name, **place)
        start = float(row[f"videos/{name}/from_timestamp"])
        found: list[NDArray[np.uint8]] = []
        try:
            with av.open(str(path)) as opened:
                stream = opened.streams.video[0]
                period = self.every / RATE
                if start > 0:
                    opened.seek(max(0, int((start - period) / float(stream.time_base))), stream=stream)
                for frame in opened.decode(stream):
                    if float(frame.pts * stream.time_base) < start - 0.5 * period:
                        continue
                    found.append(frame.to_ndarray(format="rgb24"))
                    if len(found) == length:
                        return found
        except (OSError, IndexError, av.FFmpegError) as error:
            raise BadInputError(f"{path} cannot be read: {error}") from error
        raise BadInputError(f"{path} holds {len(found)} of the {length} pictures of episode {row['episode_index']}")

    def _fitting(self) -> int:
        """How many joints its state has. Raises BadInputError for a set of something else."""
        for name in ("observation.state", "action"):
            if name not in self._features:
                raise BadInputError(
                    f"{self._folder} has no {name!r}; found {', '.join(self._features) or 'no feature'}, and needed "
                    "are observation.state (proprioception) and action"
                )
        action, state = self._features["action"], self._features["observation.state"]
        names, size = _names(action), int(action["shape"][0])
        if (names and names != list(ACTION)) or size != len(ACTION):
            raise BadInputError(
                f"{self._folder}: action is {', '.join(names or []) or f'{size} numbers'}, and a policy here learns "
                f"{', '.join(ACTION)} (saycan.Action). Train on it in LeRobot and run that: --policy "
                "lerobot:CHECKPOINT"
            )
        joints = int(state["shape"][0]) - _OTHER_THAN_JOINTS
        expected = [f"joint_{number}" for number in range(joints)] + [
            name for part, names_ in STATE.items() if part != "joints" for name in names_
        ]
        found = _names(state)
        if joints < 1 or (found and found != expected):
            raise BadInputError(
                f"{self._folder}: observation.state is {', '.join(found or []) or state['shape']}, and proprioception "
                f"is joint_0, ..., {', '.join(expected[max(joints, 0) :])}"
            )
        return joints

    def _every(self, fps: Any) -> int:
        """Control periods from row to row."""
        every = RATE / fps if isinstance(fps, int | float) and fps > 0 else 0.0
        if every < 0.99 or abs(every - round(every)) > 0.01:
            raise BadInputError(
                f"{self._folder} has {fps} rows a second; control here is at {RATE} Hz, and rows lie whole periods "
                f"apart: {RATE}, {RATE / 2:g}, {RATE / 3:.3g}, ... a second"
            )
        return round(every)

    def _task_names(self) -> dict[int, str]:
        table = self._table(self._folder / "meta/tasks.parquet")
        columns = table.to_pydict()
        text = next((columns[name] for name in ("task", "__index_level_0__") if name in columns), None)
        if text is None or "task_index" not in columns:
            raise BadInputError(
                f"{self._folder}/meta/tasks.parquet has no task and task_index; found {', '.join(columns)}"
            )
        return dict(zip(map(int, columns["task_index"]), map(str, text), strict=True))

    def _episode_rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for path in sorted(self._folder.glob("meta/episodes/*/*.parquet")):
            table = self._table(path)
            kept = [name for name in table.column_names if not name.startswith("stats/")]
            rows += table.select(kept).to_pylist()
        if not rows:
            raise BadInputError(f"{self._folder} has no episode in meta/episodes")
        return sorted(rows, key=lambda row: int(row["episode_index"]))

    def _table(self, path: Path) -> Any:
        try:
            return self._pq.read_table(path)
        except (OSError, ValueError) as error:  # pyarrow's own are one or the other
            raise BadInputError(f"{path} cannot be read: {error}; is {self._folder} a whole LeRobotDataset?") from error

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self._folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInputError(
                f"{self._folder} is no LeRobotDataset: {name} cannot be read: {error}; name the folder in which meta "
                "lies"
            ) from error
        if not isinstance(found, dict):
            raise BadInputError(f"{self._folder}/{name} holds no JSON object")
        return found


def _skill(phrase: str, library: SkillLibrary | None) -> Skill:
    if library is not None:
        try:
            return library.find(phrase)
        except UnknownNameError:
            pass
    return Skill(phrase, phrase)


def _names(feature: Mapping[str, Any]) -> list[str] | None:
    """Of a feature's numbers; LeRobot has written them as a list, and as a map of one."""
    names = feature.get("names")
    if isinstance(names, Mapping):
        names = next(iter(names.values()), None)
    return [str(name) for name in names] if isinstance(names, Sequence) and not isinstance(names, str) else None


def _numbers(column: Any, kind: Any = np.float32) -> NDArray[Any]:
    """(T, n)."""
    found = np.array(column.to_pylist(), kind)
    return found[:, None] if found.ndim == 1 else found


def _parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPartError(
            "a LeRobotDataset is read with pyarrow: python -m pip install 'saycan-robotics[export]'"
        ) from error
    return pyarrow.parquet
