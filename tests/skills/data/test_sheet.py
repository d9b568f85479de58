from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from saycan.skills.data.sheet import save_sheet, summary
from tests.skills.data.builder import FIND, GO, PICK, make_episode, make_set, write_by_hand


def make(folder: Path) -> Path:
    make_set(folder, [make_episode(PICK, seed, success=seed > 0) for seed in range(4)])
    return make_set(folder, [make_episode(GO, 9, 2, "learned"), make_episode(FIND, 8)], "shard_0000032.hdf5")


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_summary_counts_what_is_there(tmp_path: Path) -> None:
    lines = summary(make(tmp_path))
    assert lines[0] == "6 episodes, 22 rows, 2 shards; distribution version 1; by experts (5), learned (1)"
    assert [line.split() for line in lines[1:]] == [
        ["pick", "up", "4", "succeeded", "75%"], ["go", "to", "1", "succeeded", "100%"],
        ["find", "1", "succeeded", "100%"],
    ]  # fmt: skip


def test_what_somebody_else_wrote_is_counted_and_shown(tmp_path: Path) -> None:
    path = write_by_hand(tmp_path / "own.hdf5", [make_episode(PICK, 1, 4)])
    assert summary(path)[0] == "1 episodes, 4 rows, 1 shards; distribution version None; by experts (1)"
    save_sheet(path, tmp_path / "sheet.png", columns=2)


def test_a_sheet_shows_first_and_last_moment_of_each_camera(tmp_path: Path) -> None:
    episode = make_episode(length=7)
    save_sheet(make_set(tmp_path / "set", [episode]), tmp_path / "new" / "sheet.png", columns=3)
    sheet = picture(tmp_path / "new" / "sheet.png")
    assert sheet.shape == (16 + 2 * 96 + 3, 3 * 97, 3)
    for level, camera in enumerate(("head", "wrist")):
        for column, moment in enumerate((0, 3, 6)):
            top, left = 16 + 96 * level, 97 * column
            tile = sheet[top + 3 : top + 96 : 6, left + 3 : left + 96 : 6]  # 16 pixels, enlarged to 96
            np.testing.assert_array_equal(tile, episode.observations[f"{camera}_image"][moment])


def test_a_sheet_has_every_verb_before_it_has_one_twice(tmp_path: Path) -> None:
    save_sheet(make(tmp_path / "set"), tmp_path / "three.png", episodes=3, columns=2)
    save_sheet(tmp_path / "set", tmp_path / "all.png", episodes=99, columns=2)
    rows = 16 + 2 * 96 + 3
    three = picture(tmp_path / "three.png")
    assert three.shape == (3 * rows, 2 * 97, 3)
    assert picture(tmp_path / "all.png").shape[0] == 6 * rows
    picks = make_episode(PICK, 0, success=False).observations["head_image"][0]
    goes = make_episode(GO, 9, 2).observations["head_image"][0]
    for index, expected in enumerate((picks, goes)):
        top = index * rows + 16
        np.testing.assert_array_equal(three[top + 3 : top + 96 : 6, 3:96:6], expected)
