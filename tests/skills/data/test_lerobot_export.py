from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from saycan.action import TERMINATE, Action
from saycan.cli import app
from saycan.errors import BadInputError, MissingPartError
from saycan.observation import Observation
from saycan.skill import Skill
from saycan.skills.data.columns import ACTION
from saycan.skills.data.episode import Episode
from saycan.skills.data.lerobot_export import Exported, export
from saycan.skills.data.store import write_shard

APPLE, TABLE = Skill("pick up the apple", "pick up", "apple"), Skill("go to the table", "go to", None, "table")
CAMERAS = ("head", "wrist")


def make_episode(skill: Skill, seed: int, length: int, success: bool = True, side: int = 16) -> Episode:
    rng = np.random.default_rng(seed)
    sizes = {"joints": 7, "gripper": 1, "ee_position": 3, "ee_quaternion": 4, "base_pose": 3, "time": 1}
    seen: dict[str, Any] = {
        f"{name}_image": rng.integers(0, 256, (length, side, side, 3), np.uint8) for name in CAMERAS
    }
    seen |= {name: rng.normal(size=(length, size)).astype(np.float32) for name, size in sizes.items()}
    actions, executed = rng.normal(size=(2, length, 11)).astype(np.float32)
    executed[:, TERMINATE] = np.arange(length) == length - 1
    masks = np.zeros((length, 2), bool)
    phrases = (APPLE.phrase, TABLE.phrase)
    return Episode(
        skill, seed, "experts", "a toy", success, True, seen, actions, executed, masks, masks, phrases=phrases
    )


