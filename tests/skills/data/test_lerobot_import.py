"""Data sets to LeRobot and back, and those that LeRobot itself has recorded; read by it where it is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from saycan.cli import app
from saycan.errors import BadInputError, MissingPartError
from saycan.skills.data.episode import Episode
from saycan.skills.data.frames import load
from saycan.skills.data.lerobot_export import export
from saycan.skills.data.lerobot_import import Imported, bring
from saycan.skills.data.store import about, read_shard, shards
from tests.lerobot_environment import needs_lerobot, there
from tests.skills.data.builder import CAMERAS, LIBRARY, PICK, PLACE, make_episode, make_set

EPISODES = [
    replace(make_episode(PICK, seed=1, length=5), labels={}),
    replace(make_episode(PLACE, seed=2, length=4, success=False), labels={}),
    replace(make_episode(PICK, seed=3, length=3, source="learned"), labels={}),
]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    make_set(tmp_path / "set", EPISODES)
    export(tmp_path / "set", tmp_path / "exported", megabytes=1e-6)  # a file for each episode
    return tmp_path / "exported"


def same(one: Episode, other: Episode) -> None:
    assert one.observations.keys() - {"time"} <= other.observations.keys()
    for name in one.observations.keys() - {"time"}:
        np.testing.assert_array_equal(one.observations[name], other.observations[name], err_msg=name)
        assert one.observations[name].dtype == other.observations[name].dtype, name
    np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_array_equal(one.executed, other.executed)
    told = ("skill", "seed", "source", "scene", "success", "terminated")
    assert [getattr(one, name) for name in told] == [getattr(other, name) for name in told]


def test_what_was_exported_comes_back_equal(exported: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = bring(exported, tmp_path / "back", LIBRARY, progress=lambda done, total: told.append((done, total)))
    assert made == Imported(episodes=3, rows=12, every=3) and told == [(1, 3), (2, 3), (3, 3)]
    (shard,) = shards(tmp_path / "back")
    back = [*read_shard(shard)]
    assert len(back) == 3
    for one, other in zip(EPISODES, back, strict=True):
        same(one, other)
        assert other.period.tolist() == [3 * row for row in range(len(one))]
        np.testing.assert_allclose(other.observations["time"][:, 0], 0.3 * np.arange(len(one)), atol=1e-6)
    facts = about(shard)
    assert (facts["env_name"], facts["every"], facts["cameras"]) == ("toy", 3, list(CAMERAS))


def test_to_lerobot_once_more_is_the_same_set(exported: Path, tmp_path: Path) -> None:
    bring(exported, tmp_path / "back", LIBRARY)
    export(tmp_path / "back", tmp_path / "again", megabytes=1e-6)
    for path in sorted(exported.rglob("*.parquet")):
        assert pq.read_table(path).equals(pq.read_table(tmp_path / "again" / path.relative_to(exported))), path
    for name in ("info.json", "stats.json"):
        assert (exported / "meta" / name).read_text() == (tmp_path / "again/meta" / name).read_text()


def test_training_reads_it(exported: Path, tmp_path: Path) -> None:
    bring(exported, tmp_path / "back", LIBRARY)
    frames = load([tmp_path / "back"])
    np.testing.assert_array_equal(frames.actions, np.concatenate([episode.actions for episode in EPISODES]))
    done = np.unpackbits(frames.done, axis=1, count=len(frames.phrases))
    assert frames.phrases == (PICK.phrase, PLACE.phrase)
    assert np.argwhere(done).tolist() == [[4, 0], [11, 0]]  # the ends of the two successes


def test_an_instruction_that_is_not_in_the_library_is_a_skill_of_its_own(exported: Path, tmp_path: Path) -> None:
    bring(exported, tmp_path / "back")
    skill = next(read_shard(shards(tmp_path / "back")[0])).skill
    assert (skill.phrase, skill.verb, skill.object) == (PICK.phrase, PICK.phrase, None)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "meta/info.json"
        info = json.loads(path.read_text())
        change(info)
        path.write_text(json.dumps(info))

    return edit


def without_action(folder: Path) -> None:
    changed(lambda info: info["features"].pop("action"))(folder)


def half_a_file(folder: Path) -> None:
    path = folder / "data/chunk-000/file-001.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)


def broken_picture(folder: Path) -> None:
    path = folder / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    name = "observation.images.head"
    rows = pa.array([{"bytes": b"none", "path": None}] * len(table), type=table.schema.field(name).type)
    pq.write_table(table.set_column(table.schema.get_field_index(name), table.schema.field(name), rows), path)


def others(info: dict[str, Any]) -> None:
    info["features"]["action"] |= {"shape": [6], "names": {"motors": ["pan.pos", "lift.pos", "a", "b", "c", "d"]}}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda folder: (folder / "meta/info.json").unlink(),
            r"is no LeRobotDataset: meta/info.json.*in which meta lies",
        ),
        (lambda folder: (folder / "meta/info.json").write_text("[]"), r"holds no JSON object"),
        (changed(lambda info: info.update(codebase_version="v2.1")), r"v2\.1, and v3\.0 is read; LeRobot converts"),
        (changed(lambda info: info.update(fps=30)), r"30 rows a second; control here is at 10 Hz"),
        (changed(lambda info: info.update(fps=4)), r"4 rows a second"),
        (without_action, r"no 'action'; found .*observation\.state"),
        (changed(others), r"action is pan\.pos, lift\.pos.*learns ee_dx.*lerobot:CHECKPOINT"),
        (
            changed(lambda info: info["features"]["observation.state"].update(names=["x"] * 18)),
            r"observation\.state is x, x.*proprioception is joint_0",
        ),
        (changed(lambda info: info["features"]["observation.state"].update(shape=[6], names=None)), r"state is \[6\]"),
        (
            lambda folder: (folder / "meta/tasks.parquet").unlink(),
            r"tasks\.parquet cannot be read.*a whole LeRobotDataset",
        ),
        (lambda folder: (folder / "data/chunk-000/file-002.parquet").unlink(), r"file-002\.parquet cannot be read"),
        (lambda folder: (folder / "meta/episodes/chunk-000/file-000.parquet").unlink(), r"no episode in meta/episodes"),
        (half_a_file, r"holds 3 rows of episode 1, and meta/episodes says 4; the set is not whole"),
        (broken_picture, r"a picture of observation\.images\.head cannot be read"),
    ],
)
def test_what_cannot_be_taken_is_told_and_nothing_is_left(
    exported: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(exported)
    with pytest.raises(BadInputError, match=told):
        bring(exported, tmp_path / "back", LIBRARY)
    assert not (tmp_path / "back").exists()


def test_nothing_is_overwritten_and_pyarrow_is_asked_for(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInputError, match="exists; name a folder"):
        bring(exported, tmp_path / "set")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPartError, match=r"pip install 'saycan-robotics\[export\]'"):
        bring(exported, tmp_path / "back")


def test_the_command(exported: Path, tmp_path: Path) -> None:
    arguments = ["data", "import", str(exported), str(tmp_path / "back")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "3 episodes, 12 rows, one every 3 control periods" in " ".join(result.stdout.split())
    assert next(read_shard(shards(tmp_path / "back")[0])).skill == PICK
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2 and again.stderr.startswith("error: ")


class TestWithLeRobot:
    pytestmark = needs_lerobot

    def test_it_reads_what_is_exported(self, exported: Path) -> None:
        found = there("read_dataset", folder=str(exported), name="exported")
        assert (found["episodes"], found["frames"], found["fps"]) == (3, 12, pytest.approx(10 / 3))
        assert found["cameras"] == [f"observation.images.{camera}" for camera in CAMERAS]
        assert found["tasks"] == [PICK.phrase] * 5 + [PLACE.phrase] * 4 + [PICK.phrase] * 3
        np.testing.assert_array_equal(found["action"], np.concatenate([episode.actions for episode in EPISODES]))
        for camera in CAMERAS:
            pictures = np.concatenate([episode.observations[f"{camera}_image"] for episode in EPISODES])
            expected = pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1)
            np.testing.assert_array_equal(found["pixels"][f"observation.images.{camera}"], expected)
        assert np.flatnonzero(found["success"]).tolist() == [4, 11]

    @pytest.mark.parametrize("video", [False, True])
    def test_what_it_records_comes_here(self, tmp_path: Path, video: bool) -> None:
        folder = tmp_path / "theirs"
        told = there("record_dataset", folder=str(folder), name="theirs", video=video)
        made = bring(folder, tmp_path / "ours")
        assert made == Imported(episodes=2, rows=7, every=1)
        one, two = read_shard(shards(tmp_path / "ours")[0])
        assert [len(one), len(two)] == [4, 3]
        assert [one.skill.phrase, two.skill.phrase] == ["stack the blocks", "open the box"]
        assert one.success and one.source == "lerobot"
        for key, width in (("actions", 11), ("joints", 5)):
            rows = [getattr(e, key) if key == "actions" else e.observations[key] for e in (one, two)]
            np.testing.assert_array_equal(np.concatenate(rows), np.float32(told[key])[:, :width])
        pictures = np.concatenate([one.observations["front_image"], two.observations["front_image"]])
        # A grey that rises from row to row: a video loses detail, but not which picture is which.
        assert pictures.shape == (7, 64, 64, 3)
        np.testing.assert_allclose(pictures.mean((1, 2, 3)), told["greys"], atol=3.0 if video else 0.0)
