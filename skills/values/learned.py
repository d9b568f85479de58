"""Can and the outcome, from what the cameras see: no simulator state behind either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from saycan.observation import Observation
from saycan.skill import Skill
from saycan.skills.features import nearest
from saycan.skills.levels import LEVEL, POINTLESS, READY
from saycan.skills.navigation import hand_is_up
from saycan.skills.values.perception import Impression, Perception
from saycan.skills.values.sightings import Sightings
from saycan.success import Detection

NOWHERE = 0.02
"""Everything has been searched in vain."""

THRESHOLD = 0.5


class LearnedValues:
    """Implements `saycan.value.ValueFunction`: p(success | image, phrase) by a value network, calibrated.

    Driving needs no network: the map and odometry say whether the robot is there. "find" is worth trying unless the
    thing is seen where the robot stands, or every place has been looked at in vain (`Sightings`).

    Args:
        perception: The network.
        sightings: What was seen where; every look adds to it.
    """

    name = "learned values"

    def __init__(self, perception: Perception, sightings: Sightings | None = None) -> None:
        self._perception = perception
        self.sightings = Sightings() if sightings is None else sightings

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) float64 in [0, 1]. A picture like none that was trained on gives every skill that needs a
        picture its lowest value.

        Raises ValueFunctionError when a camera is missing.
        """
        self.sightings.tell(observation.time)
        self.sightings.wanted = tuple(skill for skill in skills if skill.verb == "find")
        seen = self._perception.ask(observation, skills)
        places = self._perception.places
        place, stands = nearest(observation.base_pose, places)
        if stands and seen.strange <= 1.0:
            found = {
                str(s.object): bool(d > THRESHOLD) for s, d in zip(skills, seen.done, strict=True) if s.verb == "find"
            }
            up = hand_is_up(observation)  # what a hand hides is not missed
            self.sightings.note(place.name, {thing: there for thing, there in found.items() if there or up})
        here = place.name if stands else None
        everywhere = {place.name for place in places.values() if place.kind != "bin"}
        return np.array([
            self._value(skill, index, seen, here, everywhere) * LEVEL.get(skill.verb, 1.0)
            for index, skill in enumerate(skills)
        ])  # fmt: skip

    def _value(self, skill: Skill, index: int, seen: Impression, here: str | None, everywhere: Set[str]) -> float:
        if skill.verb == "done":
            return 1.0
        if skill.verb == "go to":
            return POINTLESS if skill.place == here else 1.0
        if seen.strange > 1.0:
            return POINTLESS
        if skill.verb == "find":
            if seen.done[index] > THRESHOLD:
                return POINTLESS
            return NOWHERE if self.sightings.missed_at(str(skill.object)) >= everywhere else READY
        return float(seen.value[index])


class LearnedDetector:
    """Implements `saycan.success.SuccessDetector`: whether the deed is to be seen in the picture afterwards.

    Args:
        perception: The network.
        threshold: Probability from which a skill counts as done; verb to threshold, 0.5 where none is given.
    """

    name = "learned detector"

    def __init__(self, perception: Perception, threshold: Mapping[str, float] | None = None) -> None:
        self._perception, self._threshold = perception, threshold or {}

    def detect(self, skill: Skill, before: Observation, after: Observation) -> Detection:
        """By the map for driving, by the picture for everything else."""
        if skill.verb == "go to":
            place, stands = nearest(after.base_pose, self._perception.places)
            there = stands and place.name == skill.place
            return Detection(there, float(there), "" if there else f"the robot is not at the {skill.place}")
        if skill.verb == "done":
            return Detection(True)
        seen = self._perception.ask(after, [skill])
        probability = float(seen.done[0])
        if seen.strange > 1.0:
            return Detection(False, probability, "the picture is like none that the detector knows: it cannot tell")
        success = probability > self._threshold.get(skill.verb, THRESHOLD)
        doubt = "not found" if skill.verb == "find" else "it does not look done"
        return Detection(success, probability, "" if success else f"{doubt} ({probability:.0%})")
