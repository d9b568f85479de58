"""Success detection by reading the simulator's state: privileged, and only a stand-in for a learned detector."""

from __future__ import annotations

from saycan.observation import Observation
from saycan.privileged import PrivilegedWorld
from saycan.skill import Skill
from saycan.success import Detection
from saycan.symbolic import shortfall


class PrivilegedDetector:
    """Implements `saycan.success.SuccessDetector` with the rules of `saycan.symbolic`.

    Args:
        world: A simulator; it is read when `detect` is called, so call it right after the skill.
    """

    def __init__(self, world: PrivilegedWorld) -> None:
        self.world = world

    def detect(self, skill: Skill, before: Observation, after: Observation) -> Detection:
        """Certain either way; the message says what is missing. Raises UnknownNameError for a foreign verb."""
        missing = shortfall(self.world.privileged_state(), skill)
        return Detection(missing is None, float(missing is None), missing or "")
