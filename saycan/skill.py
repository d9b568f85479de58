"""What a robot can be asked to do, as words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Skill:
    """One thing to do, and the phrase that names it to the language model and to the policy.

    Attributes:
        phrase: "pick up the apple": what is scored, shown, and conditioned on. Unique in its library.
        verb: The kind of skill: "pick up"; policies and value functions that are not conditioned on text go by it.
        object: Canonical object name, or None.
        place: Canonical place name, or None.
        seconds: Time limit in s on the robot's clock, after which it counts as failed.
    """

    phrase: str
    verb: str
    object: str | None = None
    place: str | None = None
    seconds: float = 30.0

    def __str__(self) -> str:
        return self.phrase


DONE = Skill("done", "done", seconds=0.0)
"""The skill that ends a run; every library has it."""
