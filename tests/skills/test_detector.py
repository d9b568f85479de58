from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saycan.observation import Observation
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skills.detector import PrivilegedDetector
from saycan.skills.kitchen import kitchen_library
from saycan.success import SuccessDetector

LIBRARY = kitchen_library()
ZEROS = np.zeros(3)
SEEN = Observation(0.0, {}, np.zeros(7), 1.0, ZEROS, np.array([1.0, 0.0, 0.0, 0.0]), ZEROS)


def test_it_says_what_is_missing_until_the_world_has_changed() -> None:
    kitchen = SymbolicKitchen(parse_scene("at table, apple on table"))
    detector = PrivilegedDetector(kitchen)
    assert isinstance(detector, SuccessDetector)
    pick = LIBRARY.find("pick up the apple")
    failed = detector.detect(pick, SEEN, SEEN)
    assert (failed.success, failed.probability) == (False, 0.0)
    assert failed.message == "the gripper does not hold the apple"
    kitchen.perform(pick)
    succeeded = detector.detect(pick, SEEN, SEEN)
    assert (succeeded.success, succeeded.probability, succeeded.message) == (True, 1.0, "")


def two_cans(other: str | None) -> SymbolicKitchen:
    """One coke can in the hand, the other one at a place or, None, on the floor."""
    kitchen = SymbolicKitchen(parse_scene("at table, coke can in hand, coke can on table"))
    change(kitchen, False, place=other)
    return kitchen


def change(kitchen: SymbolicKitchen, first: bool, **changes: object) -> None:
    """Change the can that began in the hand, or the other."""
    number = 0 if first else 1
    objects = [*kitchen.state.objects]
    objects[number] = replace(objects[number], **changes)
    held = next((thing.id for thing in objects if thing.held), None)
    kitchen.state = replace(kitchen.state, held=held, objects=tuple(objects))


@pytest.mark.parametrize(
    ("other", "ends", "message"),
    [
        (None, "table", ""),  # the one on the floor is not the one that was to be put down
        ("table", "far counter", "the coke can is not at the table"),  # and the one that is there was there before
        ("table", None, "the coke can has been dropped"),
        ("far counter", "table", ""),
    ],
)
def test_of_two_alike_the_one_that_was_held_is_judged(other: str | None, ends: str | None, message: str) -> None:
    place, kitchen = LIBRARY.find("place the coke can on the table"), two_cans(other)
    detector = PrivilegedDetector(kitchen)
    detector.begin(place)
    change(kitchen, True, held=False, place=ends)
    found = detector.detect(place, SEEN, SEEN)
    assert (found.success, found.message) == (not message, message)


def test_what_was_held_when_another_skill_began_is_forgotten() -> None:
    place, kitchen = LIBRARY.find("place the coke can on the table"), two_cans("far counter")
    detector = PrivilegedDetector(kitchen)
    detector.begin(place)  # and broken off
    detector.begin(LIBRARY.find("find the coke can"))
    change(kitchen, True, held=False, place="far counter")
    change(kitchen, False, place="table")
    assert detector.detect(place, SEEN, SEEN).success
    assert detector.detect(place, SEEN, SEEN).success
