"""Data sets as a LeRobotDataset v3.0: parquet, with the pictures inside as PNG.

    meta/info.json                            what each column is, rows a second, counts, where the files lie
    meta/stats.json                           statistics of each column over the whole set, for normalisation
    meta/tasks.parquet                        instruction to task_index
    meta/episodes/chunk-000/file-000.parquet  a row an episode: file, first row and one past the last, statistics
    data/chunk-000/file-000.parquet           a row a moment, several episodes a file, one row group an episode

Columns of `data`: "observation.images.CAMERA", "observation.state" (proprioception), "action" (the label: what the
expert would have done there), "executed" (what was sent to the robot), "next.reward", "next.done", "next.success", and
the five that the format asks for. `meta/episodes` also says success, terminated, source, seed and scene of each
episode, so that `LeRobotDatasetMetadata.filter_episodes` finds the successes. Labels that only a simulator knows stay
behind: they have no place in the format.

Why PNG and not video: 64-pixel pictures that a policy learns millimetres from must not go through a lossy codec. The
format allows either ("image" and "video" features), and PNG gives every pixel back.

Rows lie `every` control periods apart, so there are 10 / every of them a second: an integer where it is one, else a
fraction, which lerobot divides and multiplies by as it does by an integer. Timestamps are frame_index / fps, as lerobot
writes them. The row in which an episode ends is kept whatever its time, so it may be up to every - 1 periods too late
there; the one of half a second later, when things have come to rest, is left out: it is for success detectors.

Written after the source of lerobot 0.6.1 and 0.4.4 (`lerobot/datasets`, CODEBASE_VERSION "v3.0"); the latter's
LeRobotDataset reads it in a test. Newer ones need Python 3.12 and were not run.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.action import TERMINATE
from saycan.errors import BadInputError, MissingPartError
from saycan.skills.data.columns import IMAGE, cameras_of, columns_of, features_of
from saycan.skills.data.episode import Episode
from saycan.skills.data.statistics import count_levels, describe, describe_levels
from saycan.skills.data.store import about, read_shard, shards

VERSION = "v3.0"
RATE = 10
"""Control periods a second."""

_FILES_IN_A_CHUNK, _MEGABYTES = 1000, 100
_DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
_EPISODES = "meta/episodes/chunk-000/file-000.parquet"


@dataclass(frozen=True)
class Exported:
    """How much was written.

    Attributes:
        episodes, rows, tasks: Of the whole set.
        files: Parquet files under `data`.
    """

    episodes: int
    rows: int
    tasks: int
    files: int


def export(
    folder: Path,
    out: Path,
    *,
    megabytes: float = _MEGABYTES,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Exported:
    """Write a data set as a LeRobotDataset; `out` is there when it is whole, and not before.

    Args:
        folder: A data set, or one of its shards.
        out: The folder to make.
        megabytes: After so much another file under `data` is begun.
        progress: Told (shards written, shards in all).

    Raises:
        BadInputError: There is nothing to export, `out` exists, or the shards do not fit together.
        MissingPartError: pyarrow is not installed.
    """
    files = shards(folder)
    if out.exists():
        raise BadInputError(f"{out} exists; name a folder that does not, or remove it first")
    every = {_every(file) for file in files}
    if len(every) > 1:
        raise BadInputError(
            f"the shards in {folder} keep a row every {' and '.join(map(str, sorted(every)))} periods, and a "
            "LeRobotDataset has one rate; export them one by one"
        )
    made_by = str(about(files[0]).get("env_name", "saycan"))
    unfinished = out.with_name(out.name + ".unfinished")
    _clear(unfinished)
    try:
        apart = every.pop()
        writer = _Writer(unfinished, RATE / apart, megabytes)
        for number, file in enumerate(files):
            for episode in read_shard(file):
                writer.add(_evenly(episode, apart), file)
            progress(number + 1, len(files))
        exported = writer.finish(made_by)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    unfinished.rename(out)
    return exported


class _Writer:
    """Takes one episode after the other.

    Args:
        root: The folder to make.
        fps: Rows a second.
        megabytes: After so much another data file is begun.
    """

    def __init__(self, root: Path, fps: float, megabytes: float) -> None:
        self._pa, self._pq = _pyarrow()
        self._root, self._megabytes = root, megabytes
        self._fps = int(fps) if fps == int(fps) else fps
        self._features: dict[str, Any] = {}
        self._schema: Any = None
        self._file: Any = None
        self._files = self._bytes = self._total = 0
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._pixels: dict[str, NDArray[np.int64]] = {}

    def add(self, episode: Episode, source: Path) -> None:
        """Append an episode, which was read from `source`."""
        if len(episode) == 0:
            raise BadInputError(f"{source} holds an episode without rows; collect it again")
        features = features_of(episode)
        if not self._features:
            self._features, self._schema = features, self._make_schema(features)
        elif features != self._features:
            raise BadInputError(
                f"{source} has other cameras, sizes or joints than the shards before it; found {_shapes(features)}, "
                f"expected {_shapes(self._features)}: export the sets one by one"
            )
        task = self._tasks.setdefault(episode.skill.phrase, len(self._tasks))
        first, index = self._total, len(self._episodes)
        columns = columns_of(episode, self._fps, index, first, task)
        pictures = {
            f"{IMAGE}{camera}": np.asarray(episode.observations[f"{camera}_image"]) for camera in cameras_of(episode)
        }
        chunk, file = self._write(columns, pictures)
        self._total += len(episode)

        statistics = {name: describe(rows) for name, rows in columns.items()}
        for name, images in pictures.items():
            counts = count_levels(images)
            statistics[name] = describe_levels(counts, len(images))
            self._pixels[name] = self._pixels.get(name, np.zeros_like(counts)) + counts
        for name, rows in columns.items():
            self._columns.setdefault(name, []).append(rows)
        self._episodes.append(
            {
                "episode_index": index,
                "tasks": [episode.skill.phrase],
                "length": len(episode),
                "data/chunk_index": chunk,
                "data/file_index": file,
                "dataset_from_index": first,
                "dataset_to_index": self._total,
                "success": episode.success,
                "terminated": episode.terminated,
                "source": episode.source,
                "seed": episode.seed,
                "scene": episode.scene,
                **{
                    f"stats/{name}/{key}": value.tolist()
                    for name, found in statistics.items()
                    for key, value in found.items()
                },
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )

    def finish(self, robot: str) -> Exported:
        """Write what is known at the end: `meta`."""
        if self._file is None:
            raise BadInputError("the data set holds no episode; collect some with: saycan collect FOLDER")
        self._file.close()
        path = self._root / _EPISODES
        path.parent.mkdir(parents=True)
        self._pq.write_table(self._pa.Table.from_pylist(self._episodes), path)
        self._pq.write_table(self._task_table(), self._root / "meta/tasks.parquet")
        statistics = {name: describe_levels(counts, self._total) for name, counts in self._pixels.items()}
        statistics |= {name: describe(np.concatenate(rows)) for name, rows in self._columns.items()}
        self._write_json(
            "stats.json",
            {name: {key: value.tolist() for key, value in found.items()} for name, found in statistics.items()},
        )
        info = {
            "codebase_version": VERSION,
            "robot_type": robot,
            "total_episodes": len(self._episodes),
            "total_frames": self._total,
            "total_tasks": len(self._tasks),
            "chunks_size": _FILES_IN_A_CHUNK,
            "data_files_size_in_mb": _MEGABYTES,
            "video_files_size_in_mb": 200,  # lerobot's default; it asks for a positive number where there is no video
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": _DATA,
            "video_path": None,
            "features": self._features,
        }
        self._write_json("info.json", info)
        return Exported(len(self._episodes), self._total, len(self._tasks), self._files)

    def _write(self, columns: Mapping[str, NDArray[Any]], pictures: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
        """One episode as one row group; returns (chunk, file)."""
        pa = self._pa
        coded = {name: [_png(image) for image in images] for name, images in pictures.items()}
        size = sum(len(png) for pngs in coded.values() for png in pngs) + sum(rows.nbytes for rows in columns.values())
        if self._file is None or self._bytes + size > self._megabytes * 2**20:
            if self._file is not None:
                self._file.close()
            self._files, self._bytes = self._files + 1, 0
            path = self._root / _DATA.format(**self._place())
            path.parent.mkdir(parents=True, exist_ok=True)
            # Pictures do not repeat, so a dictionary of them would cost time and gain nothing.
            self._file = self._pq.ParquetWriter(path, self._schema, compression="snappy", use_dictionary=["task_index"])
        self._bytes += size
        arrays = []
        for field in self._schema:
            if field.name in coded:
                rows = [{"bytes": png, "path": None} for png in coded[field.name]]
                arrays.append(pa.array(rows, type=field.type))
            else:
                flat = pa.array(columns[field.name].ravel())
                width = columns[field.name].shape[1]
                arrays.append(flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width))
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._file.write_table(table, row_group_size=len(table))
        place = self._place()
        return place["chunk_index"], place["file_index"]

    def _place(self) -> dict[str, int]:
        chunk, file = divmod(self._files - 1, _FILES_IN_A_CHUNK)
        return {"chunk_index": chunk, "file_index": file}

    def _make_schema(self, features: Mapping[str, Any]) -> Any:
        """The columns' types, and beside them what makes the `datasets` library show pictures as pictures."""
        pa = self._pa
        fields: list[Any] = []
        known: dict[str, Any] = {}
        for name, feature in features.items():
            if feature["dtype"] == "image":
                fields.append(pa.field(name, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
                known[name] = {"_type": "Image"}
                continue
            kind = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_()}[feature["dtype"]]
            value, (width,) = {"dtype": feature["dtype"], "_type": "Value"}, feature["shape"]
            fields.append(pa.field(name, kind if width == 1 else pa.list_(kind, width)))
            known[name] = value if width == 1 else {"feature": value, "length": width, "_type": "Sequence"}
        return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": known}})})

    def _task_table(self) -> Any:
        """Instruction to number. lerobot reads it with pandas and takes the instruction for the index of the rows.

        Which column is an index stands in the schema's metadata, under "pandas"; it is written here by hand, so that
        pandas itself is not needed.
        """
        columns = [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
            for name, kind, numpy in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
        ]
        told = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
        table = self._pa.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        return table.replace_schema_metadata({"pandas": json.dumps(told)})

    def _write_json(self, name: str, content: object) -> None:
        (self._root / "meta" / name).write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def _shapes(features: Mapping[str, Any]) -> str:
    shown = [name for name in features if name.startswith("observation.")]
    return ", ".join(f"{name} {'x'.join(map(str, features[name]['shape']))}" for name in shown)


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    coded = io.BytesIO()
    Image.fromarray(image).save(coded, "PNG")
    return coded.getvalue()


def _evenly(episode: Episode, every: int) -> Episode:
    """Without the rows in between, which some episodes have where fingers decide, and without what follows the end."""
    if "period" not in episode.labels:
        return episode  # its rows are as far apart as the shard says
    ends = np.flatnonzero(episode.executed[:, TERMINATE] >= 0.5)
    episode = episode.take(np.arange(ends[0] + 1)) if len(ends) else episode
    period = episode.period
    return episode.take(np.flatnonzero((period % every == 0) | (period == period[-1])))


def _every(file: Path) -> int:
    """Control periods from row to row."""
    try:
        return int(about(file)["every"])
    except (OSError, KeyError, ValueError) as error:
        raise BadInputError(
            f'{file} does not say how many control periods lie between its rows ({error}); "every" belongs in its '
            "env_args, where saycan collect writes it"
        ) from error


def _clear(unfinished: Path) -> None:
    """Take away what a killed run left, and nothing else."""
    strange = [path for path in unfinished.rglob("*") if path.is_file() and path.suffix not in {".parquet", ".json"}]
    if strange or unfinished.is_file():
        raise BadInputError(f"{unfinished} is in the way and holds more than a killed export leaves; move it first")
    shutil.rmtree(unfinished, ignore_errors=True)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPartError(
            f"LeRobot's format needs pyarrow ({error}); install it: python -m pip install 'saycan-robotics[export]'"
        ) from error
    return pyarrow, pyarrow.parquet
