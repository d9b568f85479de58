from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saycan.decision import Decision
from saycan.figure import CAN_COLOUR, SAY_COLOUR, draw_decision, format_score, legible, save_decision
from saycan.skill import DONE, Skill
from tests.saycan.events import make_decision, make_observation


def colour_count(path: Path, colour: str) -> int:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return int((pixels == np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])).all(axis=-1).sum())


def test_png_holds_both_kinds_of_bars_and_the_camera_image(tmp_path: Path) -> None:
    with_image, without = tmp_path / "with.png", tmp_path / "without.png"
    marker = np.full((32, 32, 3), (1, 250, 2), np.uint8)
    save_decision(with_image, make_decision(0), {"head": marker}, instruction="clean the table", step=1)
    save_decision(without, make_decision(0), None, instruction="clean the table", step=1)
    for path in (with_image, without):
        assert colour_count(path, SAY_COLOUR) > 500
        assert colour_count(path, CAN_COLOUR) > 500
    assert colour_count(with_image, "#01fa02") > 5000
    assert colour_count(without, "#01fa02") == 0


def test_leading_options_are_shown_best_first_and_the_chosen_one_always() -> None:
    skills = (*(Skill(f"wave {i}", "wave") for i in range(30)), DONE)
    say = np.linspace(1, 2, 31) / np.linspace(1, 2, 31).sum()
    decision = Decision(skills, say, np.ones(31), say, np.log(say), 3)
    labels = [label.get_text() for label in draw_decision(decision, options=8).axes[0].get_yticklabels()]
    assert labels == ["done", *(f"wave {i}" for i in (29, 28, 27, 26, 25, 24)), "wave 3"]


@pytest.mark.parametrize("text", ["", "it costs $5 or $6_{", "清洁台面 🤖", "x" * 5000, "line\nbreak\ttab\x00"])
def test_any_text_can_be_drawn(tmp_path: Path, text: str) -> None:
    decision = make_decision(0, (Skill(text or "go", "go"), DONE))
    save_decision(tmp_path / "a.png", decision, dict(make_observation(0).images), instruction=text)
    assert (tmp_path / "a.png").stat().st_size > 2000


def test_nothing_chosen_and_scores_that_are_not_numbers_are_drawn() -> None:
    bad = np.array([np.nan, np.inf, 0.0, -np.inf])
    decision = Decision(make_decision().skills, bad, bad, bad, bad, None)
    texts = [text.get_text() for text in draw_decision(decision).texts]
    assert any("nothing is worth trying" in text for text in texts)


def test_characters_without_a_glyph_become_boxes() -> None:
    assert legible("Küche é") == "Küche é"
    assert legible("清a") == "□a"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1.0, "1.00"), (0.834, "0.83"), (0.0042, "0.004"), (2e-7, "2e-07"), (np.nan, "nan")]
)
def test_format_score(value: float, text: str) -> None:
    assert format_score(value) == text
