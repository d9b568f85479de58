"""Episodes on disk, as robomimic keeps them: HDF5, one group a demonstration.

    data                       attributes: total, env_args (JSON: distribution, versions, cameras)
    data/demo_0                attributes: num_samples, instruction, verb, object, place, seed, source, success, ...
    data/demo_0/obs/NAME       (T, ...) one dataset for each camera and each part of proprioception
    data/demo_0/actions        (T, 11) the label
    data/demo_0/executed       (T, 11) what was sent
    data/demo_0/rewards, dones (T,) 1 at the end of a success; 1 at the end
    data/demo_0/labels/NAME    (T, ...) what only a simulator knows
    mask/success, mask/failure names of the demonstrations of each kind

Demonstrations that others write need obs, actions and the attributes instruction and verb; all else may be missing.

Why HDF5 and not LeRobot's parquet and video: 64-pixel pictures that a policy learns millimetres from must not go
through a lossy codec, episodes of varying length with boolean label matrices fit one file a shard, and robomimic's
readers and those that copied its layout take it as it is (Mandlekar et al. 2021, arXiv:2108.03298).

A shard is written under another name and renamed when it is whole, so a killed run leaves no broken one behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from saycan.errors import BadInputError
from saycan.place import Place
from saycan.skill import Skill
from saycan.skills.data.episode import Episode

SUFFIX = ".hdf5"


def write_shard(path: Path, episodes: Iterable[Episode], about: Mapping[str, Any]) -> int:
    """Write one file; returns how many episodes. `about` becomes the JSON of `env_args`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    count = total = 0
    names: dict[str, list[str]] = {"success": [], "failure": []}
    with h5py.File(unfinished, "w") as file:
        data = file.create_group("data")
        for episode in episodes:
            name = f"demo_{count}"
            _write(data.create_group(name), episode)
            names["success" if episode.success else "failure"].append(name)
            total += len(episode)
            count += 1
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(dict(about))
        for key, listed in names.items():
            file.create_dataset(f"mask/{key}", data=np.array(listed, dtype="S"))
    unfinished.rename(path)
    return count


def shards(folder: Path) -> list[Path]:
    """The shards of a data set, in order. Raises BadInputError when there is none."""
    found = sorted(folder.glob(f"**/*{SUFFIX}")) if folder.is_dir() else [folder] if folder.is_file() else []
    if not found:
        raise BadInputError(f"no {SUFFIX} file in {folder}; make some with: saycan collect {folder}")
    return found


def read_shard(path: Path) -> Iterator[Episode]:
    """The episodes of one file, in order. Raises BadInputError for a file that is no such shard."""
    with _opened(path) as data:
        said = json.loads(data.attrs.get("env_args", "{}"))
        phrases, every = tuple(said.get("phrases", ())), int(said.get("every", 1))
        for index in range(len(data)):
            yield _read(data[f"demo_{index}"], phrases, every)


def rows_in(path: Path) -> int:
    """How many rows the episodes of one file have together. Raises BadInputError for a file that is no such shard."""
    with _opened(path) as data:
        return sum(len(demo["actions"]) for demo in data.values())


def about(path: Path) -> dict[str, Any]:
    """What is written about a shard: distribution, versions, phrases. Raises BadInputError for a file that is none."""
    with _opened(path) as data:
        found: dict[str, Any] = json.loads(data.attrs.get("env_args", "{}"))
        return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The group of the demonstrations; what cannot be read of it is a BadInputError."""
    try:
        with h5py.File(path, "r") as file:
            yield file["data"]
    except (OSError, KeyError) as error:
        raise BadInputError(
            f"{path} is not a shard of demonstrations ({error}); make them with: saycan collect"
        ) from error


def _as_list(place: Place) -> list[Any]:
    return [
        place.name,
        place.kind,
        *(array.tolist() for array in (place.dock, place.center, place.half_size)),
        place.rim,
    ]


def _as_place(values: list[Any]) -> Place:
    name, kind, dock, center, half_size, rim = values
    return Place(name, kind, np.array(dock), np.array(center), np.array(half_size), float(rim))


def _write(group: Any, episode: Episode) -> None:
    length = len(episode)
    group.attrs["num_samples"] = length
    group.attrs["instruction"] = episode.skill.phrase
    group.attrs["verb"] = episode.skill.verb
    group.attrs["object"] = episode.skill.object or ""
    group.attrs["place"] = episode.skill.place or ""
    group.attrs["seconds"] = episode.skill.seconds
    group.attrs["seed"] = episode.seed
    group.attrs["source"] = episode.source
    group.attrs["scene"] = episode.scene
    group.attrs["success"] = episode.success
    group.attrs["terminated"] = episode.terminated
    group.attrs["places"] = json.dumps([_as_list(place) for place in episode.places.values()])
    group.attrs["objects"] = json.dumps(episode.objects)
    for name, array in episode.observations.items():
        packing = {"compression": "gzip", "compression_opts": 1, "chunks": (min(length, 32), *array.shape[1:])}
        group.create_dataset(f"obs/{name}", data=array, **(packing if array.dtype == np.uint8 else {}))
    group.create_dataset("actions", data=episode.actions)
    group.create_dataset("executed", data=episode.executed)
    last = np.zeros(length, np.uint8)
    last[-1] = 1
    group.create_dataset("dones", data=last)
    group.create_dataset("rewards", data=(last * episode.success).astype(np.float32))
    for name, array in episode.labels.items():
        group.create_dataset(f"labels/{name}", data=array)
    for name, mask in (("possible", episode.possible), ("done", episode.done)):
        group.create_dataset(f"labels/{name}", data=np.packbits(mask, axis=1))


def _read(group: Any, phrases: tuple[str, ...], every: int) -> Episode:
    attributes = group.attrs
    skill = Skill(
        str(attributes["instruction"]),
        str(attributes["verb"]),
        str(attributes.get("object", "")) or None,
        str(attributes.get("place", "")) or None,
        float(attributes.get("seconds", 30.0)),
    )

    def take(part: str) -> dict[str, Any]:
        return {name: group[part][name][()] for name in group.get(part, ())}

    labels = take("labels")
    masks = {
        name: np.unpackbits(labels.pop(name), axis=1, count=len(phrases)).astype(bool)
        if name in labels
        else np.zeros((0, len(phrases)), bool)
        for name in ("possible", "done")
    }
    actions = group["actions"][()]
    if every > 1:
        labels.setdefault("period", every * np.arange(len(actions), dtype=np.float32))
    return Episode(
        skill,
        int(attributes.get("seed", 0)),
        str(attributes.get("source", "experts")),
        str(attributes.get("scene", "")),
        bool(attributes.get("success", True)),
        bool(attributes.get("terminated", True)),
        take("obs"),
        actions,
        group["executed"][()] if "executed" in group else actions,
        masks["possible"],
        masks["done"],
        labels,
        {place.name: place for place in map(_as_place, json.loads(attributes.get("places", "[]")))},
        phrases,
        tuple(json.loads(attributes.get("objects", "[]"))),
    )
