from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import DONE, Skill
from saycan.skills.levels import LEVEL, POINTLESS, READY
from saycan.skills.values.learned import NOWHERE, LearnedDetector, LearnedValues
from saycan.skills.values.perception import Impression
from saycan.skills.values.sightings import Sightings
from saycan.success import SuccessDetector
from saycan.value import ValueFunction
from tests.skills.data.builder import FIND, GO, PICK, PLACE, PLACES, TRASH, make_observation

SKILLS = (PICK, PLACE, GO, FIND, DONE)
AT_TABLE, ON_THE_WAY = (1.0, 0.0, 0.0), (0.2, 0.3, 0.0)


class Eyes:
    def __init__(self, strange: float = 0.5, **answers: dict[Skill, float]) -> None:
        self.places: dict[str, Place] = dict(PLACES)
        self.strange, self._answers = strange, answers

    def ask(self, observation: Observation, skills: Sequence[Skill]) -> Impression:
        made = {
            name: np.array([self._answers.get(name, {}).get(skill, 0.3) for skill in skills])
            for name in ("value", "possible", "done")
        }
        return Impression(**made, strange=self.strange)


def values(eyes: Eyes, base: Sequence[float] = AT_TABLE, sightings: Sightings | None = None) -> dict[Skill, float]:
    found = LearnedValues(eyes, sightings).values(make_observation(base), SKILLS)  # type: ignore[arg-type]
    assert found.dtype == np.float64 and ((found >= 0) & (found <= 1)).all()
    return dict(zip(SKILLS, found.tolist(), strict=True))


def test_they_are_what_they_claim() -> None:
    assert isinstance(LearnedValues(Eyes()), ValueFunction)  # type: ignore[arg-type]
    assert isinstance(LearnedDetector(Eyes()), SuccessDetector)  # type: ignore[arg-type]


def test_manipulation_is_worth_what_the_network_says() -> None:
    found = values(Eyes(value={PICK: 0.85, PLACE: 0.02}))
    assert (found[PICK], found[PLACE]) == (0.85, 0.02)


def test_driving_goes_by_the_map() -> None:
    assert values(Eyes(value={GO: 0.0}), ON_THE_WAY)[GO] == LEVEL["go to"]
    assert values(Eyes(value={GO: 1.0}), AT_TABLE)[GO] == POINTLESS * LEVEL["go to"]
    turned = values(Eyes(), (1.0, 0.0, np.pi))  # before the table, but with its back to it
    assert turned[GO] == LEVEL["go to"]


def test_finding_is_pointless_where_the_thing_is_seen() -> None:
    sightings = Sightings()
    assert values(Eyes(done={FIND: 0.8}), AT_TABLE, sightings)[FIND] == POINTLESS
    assert sightings.seen == {"apple": "table"}
    assert values(Eyes(done={FIND: 0.2}), AT_TABLE, sightings)[FIND] == READY
    assert sightings.seen == {} and sightings.missed_at("apple") == {"table"}


def test_finding_is_hardly_worth_it_when_everything_was_looked_at_in_vain() -> None:
    everywhere = Sightings(missed={"apple": {"table": 0.0, "far counter": 0.0}})  # a bin gives nothing back
    assert values(Eyes(), ON_THE_WAY, everywhere)[FIND] == NOWHERE
    assert values(Eyes(), ON_THE_WAY, Sightings(missed={"apple": {"table": 0.0}}))[FIND] == READY


def test_nothing_is_noted_on_the_way_nor_from_a_strange_picture() -> None:
    sightings = Sightings()
    values(Eyes(done={FIND: 0.9}), ON_THE_WAY, sightings)
    values(Eyes(2.0, done={FIND: 0.9}), AT_TABLE, sightings)
    assert (sightings.seen, sightings.missed) == ({}, {})


def test_what_a_low_hand_may_hide_is_not_missed() -> None:
    low = replace(make_observation(AT_TABLE), ee_position=np.array([0.5, 0.0, 0.85]))
    sightings = Sightings()
    LearnedValues(Eyes(done={FIND: 0.2}), sightings).values(low, SKILLS)  # type: ignore[arg-type]
    assert not sightings.missed
    LearnedValues(Eyes(done={FIND: 0.8}), sightings).values(low, SKILLS)  # type: ignore[arg-type]
    assert sightings.seen == {"apple": "table"}


def test_a_strange_picture_is_not_trusted() -> None:
    found = values(Eyes(1.2, value={PICK: 0.99, PLACE: 0.99}), ON_THE_WAY)
    assert found[PICK] == found[PLACE] == POINTLESS and found[FIND] == POINTLESS
    # The map and the word that ends a run need no picture.
    assert found[GO] == LEVEL["go to"] and found[DONE] == LEVEL["done"]


def detect(eyes: Eyes, skill: Skill, base: Sequence[float] = AT_TABLE, **options: dict[str, float]) -> tuple:
    seen = LearnedDetector(eyes, **options).detect(skill, make_observation((0, 0, 0)), make_observation(base))  # type: ignore[arg-type]
    return seen.success, seen.probability, seen.message


def test_a_deed_is_seen_in_the_picture_afterwards() -> None:
    assert detect(Eyes(done={PICK: 0.8}), PICK) == (True, 0.8, "")
    assert detect(Eyes(done={PICK: 0.25}), PICK) == (False, 0.25, "it does not look done (25%)")
    assert detect(Eyes(done={FIND: 0.03}), FIND) == (False, 0.03, "not found (3%)")
    assert detect(Eyes(done={PICK: 0.8}), PICK, threshold={"pick up": 0.9})[0] is False
    assert detect(Eyes(done={TRASH: 0.6}), TRASH, threshold={"pick up": 0.9})[0] is True


def test_a_strange_picture_is_no_proof() -> None:
    success, _, message = detect(Eyes(1.5, done={PICK: 0.99}), PICK)
    assert not success and message.endswith("it cannot tell")


def test_arrival_goes_by_the_map_and_done_by_word() -> None:
    assert detect(Eyes(9.0), GO) == (True, 1.0, "")
    assert detect(Eyes(9.0, done={GO: 1.0}), GO, ON_THE_WAY) == (False, 0.0, "the robot is not at the table")
    assert detect(Eyes(), GO, PLACES["far counter"].dock)[0] is False
    assert detect(Eyes(9.0), DONE)[0] is True


@pytest.mark.parametrize("name", ["shelf", "table"])
def test_other_maps_have_other_bins(name: str) -> None:
    eyes = Eyes()
    bin_ = PLACES["trash can"]
    eyes.places = {"table": PLACES["table"], "pail": Place("pail", *(getattr(bin_, part) for part in (
        "kind", "dock", "center", "half_size", "rim")))}  # fmt: skip
    found = values(eyes, ON_THE_WAY, Sightings(missed={"apple": {name: 0.0}}))
    assert found[FIND] == (NOWHERE if name == "table" else READY)
