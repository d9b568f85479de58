"""What the robot has seen where: its memory between skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from saycan.skill import Skill

STALE = 300.0
"""Seconds for which it counts that a thing was not to be seen somewhere: people put things down."""


@dataclass
class Sightings:
    """Where each thing was last seen, and where it was looked for in vain since.

    Attributes:
        wanted: The searches that may be asked for: what to keep an eye out for while looking for something else.
        seen: Thing to the place where it was last seen.
        missed: Thing to the places where it was not to be seen, since it was last seen anywhere, and when that was, s.
        time: Newest time by the robot's clock, s.
    """

    wanted: tuple[Skill, ...] = ()
    seen: dict[str, str] = field(default_factory=dict)
    missed: dict[str, dict[str, float]] = field(default_factory=dict)
    time: float = 0.0

    def tell(self, time: float) -> None:
        """The robot's clock; where it goes back, a new world has begun, and the old one is forgotten."""
        if time < self.time:
            self.forget()
        self.time = time

    def note(self, place: str, present: Mapping[str, bool]) -> None:
        """What was seen at a place, and what was not."""
        for thing, there in present.items():
            if there:
                self.seen[thing] = place
                self.missed.pop(thing, None)
            else:
                self.missed.setdefault(thing, {})[place] = self.time
                if self.seen.get(thing) == place:
                    del self.seen[thing]

    def missed_at(self, thing: str) -> set[str]:
        """The places where a thing was not to be seen of late (`STALE`)."""
        return {place for place, when in self.missed.get(thing, {}).items() if self.time - when < STALE}

    def order(self, thing: str, nearest_first: Sequence[str]) -> list[str]:
        """Where to look for a thing: where it was last seen, then where it was not yet missed, the nearest first."""
        seen, missed = self.seen.get(thing), self.missed_at(thing)
        return sorted(nearest_first, key=lambda place: (place != seen, place in missed))

    def forget(self) -> None:
        """A new world."""
        self.seen.clear()
        self.missed.clear()
