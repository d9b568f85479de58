from __future__ import annotations

import numpy as np
import pytest

from saycan.errors import ValueFunctionError
from saycan.observation import Observation
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skill import Skill
from saycan.skills.geometric import PrivilegedGeometricValues
from saycan.skills.kitchen import kitchen_library
from saycan.symbolic import precondition
from saycan.value import ValueFunction

LIBRARY = kitchen_library()
ZEROS = np.zeros(3)
SEEN = Observation(0.0, {}, np.zeros(7), 1.0, ZEROS, np.array([1.0, 0.0, 0.0, 0.0]), ZEROS)


def values(words: str) -> dict[str, float]:
    found = PrivilegedGeometricValues(SymbolicKitchen(parse_scene(words))).values(SEEN, LIBRARY)
    return dict(zip(LIBRARY.phrases, found, strict=True))


@pytest.mark.parametrize(
    "words",
    [
        "with operator, apple on table, sponge on close counter, spill on close counter",
        "at table, sponge in hand, spill on table, apple on table, drawer open",
        "at trash can, apple in trash can, tea in drawer",
        "nothing",
    ],
)
def test_values_are_probabilities_and_what_can_be_done_beats_what_cannot(words: str) -> None:
    kitchen = SymbolicKitchen(parse_scene(words))
    function = PrivilegedGeometricValues(kitchen)
    assert isinstance(function, ValueFunction)
    found = function.values(SEEN, LIBRARY)
    assert ((found >= 0) & (found <= 1)).all()
    state = kitchen.privileged_state()
    can = np.array([precondition(state, skill) is None for skill in LIBRARY])
    assert found[can].min() > 3 * found[~can].max()


def test_driving_and_ending_are_modest() -> None:
    found = values("at table, apple on table, sponge on far counter")
    assert found["pick up the apple"] > 3 * found["go to the operator"]
    assert found["find the sponge"] > 3 * found["done"]


def test_far_things_are_worth_a_little_less() -> None:
    near = values("at table, apple on close counter")["find the apple"]
    far = values("at trash can, apple on table")["find the apple"]
    assert 0.8 * near < far < near


def test_absent_things_are_worth_nothing_and_pointless_ones_little() -> None:
    found = values("at table, apple on table")
    assert found["find the tea"] == found["pick up the tea"] == 0.0
    assert 0.0 < found["find the apple"] < 0.05
    assert 0.0 < found["go to the table"] < 0.05


def test_the_world_is_looked_at_afresh() -> None:
    kitchen = SymbolicKitchen(parse_scene("at table, apple on table"))
    function = PrivilegedGeometricValues(kitchen)
    pick, bring = LIBRARY.find("pick up the apple"), LIBRARY.find("bring the apple to the operator")
    before = function.values(SEEN, [pick, bring])
    kitchen.perform(pick)
    after = function.values(SEEN, [pick, bring])
    assert before[0] > before[1]
    assert after[0] < after[1]


def test_a_foreign_skill_is_refused_by_name() -> None:
    function = PrivilegedGeometricValues(SymbolicKitchen(parse_scene("nothing")))
    with pytest.raises(ValueFunctionError, match="'wave hello'"):
        function.values(SEEN, [Skill("wave hello", "wave hello")])
