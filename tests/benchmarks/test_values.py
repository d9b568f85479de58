"""The benchmark of values itself: what its figures mean, and that a nudge is one that no picture shows."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console

from saycan.compose import sample_scene
from saycan.skill import Skill

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
OPEN = Skill("open the drawer", "open", place="drawer")
PICK = Skill("pick up the apple", "pick up", object="apple")


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("values", None)
    import values

    return values


def trial(values: ModuleType, skill: Skill, value: float, success: bool, detected: bool) -> object:
    return values.Trial(skill, value, 0.5, success, detected, impossible=(), strange=0.0)


def figures(rows: list) -> dict[str, float]:
    return {row.name: row.value for row in rows}


def test_what_the_table_says_by_hand(values: ModuleType) -> None:
    trials = [
        trial(values, PICK, 0.9, True, True),
        trial(values, PICK, 0.4, True, False),
        trial(values, PICK, 0.6, False, False),
        trial(values, PICK, 0.1, False, True),
        trial(values, OPEN, 1.0, True, True),
    ]
    printed = StringIO()
    found = figures(values.report_values(Console(file=printed, width=200), ["pick up", "open"], trials))
    assert found["value/auc/pick up"] == 0.75 and found["value/geometric_auc/pick up"] == 0.5
    assert found["value/ece/pick up"] == pytest.approx((0.1 + 0.6 + 0.6 + 0.1) / 4)
    assert found["value/ece_floor/pick up"] == pytest.approx((0.18 + 0.48 + 0.48 + 0.18) / 4, abs=0.03)  # 2 p (1 - p)
    assert found["value/detected/pick up"] == 0.5 and found["value/false_success/pick up"] == 0.5
    assert np.isnan(found["value/auc/open"]) and np.isnan(found["value/false_success/open"])  # it never failed
    assert found["value/auc_low/all"] <= found["value/auc/all"] <= found["value/auc_high/all"]
    assert "0.750 (" in printed.getvalue() and "0.500 of 2" in printed.getvalue()


def test_what_the_same_attempts_nudged_tell(values: ModuleType) -> None:
    trials = [trial(values, PICK, value, success, success) for value, success in [(0.2, True), (0.7, False)] * 3]
    again = [[True, True, None], [False, True, False]] * 3
    found = figures(values.report_again(Console(file=StringIO()), trials, again))
    assert found["value/known_auc/pick up"] == 1.0 and found["value/known_value_auc/pick up"] == 0.0
    alone = [[None, None, None], *again[1:]]  # nothing known about one of them: it does not count
    assert figures(values.report_again(Console(file=StringIO()), trials, alone))["value/known_auc/all"] == 1.0
    assert values.report_again(Console(file=StringIO()), trials[::2], again[::2]) == []  # none failed


def test_a_nudge_is_small_and_follows_from_its_numbers(values: ModuleType) -> None:
    scene = sample_scene(PICK, 3, "training", "hard")
    once, same, other = values.nudged(scene, 3, 1), values.nudged(scene, 3, 1), values.nudged(scene, 3, 2)
    assert once == same != other
    moved = [
        (np.subtract(after.pose, before.pose), after.name == before.name)
        for before, after in zip(scene.things, once.things, strict=True)
        if before.pose is not None
    ]
    assert moved and all(kept for _, kept in moved)
    for (x, y, z, yaw), _ in moved:
        assert 0 < np.hypot(x, y) < 5 * values.NUDGE and z == 0 and abs(yaw) < 5 * values.TURN


@pytest.mark.parametrize("variation", ["frozen", "hard"])
def test_every_nudge_moves_the_robot(values: ModuleType, variation: str) -> None:
    for skill in (values.asked(verb, 5) for verb in values.VERBS):
        scene = sample_scene(skill, 5, "training", variation)
        off = np.subtract(values.nudged(scene, 5, 1).base_offset, scene.base_offset)
        assert 0 < np.hypot(*off[:2]) < 5 * values.NUDGE and off[2] == 0


def test_what_is_held_is_held_a_little_otherwise(values: ModuleType) -> None:
    places = [skill for skill in values.LIBRARY if skill.verb == "place"]
    scenes = [sample_scene(skill, seed, "training", "hard") for seed, skill in enumerate(places[:16])]
    slips = [values.nudged(scene, 0, 1).grip - scene.grip for scene in scenes]
    assert any(scene.grip for scene in scenes)
    for scene, slip in zip(scenes, slips, strict=True):
        assert (0 < abs(slip) < 5 * values.SLIP) if scene.grip else slip == 0


def test_an_attempt_is_made_again(values: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "sample_scene", lambda skill, seed, _, scenes: sample_scene(skill, seed, "training"))
    assert values.outcome("open", 900_001, "frozen", "experts", values.VALUES, 1) is True