EPISODES = (make_episode(APPLE, 0, 5), make_episode(TABLE, 1, 3, success=False), make_episode(APPLE, 2, 4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards, of two episodes and of one."""
    for number, episodes in enumerate((EPISODES[:2], EPISODES[2:])):
        write(tmp_path / "set", number, episodes)
    return tmp_path / "set"


def write(folder: Path, number: int, episodes: tuple[Episode, ...], every: int = 5) -> None:
    facts = {"env_name": "toy", "every": every, "phrases": [APPLE.phrase, TABLE.phrase]}
    write_shard(folder / f"shard_{number:07d}.hdf5", episodes, facts)


@pytest.fixture
def made(folder: Path, tmp_path: Path) -> Path:
    assert export(folder, tmp_path / "out") == Exported(episodes=3, rows=12, tasks=2, files=1)
    return tmp_path / "out"


def stacked(name: str) -> np.ndarray:
    return np.concatenate([getattr(episode, name) for episode in EPISODES])


def in_rows(table: Any, name: str) -> np.ndarray:
    return np.array(table[name].to_pylist())


def test_every_file_of_the_format_is_there_and_no_other(made: Path) -> None:
    found = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    assert found == {
        "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
    }  # fmt: skip
    assert [path.name for path in made.parent.iterdir() if "unfinished" in path.name] == []


def test_info_says_what_lies_where(made: Path) -> None:
    info = json.loads((made / "meta/info.json").read_text())
    features = info.pop("features")
    assert info == {
        "codebase_version": "v3.0", "robot_type": "toy", "total_episodes": 3, "total_frames": 12, "total_tasks": 2,
        "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200, "fps": 2,
        "splits": {"train": "0:3"}, "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
    }  # fmt: skip
    assert features["observation.images.head"] == {
        "dtype": "image", "shape": [16, 16, 3], "names": ["height", "width", "channels"],
    }  # fmt: skip
    assert features["action"] == {"dtype": "float32", "shape": [11], "names": list(ACTION)}
    assert features["observation.state"]["shape"] == [18] == [len(features["observation.state"]["names"])]
    assert features["task_index"] == {"dtype": "int64", "shape": [1], "names": None}
    schema = pq.read_schema(made / info["data_path"].format(chunk_index=0, file_index=0))
    assert schema.names == [*features]
    action = schema.field("action").type
    assert (action.list_size, str(action.value_type)) == (11, "float")
    assert [str(schema.field(name).type) for name in ("index", "next.done", "timestamp")] == ["int64", "bool", "float"]
    known = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert known.keys() == features.keys() and known["observation.images.wrist"] == {"_type": "Image"}


@pytest.mark.parametrize(("every", "fps"), [(1, 10), (3, 10 / 3), (5, 2)])
def test_rows_a_second_follow_from_the_rows_that_were_kept(tmp_path: Path, every: int, fps: float) -> None:
    write(tmp_path / "set", 0, EPISODES, every)
    export(tmp_path / "set", tmp_path / "out")
    found = json.loads((tmp_path / "out/meta/info.json").read_text())["fps"]
    assert found == fps and isinstance(found, type(fps))
    table = pq.read_table(tmp_path / "out/data/chunk-000/file-000.parquet")
    np.testing.assert_allclose(in_rows(table, "timestamp")[:5], 0.1 * every * np.arange(5), rtol=1e-6)


def test_the_rows_are_those_of_the_episodes(made: Path) -> None:
    table = pq.read_table(made / "data/chunk-000/file-000.parquet")
    assert in_rows(table, "index").tolist() == [*range(12)]
    assert in_rows(table, "frame_index").tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3]
    assert in_rows(table, "episode_index").tolist() == [0] * 5 + [1] * 3 + [2] * 4
    assert in_rows(table, "task_index").tolist() == [0] * 5 + [1] * 3 + [0] * 4
    np.testing.assert_array_equal(in_rows(table, "action").astype(np.float32), stacked("actions"))
    np.testing.assert_array_equal(in_rows(table, "executed").astype(np.float32), stacked("executed"))
    assert np.flatnonzero(in_rows(table, "next.done")).tolist() == [4, 7, 11]
    assert np.flatnonzero(in_rows(table, "next.success")).tolist() == [4, 11]
    assert np.flatnonzero(in_rows(table, "next.reward")).tolist() == [4, 11]


def test_the_state_is_proprioception_and_the_names_are_those_of_its_numbers(made: Path) -> None:
    seen = EPISODES[1].observations
    parts: Any = {name: seen[name][2] for name in ("joints", "ee_position", "ee_quaternion", "base_pose")}
    expected = Observation(0.0, {}, gripper=float(seen["gripper"][2, 0]), **parts).proprioception()
    row = pq.read_table(made / "data/chunk-000/file-000.parquet").slice(7, 1).to_pylist()[0]
    np.testing.assert_array_equal(np.float32(row["observation.state"]), expected)
    info = json.loads((made / "meta/info.json").read_text())
    named = dict(zip(info["features"]["observation.state"]["names"], expected, strict=True))
    assert (named["gripper"], named["ee_qw"], named["base_yaw"]) == (
        seen["gripper"][2, 0], seen["ee_quaternion"][2, 0], seen["base_pose"][2, 2],
    )  # fmt: skip
    vector = Action((1, 2, 3, 4, 5, 6), 0.5, (7, 8, 9), True).to_vector()
    named = dict(zip(ACTION, vector, strict=True))
    assert [named[name] for name in ("ee_dx", "ee_rz", "gripper", "base_turn", "terminate")] == [1, 6, 0.5, 9, 1]


def test_pictures_come_back_bit_for_bit(made: Path) -> None:
    table = pq.read_table(made / "data/chunk-000/file-000.parquet")
    for camera in CAMERAS:
        expected = np.concatenate([episode.observations[f"{camera}_image"] for episode in EPISODES])
        pictures = [Image.open(io.BytesIO(row["bytes"])) for row in table[f"observation.images.{camera}"].to_pylist()]
        assert {picture.format for picture in pictures} == {"PNG"}
        np.testing.assert_array_equal(np.stack([np.asarray(picture) for picture in pictures]), expected)


def test_each_episode_says_where_its_rows_are(made: Path) -> None:
    episodes = pq.read_table(made / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["episode_index"] for row in episodes] == [0, 1, 2]
    assert [(row["dataset_from_index"], row["dataset_to_index"], row["length"]) for row in episodes] == [
        (0, 5, 5), (5, 8, 3), (8, 12, 4),
    ]  # fmt: skip
    assert [row["tasks"] for row in episodes] == [[APPLE.phrase], [TABLE.phrase], [APPLE.phrase]]
    assert [(row["success"], row["seed"], row["source"]) for row in episodes] == [
        (True, 0, "experts"), (False, 1, "experts"), (True, 2, "experts"),
    ]  # fmt: skip
    for row, episode in zip(episodes, EPISODES, strict=True):
        np.testing.assert_allclose(row["stats/action/mean"], episode.actions.mean(axis=0), atol=1e-6)
        assert row["stats/action/count"] == [len(episode)]
        levels = np.asarray(episode.observations["head_image"], float) / 255
        np.testing.assert_allclose(row["stats/observation.images.head/std"], levels.std((0, 1, 2)).reshape(3, 1, 1))
    file = pq.ParquetFile(made / "data/chunk-000/file-000.parquet")
    assert file.num_row_groups == 3
    assert file.read_row_group(1)["index"].to_pylist() == [5, 6, 7]


def test_the_statistics_are_those_of_all_rows(made: Path) -> None:
    found = json.loads((made / "meta/stats.json").read_text())
    features = json.loads((made / "meta/info.json").read_text())["features"]
    assert found.keys() == features.keys()
    assert all({"min", "max", "mean", "std", "count", "q01", "q50", "q99"} <= one.keys() for one in found.values())
    actions = stacked("actions").astype(float)
    action = found["action"]
    np.testing.assert_allclose(action["min"], actions.min(0), rtol=1e-6)
    np.testing.assert_allclose(action["max"], actions.max(0), rtol=1e-6)
    np.testing.assert_allclose(action["mean"], actions.mean(0))
    np.testing.assert_allclose(action["std"], actions.std(0))
    np.testing.assert_allclose(action["q90"], np.quantile(actions, 0.9, axis=0))
    assert action["count"] == [12]
    pixels = np.concatenate([episode.observations["wrist_image"] for episode in EPISODES]) / 255
    wrist = found["observation.images.wrist"]
    assert np.shape(wrist["mean"]) == (3, 1, 1) and wrist["count"] == [12]
    np.testing.assert_allclose(np.ravel(wrist["mean"]), pixels.mean((0, 1, 2)))
    assert found["next.success"]["mean"] == [pytest.approx(2 / 12)] and found["index"]["max"] == [11]


def test_tasks_map_instructions_to_numbers_with_the_instruction_as_pandas_index(made: Path) -> None:
    table = pq.read_table(made / "meta/tasks.parquet")
    assert dict(zip(table["task"].to_pylist(), table["task_index"].to_pylist(), strict=True)) == {
        APPLE.phrase: 0, TABLE.phrase: 1,
    }  # fmt: skip
    told = json.loads(table.schema.metadata[b"pandas"])
    assert told["index_columns"] == ["task"]
    assert {column["field_name"] for column in told["columns"]} == set(table.column_names)


def test_a_full_file_is_followed_by_another(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(folder, out, megabytes=1e-6).files == 3
    episodes = pq.read_table(out / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    path = json.loads((out / "meta/info.json").read_text())["data_path"]
    for row in episodes:
        file = out / path.format(chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
        expected = [*range(row["dataset_from_index"], row["dataset_to_index"])]
        assert pq.read_table(file)["index"].to_pylist() == expected
    assert [row["data/file_index"] for row in episodes] == [0, 1, 2]


def test_nothing_is_overwritten(folder: Path, made: Path) -> None:
    with pytest.raises(BadInputError, match="out exists; name a folder"):
        export(folder, made)
    assert (made / "meta/info.json").is_file()
    unfinished = made.with_name("new.unfinished")
    unfinished.mkdir()
    (unfinished / "mine.hdf5").touch()
    with pytest.raises(BadInputError, match=r"new.unfinished is in the way"):
        export(folder, made.with_name("new"))
    assert (unfinished / "mine.hdf5").is_file()


def test_what_is_cut_off_leaves_nothing_and_what_was_killed_is_made_anew(folder: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(folder, tmp_path / "out", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    left = tmp_path / "out.unfinished/data/chunk-000/file-007.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"PAR1")
    told: list[tuple[int, int]] = []
    export(folder, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert [path.name for path in (tmp_path / "out/data/chunk-000").iterdir()] == ["file-000.parquet"]
    assert not left.exists()


def test_shards_that_do_not_fit_together_are_refused(folder: Path, tmp_path: Path) -> None:
    write(folder, 2, EPISODES[:1], every=3)
    with pytest.raises(BadInputError, match="3 and 5 periods"):
        export(folder, tmp_path / "out")
    write(folder, 2, (make_episode(APPLE, 3, 4, side=32),))
    with pytest.raises(BadInputError, match=r"shard_0000002.hdf5 has other cameras.*found .*head 32x32x3.*16x16x3"):
        export(folder, tmp_path / "out")
    write_shard(tmp_path / "old/shard_0.hdf5", EPISODES, {"phrases": []})
    with pytest.raises(BadInputError, match="control periods"):
        export(tmp_path / "old", tmp_path / "out")
    write(tmp_path / "empty", 0, ())
    with pytest.raises(BadInputError, match="no episode"):
        export(tmp_path / "empty", tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]


def test_without_pyarrow_it_says_what_to_install(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPartError, match=r"pip install 'saycan-robotics\[export\]'"):
        export(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(folder: Path, tmp_path: Path) -> None:
    arguments = ["data", "export", str(folder), str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "3 episodes, 12 rows, 2 tasks, in" in result.stdout
    assert (tmp_path / "out/meta/info.json").is_file()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2 and again.stderr.startswith("error: ") and "exists" in again.stderr


def test_rows_in_between_stay_behind(tmp_path: Path) -> None:
    episode = EPISODES[0]
    period = np.minimum(np.arange(len(episode)) * 2, 2 * len(episode) - 3)  # the last one lies one after another
    noted = replace(episode, labels={**episode.labels, "period": period.astype(np.float32)})
    write(tmp_path / "set", 0, (noted,), every=4)
    exported = export(tmp_path / "set", tmp_path / "out")
    assert exported.rows == int((period % 4 == 0).sum()) + int(period[-1] % 4 != 0)


def test_what_follows_the_end_stays_behind_and_the_end_does_not(tmp_path: Path) -> None:
    episode = EPISODES[0]
    count = len(episode)
    period = np.append(4 * np.arange(count - 2), [4 * count - 11, 4 * count - 5])  # it ends, and comes to rest
    executed = episode.executed.copy()
    executed[:, TERMINATE] = np.arange(count) >= count - 2
    ended = replace(
        episode, executed=executed, labels={**episode.labels, "period": period.astype(np.float32)}, terminated=True
    )
    write(tmp_path / "set", 0, (ended,), every=4)
    assert export(tmp_path / "set", tmp_path / "out").rows == count - 1
