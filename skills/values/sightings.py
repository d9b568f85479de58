"""What the robot has seen where: its memory between skills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Sightings:
    """Where each thing was last seen, and where it was looked for in vain since.

    Attributes:
        seen: Thing to the place where it was last seen.
        missed: Thing to the places where it was not to be seen, since it was last seen anywhere.
        time: Newest time by the robot's clock, s.
    """

    seen: dict[str, str] = field(default_factory=dict)
    missed: dict[str, set[str]] = field(default_factory=dict)
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
                self.missed.setdefault(thing, set()).add(place)
                if self.seen.get(thing) == place:
                    del self.seen[thing]

    def order(self, thing: str, nearest_first: Sequence[str]) -> list[str]:
        """Where to look for a thing: where it was last seen, then where it was not yet missed, the nearest first."""
        seen, missed = self.seen.get(thing), self.missed.get(thing, set())
        return sorted(nearest_first, key=lambda place: (place != seen, place in missed))

    def forget(self) -> None:
        """A new world."""
        self.seen.clear()
        self.missed.clear()
