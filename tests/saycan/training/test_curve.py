from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from saycan.errors import BadInputError
from saycan.training.curve import save_curve
from saycan.training.loop import CURVE


def log(folder: Path, count: int, names: str) -> None:
    rows = [{"step": step, "seconds": step * 6.0, **dict.fromkeys(names, step * 0.1)} for step in range(count)]
    folder.mkdir(exist_ok=True)
    (folder / CURVE).write_text("".join(json.dumps(row) + "\n" for row in rows))


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert len({*image.convert("L").tobytes()}) > 10  # something is drawn
        return image.size


def test_every_number_gets_a_plot(tmp_path: Path) -> None:
    log(tmp_path, 5, "abcde")
    assert save_curve(tmp_path) == tmp_path / "curve.png"
    assert size(tmp_path / "curve.png") == (1280, 480)  # four in a row
    log(tmp_path, 1, "a")
    assert size(save_curve(tmp_path, tmp_path / "other.png")) == (320, 240)


def test_a_number_that_came_later_is_drawn_too(tmp_path: Path) -> None:
    log(tmp_path, 3, "a")
    with (tmp_path / CURVE).open("a") as file:
        file.write(json.dumps({"step": 9, "seconds": 60.0, "a": 1.0, "late": float("nan")}) + "\n")
    assert size(save_curve(tmp_path)) == (640, 240)


def test_where_nothing_was_logged_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no curve in .*saycan train"):
        save_curve(tmp_path)
