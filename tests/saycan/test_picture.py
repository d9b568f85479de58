from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from saycan.picture import half_blocks, save_png, side_by_side


def test_images_of_different_sizes_stand_in_one_row() -> None:
    row = side_by_side({"a": np.full((10, 20, 3), 200, np.uint8), "b": np.full((30, 30, 3), 50, np.uint8)}, height=60)
    assert row.shape == (60, 120 + 4 + 60, 3)
    assert row[30, 10, 0] == 200
    assert row[30, 150, 0] == 50


def test_two_pixels_a_character() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:4] = (255, 0, 0)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=20, legacy_windows=False)
    console.print(half_blocks(image, 4))
    lines = console.file.getvalue().rstrip("\n").split("\n")  # type: ignore[attr-defined]
    assert [line.count("\u2580") for line in lines] == [4, 4]
    assert "38;2;255;0;0" in lines[0]
    assert "255;0;0" not in lines[1]


def test_a_png_is_written_with_its_folder(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    save_png(tmp_path / "new" / "a.png", image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), image)
