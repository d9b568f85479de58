from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from saycan.errors import BadInputError
from saycan.privileged import CameraPose
from saycan.skills.data.episode import Episode
from saycan.skills.data.frames import RESTED, Pictures, flatten, load
from saycan.skills.data.store import shards
from saycan.skills.experts.motion import to_base
from saycan.skills.features import STATE
from saycan.skills.training.policy import row_weights
from tests.skills.data.builder import GO, PICK, SKILLS, STIR, TRASH, make_episode, make_set, write_by_hand


def mixed() -> list[Episode]:
    return [make_episode(PICK, 3, 4), make_episode(GO, 4, 1, success=False), make_episode(TRASH, 5, 6, "learned")]


def test_rows_lie_one_after_the_other_and_know_their_episode() -> None:
    episodes = mixed()
    frames = flatten(episodes)
    assert len(frames) == 11
    assert frames.episode.tolist() == [0] * 4 + [1] + [2] * 6
    assert frames.end.tolist() == [3] * 4 + [4] + [10] * 6
    assert frames.state.shape == (11, STATE) and frames.state.dtype == np.float32
    assert frames.skills == (PICK, GO, TRASH) and frames.source == ("experts", "experts", "learned")
    assert frames.seeds.tolist() == [3, 4, 5] and frames.success.tolist() == [True, False, True]
    for name in ("head", "wrist"):
        np.testing.assert_array_equal(frames.images[name][5:], episodes[2].observations[f"{name}_image"])
        np.testing.assert_array_equal(frames.points[name][:4], episodes[0].labels[f"{name}_point"])
    np.testing.assert_array_equal(frames.actions[4], episodes[1].actions[0])


def test_packed_truths_are_unpacked_right() -> None:
    episodes = mixed()
    frames = flatten(episodes)
    rows, phrases = (grid.ravel() for grid in np.meshgrid(np.arange(11), np.arange(len(SKILLS))))
    for mask, name in ((frames.possible, "possible"), (frames.done, "done")):
        whole = np.concatenate([getattr(episode, name) for episode in episodes])
        assert mask.dtype == np.uint8 and mask.shape == (11, 1)
        np.testing.assert_array_equal(frames.holds(mask, rows, phrases), whole[rows, phrases])


def test_the_goal_is_seen_from_the_hand_in_the_frame_of_a_turned_base() -> None:
    episode = make_episode(length=5)
    frames = flatten([episode])
    for row in range(5):
        base = episode.observations["base_pose"][row].astype(float)
        expected = to_base(base, episode.labels["goal"][row].astype(float)) - episode.observations["ee_position"][row]
        np.testing.assert_allclose(frames.goal[row], expected, atol=1e-6)
    assert abs(frames.goal[0, 1] - frames.goal[-1, 1]) > 0.05  # the base turns, so the goal moves aside
    assert np.isnan(flatten([make_episode(objects={})]).goal).all()


def turned_camera(rng: np.random.Generator) -> CameraPose:
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return CameraPose(rng.normal(size=3), rotation * np.sign(np.linalg.det(rotation)), 1.3)


def test_things_appear_where_the_cameras_project_them() -> None:
    rng = np.random.default_rng(0)
    poses = [[turned_camera(rng), turned_camera(rng)] for _ in range(30)]
    at = rng.normal(size=(30, 2, 3)) * 2
    episode = make_episode(length=30)
    cameras = [[[*eye.position, *eye.rotation.ravel(), eye.fovy] for eye in row] for row in poses]
    objects = np.concatenate([at, np.zeros((30, 2, 1))], axis=2)
    labels = {**episode.labels, "cameras": np.array(cameras, np.float32), "objects": objects.astype(np.float32)}
    frames = flatten([replace(episode, labels=labels)])
    assert frames.things == ("apple", "tea") and frames.where.shape == (30, 2, 2, 3)
    seen = 0
    for row in range(30):
        for camera in range(2):
            for thing in range(2):
                x, y, visible = poses[row][camera].project(at[row, thing])
                found = frames.where[row, camera, thing]
                assert bool(found[2]) == visible
                if visible:
                    seen += 1
                    np.testing.assert_allclose(found[:2], (x, y), atol=2e-3)  # half precision
    assert 10 < seen < 110


def test_of_several_things_of_a_name_the_one_nearest_to_the_hand_counts() -> None:
    episode = make_episode(objects={"apple": (1.45, 0.0, 0.8), "apple 2": (1.3, 0.3, 0.8)})
    frames = flatten([replace(episode, objects=("apple", "apple"))])
    alone = flatten([make_episode(objects={"apple": (1.45, 0.0, 0.8)})])
    assert frames.things == ("apple",)
    np.testing.assert_array_equal(frames.where, alone.where)
    absent = flatten([episode, make_episode(objects={"sponge": (1.4, 0, 0.8)})])
    assert absent.things == ("apple", "apple 2", "sponge")
    assert not absent.where[:4, :, 2].any() and not absent.where[4:, :, :2].any()


def test_sets_are_read_in_order_filtered_and_limited(tmp_path: Path) -> None:
    make_set(tmp_path / "a", [make_episode(seed=1), make_episode(seed=2, success=False)])
    make_set(tmp_path / "a", [make_episode(seed=3)], "shard_0000032.hdf5")
    make_set(tmp_path / "b", [make_episode(seed=4)])
    told: list[tuple[int, int]] = []
    both = load([tmp_path / "a", tmp_path / "b"], progress=lambda done, total: told.append((done, total)))
    assert both.seeds.tolist() == [1, 2, 3, 4] and told == [(1, 3), (2, 3), (3, 3)]
    assert load(tmp_path, keep=lambda episode: episode.success).seeds.tolist() == [1, 3, 4]
    assert load(tmp_path, limit=1).seeds.tolist() == [1]
    assert load(shards(tmp_path / "b")[0]).seeds.tolist() == [4]


