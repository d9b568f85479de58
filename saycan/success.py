"""The contract for checking whether a skill did what its phrase says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from saycan.observation import Observation
from saycan.skill import Skill


@dataclass(frozen=True)
class Detection:
    """What a success detector says.

    Attributes:
        success: Whether the skill has succeeded.
        probability: How sure it is of success, in [0, 1].
        message: One line for the user and the planner: what is missing, when something is.
    """

    success: bool
    probability: float = 1.0
    message: str = ""


@runtime_checkable
class SuccessDetector(Protocol):
    """Compares what was seen before a skill with what is seen after it.

    A detector that has to look for itself before may have a method `begin(skill)`: see `begin_detection`.
    """

    def detect(self, skill: Skill, before: Observation, after: Observation) -> Detection:
        """Whether `skill`, started at `before` and ended at `after`, has succeeded."""
        ...


def begin_detection(detector: object, skill: Skill) -> None:
    """Tell a detector by its `begin(skill)` that a skill begins, before anything moves; most have none, and need none.

    `detect` follows unless the skill is broken off.
    """
    begin = getattr(detector, "begin", None)
    if callable(begin):
        begin(skill)
