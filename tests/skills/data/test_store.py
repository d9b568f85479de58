from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from saycan.errors import BadInputError
from saycan.skills.data.episode import Episode
from saycan.skills.data.store import about, read_shard, shards, write_shard
from tests.skills.data.builder import FIND, SKILLS, make_episode, make_set


def same(one: Episode, other: Episode) -> None:
    for field in fields(Episode):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "places":
            assert a.keys() == b.keys()
            for name in a:
                assert (a[name].name, a[name].kind, a[name].rim) == (b[name].name, b[name].kind, b[name].rim)
                for part in ("dock", "center", "half_size"):
                    np.testing.assert_array_equal(getattr(a[name], part), getattr(b[name], part))
        elif isinstance(a, dict):
            assert a.keys() == b.keys(), field.name
            for name in a:
                np.testing.assert_array_equal(a[name], b[name])
                assert a[name].dtype == b[name].dtype
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype, field.name
        else:
            assert a == b, field.name


def test_what_is_written_reads_back_equal_in_order(tmp_path: Path) -> None:
    # More than ten, so that demo_10 must not come before demo_2.
    episodes = [make_episode(SKILLS[k % 3], seed=k, length=1 + k % 4, success=k % 2 == 0) for k in range(12)]
    episodes.append(make_episode(FIND, objects={}, source="learned"))
    file = shards(make_set(tmp_path, episodes, every=1))[0]
    read = [*read_shard(file)]
    assert len(read) == 13
    for one, other in zip(episodes, read, strict=True):
        same(one, other)


def test_the_layout_is_robomimics(tmp_path: Path) -> None:
    episodes = [make_episode(seed=1, length=5), make_episode(seed=2, success=False)]
    file = shards(make_set(tmp_path, episodes))[0]
    with h5py.File(file) as opened:
        data = opened["data"]
        assert data.attrs["total"] == 9
        environment = json.loads(data.attrs["env_args"])
        assert environment["env_name"] == "toy" and environment["every"] == 3
        assert [*data] == ["demo_0", "demo_1"]
        demo = data["demo_0"]
        assert demo.attrs["num_samples"] == 5
        assert demo.attrs["instruction"] == "pick up the apple"
        assert (demo["obs/head_image"].shape, demo["obs/head_image"].dtype) == ((5, 16, 16, 3), np.uint8)
        assert demo["actions"].shape == (5, 11)
        assert all(len(array) == 5 for array in demo["obs"].values())
        assert demo["dones"][()].tolist() == [0, 0, 0, 0, 1]
        assert demo["rewards"][()].tolist() == [0, 0, 0, 0, 1]
        assert data["demo_1/dones"][()].tolist() == [0, 0, 0, 1]
        assert data["demo_1/rewards"][()].tolist() == [0, 0, 0, 0]
        assert [name.decode() for name in opened["mask/success"]] == ["demo_0"]
        assert [name.decode() for name in opened["mask/failure"]] == ["demo_1"]
    assert about(file)["phrases"] == [skill.phrase for skill in SKILLS]


def test_a_killed_run_leaves_no_broken_shard(tmp_path: Path) -> None:
    def dying():
        yield make_episode()
        raise KeyboardInterrupt

    file = tmp_path / "deep" / "shard_0000000.hdf5"
    with pytest.raises(KeyboardInterrupt):
        write_shard(file, dying(), {})
    assert not file.exists()
    with pytest.raises(BadInputError, match="saycan collect"):
        shards(tmp_path)
    assert write_shard(file, [make_episode()], {"phrases": [skill.phrase for skill in SKILLS]}) == 1
    assert shards(tmp_path) == [file]
    assert shards(file) == [file]
    assert [path.name for path in file.parent.iterdir()] == ["shard_0000000.hdf5"]


def test_what_is_no_shard_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no .hdf5 file in"):
        shards(tmp_path / "nowhere")
    (tmp_path / "text.hdf5").write_text("no HDF5 at all")
    with pytest.raises(BadInputError, match=r"text.hdf5 is not a shard"):
        [*read_shard(tmp_path / "text.hdf5")]
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["something"] = 1
    with pytest.raises(BadInputError, match=r"other.hdf5 is not a shard"):
        [*read_shard(tmp_path / "other.hdf5")]


def test_what_others_write_needs_no_word_about_itself(tmp_path: Path) -> None:
    folder = make_set(tmp_path, [make_episode()])
    (file,) = shards(folder)
    with h5py.File(file, "a") as opened:
        del opened["data"].attrs["env_args"]
    (episode,) = read_shard(file)
    assert episode.skill.phrase == make_episode().skill.phrase and about(file) == {}