def test_what_others_wrote_without_labels_is_read_as_unknown(tmp_path: Path) -> None:
    episodes = [make_episode(STIR, 1, 3, skills=(STIR,)), make_episode(PICK, 2, 4)]
    frames = load(write_by_hand(tmp_path / "own.hdf5", episodes))
    assert frames.skills == (STIR, PICK) and frames.phrases == (STIR.phrase, PICK.phrase)
    np.testing.assert_array_equal(frames.actions, np.concatenate([episode.actions for episode in episodes]))
    np.testing.assert_array_equal(frames.images["head"][:3], episodes[0].observations["head_image"])
    assert np.isnan(frames.goal).all() and not frames.points["head"].any() and frames.where.shape == (7, 2, 0, 3)
    assert frames.success.tolist() == [True, True] and frames.places == ({}, {})
    done = np.unpackbits(frames.done, axis=1, count=2)
    assert np.argwhere(done).tolist() == [[2, 0], [6, 1]]  # each in its last row
    assert (row_weights(frames) > 0).all()


def test_rows_of_ones_own_are_as_far_apart_as_the_file_says(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "own.hdf5", [make_episode(PICK, 2, 4)])
    with h5py.File(path, "r+") as file:
        file["data"].attrs["env_args"] = '{"every": 3}'
    frames = load(path)
    assert frames.period.tolist() == [0, 3, 6, 9]
    assert frames.at(np.array([3]), np.array([-6, -3, 0])).tolist() == [[1, 2, 3]]


def test_sets_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    make_set(tmp_path / "a", [make_episode()])
    with pytest.raises(BadInputError, match="no episode to learn from"):
        load(tmp_path / "a", keep=lambda episode: False)
    make_set(tmp_path / "b", [make_episode(skills=SKILLS[:3])])
    with pytest.raises(BadInputError, match="different skill libraries"):
        load([tmp_path / "a", tmp_path / "b"])
    make_set(tmp_path / "c", [make_episode(cameras=("head",))])
    with pytest.raises(BadInputError, match=r"different cameras: head \d+x\d+x3, wrist \d+x.*; head \d+x\d+x3; train"):
        load([tmp_path / "a", tmp_path / "c"])
    with pytest.raises(BadInputError, match=r"different cameras: none; head \d+x\d+x3, wrist"):
        flatten([make_episode(cameras=()), make_episode()])
    episode = make_episode(PICK, 1, 4)
    cut = {name: seen[1:] if name == "head_image" else seen for name, seen in episode.observations.items()}
    with pytest.raises(BadInputError, match=rf"{PICK.phrase!r} has 4 actions and .* pictures: .'head': 3.$"):
        flatten([replace(episode, observations=cut)])


def test_pictures_are_taken_out_of_their_episodes() -> None:
    pictures, episodes = Pictures(20), mixed()
    taken = [pictures.take(episode) for episode in episodes]
    for name in ("head", "wrist"):
        whole = np.concatenate([episode.observations[f"{name}_image"] for episode in episodes])
        np.testing.assert_array_equal(pictures.images[name], whole)
    for one, episode in zip(taken, episodes, strict=True):
        assert {*one.observations} == {*episode.observations} - {"head_image", "wrist_image"}
        assert one.observations["joints"] is episode.observations["joints"] and len(one) == len(episode)


def test_rows_are_found_by_their_periods() -> None:
    one, other = make_episode(PICK, 1, 5), make_episode(PICK, 2, 3)
    one.labels["period"] = np.float32([0, 3, 4, 5, 8])  # type: ignore[index]
    frames = flatten([one, other])
    np.testing.assert_array_equal(frames.period, [0, 3, 4, 5, 8, 0, 1, 2])
    rows = np.array([0, 2, 4, 6])
    np.testing.assert_array_equal(frames.at(rows, np.array([0, 1, 3])), [[0, 1, 1], [2, 3, 4], [4, 4, 4], [6, 7, 7]])
    np.testing.assert_array_equal(frames.at(rows, np.array([-3, -1])), [[0, 0], [0, 1], [3, 3], [5, 5]])


def test_what_nobody_holds_and_is_elsewhere_in_the_next_row_moves() -> None:
    episode = make_episode(PICK, 1, 6)
    apple, tea = np.moveaxis(episode.labels["objects"], 1, 0)
    apple[2:, 2] -= 0.2  # falls between the second row and the third
    tea[:, 0] += 0.1 * np.arange(6)
    tea[1:4, 3] = 1.0  # carried about: reached for in the first row, and let go of before the fifth
    frames = flatten([episode, make_episode(PICK, 2, 1)])
    assert frames.moving[:, frames.things.index("apple")].tolist() == [False, True, *[False] * 5]
    assert frames.moving[:, frames.things.index("tea")].tolist() == [*[False] * 4, True, True, False]
    episode.labels["period"] = np.float32([0, 1, 2, 3, 4, 4 + RESTED])  # type: ignore[index]
    assert not flatten([episode]).moving[-1].any(), "by then it rests"


def test_rows_can_be_left_out() -> None:
    episode = make_episode(PICK, 1, 5)
    some = episode.take(np.array([0, 4]))
    assert len(some) == 2 and len(some.done) == 2 and len(some.labels["objects"]) == 2
    np.testing.assert_array_equal(some.observations["head_image"], episode.observations["head_image"][[0, 4]])
    bare = replace(episode, possible=np.zeros((0, 6), bool), done=np.zeros((0, 6), bool)).take(np.array([1]))
    assert len(bare.done) == 0
