from __future__ import annotations

import numpy as np

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
