"""Contact sheets: what is in a data set, at a glance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from saycan.skills.data.episode import Episode
from saycan.skills.data.store import about, read_shard, shards

_TILE, _LABEL, _GAP = 96, 16, 3  # pixels


def summary(folder: Path) -> list[str]:
    """How many episodes of each verb, by whom, and how many succeeded, in lines."""
    import h5py

    files = shards(folder)
    tried: Counter[str] = Counter()
    succeeded: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    rows = 0
    for file in files:
        with h5py.File(file, "r") as opened:
            for demo in opened["data"].values():
                verb = str(demo.attrs["verb"])
                tried[verb] += 1
                succeeded[verb] += int(demo.attrs.get("success", True))
                sources[str(demo.attrs.get("source", "experts"))] += 1
                rows += len(demo["actions"])
    made = about(files[0])
    lines = [
        f"{sum(tried.values())} episodes, {rows} rows, {len(files)} shards; "
        f"distribution version {made.get('distribution')}; by {', '.join(f'{n} ({c})' for n, c in sources.items())}"
    ]
    return lines + [f"  {verb:10} {tried[verb]:6}  succeeded {succeeded[verb] / tried[verb]:.0%}" for verb in tried]


def save_sheet(folder: Path, path: Path, episodes: int = 12, columns: int = 8) -> None:
    """Write a picture with one row an episode: its cameras one above the other, its moments from left to right."""
    from PIL import Image, ImageDraw

    chosen = _choose(folder, episodes)
    cameras = [name for name in chosen[0].observations if name.endswith("_image")]
    height = _LABEL + len(cameras) * _TILE + _GAP
    sheet = Image.new("RGB", (columns * (_TILE + 1), len(chosen) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, episode in enumerate(chosen):
        top = index * height
        outcome = "succeeded" if episode.success else "failed"
        draw.text(
            (2, top + 2), f"{episode.skill.phrase}: {outcome}, {episode.source}, scene {episode.seed}", fill="black"
        )
        moments = np.linspace(0, len(episode) - 1, columns).round().astype(int)
        for column, moment in enumerate(moments):
            for level, camera in enumerate(cameras):
                picture: Any = Image.fromarray(np.asarray(episode.observations[camera][moment]))
                corner = (column * (_TILE + 1), top + _LABEL + level * _TILE)
                sheet.paste(picture.resize((_TILE, _TILE), Image.Resampling.NEAREST), corner)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _choose(folder: Path, count: int) -> list[Episode]:
    """Episodes from shards spread over the set, of as many verbs as there are."""
    files = shards(folder)
    some = [files[int(k)] for k in np.linspace(0, len(files) - 1, min(4, len(files))).round()]
    found = [episode for file in dict.fromkeys(some) for episode in read_shard(file)]
    by_verb: dict[str, list[Episode]] = {}
    for episode in found:
        by_verb.setdefault(episode.skill.verb, []).append(episode)
    chosen: list[Episode] = []
    while len(chosen) < min(count, len(found)):
        for listed in by_verb.values():
            if listed and len(chosen) < count:
                chosen.append(listed.pop(0))
    return chosen
