"""All of a robot's skills as one policy: driving by the map, finding by looking about, everything else by a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.place import Place
from saycan.policy import Policy
from saycan.skill import Skill
from saycan.skills.features import nearest
from saycan.skills.navigation import MapDriver, drive_to, fingers, hand_is_up, raise_hand
from saycan.skills.values.perception import Perception
from saycan.skills.values.sightings import Sightings

APPROACHED = frozenset({"wipe"})
"""Verbs for which the map drives to the named place first: who stands elsewhere before a counter sees no spill on it,
and a picture without one is how wiping ends."""

AGAIN = 3
"""How often what is `APPROACHED` is begun anew when the network ends it and it does not look done."""

SURE = 0.9
"""Probability from which it looks done to who could as well begin anew: another try costs less than a wrong end."""

PAUSE = 30
"""Periods after a beginning before which there is no other: an earlier end is ignored, and what the network does
besides goes on. Nudging the hand then, as where it comes to rest (`saycan.skills.policies.stall`), is no better: 54 of
60 counters clean instead of 56, with more work."""

LOOKS = 3
"""Periods that the robot looks at a place before it drives on; the answers are averaged."""


class Finder:
    """ "find the THING": from place to place, where it was last seen first, until the cameras show it.

    At every place it notes too what else is there that somebody may want (`Sightings.wanted`), so that the next search
    drives straight there, and what is nowhere need not be looked for.

    Args:
        perception: Tells from a picture whether the thing is here: its answer to whether "find the THING" is done.
        sightings: What was seen where.
    """

    name = "finder"

    def __init__(self, perception: Perception, sightings: Sightings) -> None:
        self._perception, self._sightings = perception, sightings
        self._left: list[str] = []
        self._asked: list[Skill] = []
        self._answers: list[NDArray[np.float64]] = []
        self._trusted = True

    def reset(self, skill: Skill) -> None:
        """Begin a new search."""
        self._left, self._answers, self._trusted = [], [], True

    def act(self, observation: Observation, skill: Skill) -> Action:
        """One period; ends where the thing is seen, or when every place has been looked at."""
        self._sightings.tell(observation.time)
        gripper = fingers(observation)
        places = self._perception.places
        if not self._left:
            self._left = self._order(str(skill.object), observation)
        goal = places[self._left[0]]
        action = drive_to(observation, goal.dock)
        here, stands = nearest(observation.base_pose, places)
        if not (action.terminate or (stands and here.name == goal.name and not self._answers)):
            return action
        if not hand_is_up(observation):
            return raise_hand(observation) if action.terminate else action
        if not self._answers:
            self._asked = [skill, *(other for other in self._sightings.wanted if other.object != skill.object)]
        seen = self._perception.ask(observation, self._asked)
        self._trusted = self._trusted and seen.strange <= 1.0
        self._answers.append(seen.done)
        if len(self._answers) < LOOKS:
            return Action(gripper=gripper) if action.terminate else action
        there = np.mean(self._answers, axis=0) > 0.5
        found = bool(there[0])
        if self._trusted:  # of pictures that are not, nothing is remembered
            self._sightings.note(
                goal.name, {str(one.object): bool(seen) for one, seen in zip(self._asked, there, strict=True)}
            )
        self._answers, self._trusted = [], True
        self._left.pop(0)
        if found or not self._left:
            return Action(gripper=gripper, terminate=True)
        return Action(gripper=gripper)

    def _order(self, thing: str, observation: Observation) -> list[str]:
        """Every place but a bin, in which nothing is to be found again."""
        places = [place for place in self._perception.places.values() if place.kind != "bin"]
        base = observation.base_pose
        near = sorted(places, key=lambda place: float(np.hypot(*(place.dock[:2] - base[:2]))))
        return self._sightings.order(thing, [place.name for place in near])


class LearnedSkills:
    """Implements `saycan.Policy` for a whole library.

    Args:
        policy: The network's: picking, placing, wiping, drawers.
        places: The map, for "go to" and for what is `APPROACHED`.
        perception: For "find", and to look whether what is `APPROACHED` is done.
        sightings: For "find".
    """

    def __init__(
        self, policy: Policy, places: Mapping[str, Place], perception: Perception | None, sightings: Sightings
    ) -> None:
        self.name = getattr(policy, "name", "learned policy")
        self._policy, self._driver, self._places = policy, MapDriver(places), places
        self._perception, self._there, self._left, self._since = perception, False, 0, 0
        self._finder = None if perception is None else Finder(perception, sightings)

    def reset(self, skill: Skill) -> None:
        """Begin a skill. Raises PolicyError or MissingPartError when it cannot be done."""
        self._of(skill).reset(skill)
        approached = skill.verb in APPROACHED and skill.place in self._places
        self._there, self._since = not approached, 0
        self._left = AGAIN if approached and self._perception is not None else 0

    def act(self, observation: Observation, skill: Skill) -> Action:
        """One period."""
        if not self._there:
            action = self._driver.act(observation, skill)
            if not action.terminate:
                return action
            self._there = True
        action = self._of(skill).act(observation, skill)
        self._since += 1
        if action.terminate and self._left and not self._done(observation, skill):
            if self._since > PAUSE:
                self._left, self._there, self._since = self._left - 1, False, 0
                self._of(skill).reset(skill)
            return replace(action, terminate=False)
        return action

    def _done(self, observation: Observation, skill: Skill) -> bool:
        assert self._perception is not None, "without one nothing is begun anew"
        probability = float(self._perception.ask(observation, [skill]).done[0])
        return probability > max(SURE, self._perception.thresholds.get(skill.verb, SURE))

    def _of(self, skill: Skill) -> Policy:
        if skill.verb == "go to":
            return self._driver
        if skill.verb != "find":
            return self._policy
        if self._finder is None:
            raise PolicyError(f"{skill.phrase!r} needs a perception network to look for things; none was given")
        return self._finder
