"""Success detection by reading the simulator's state: privileged, and only a stand-in for a learned detector."""

from __future__ import annotations

from saycan.observation import Observation
from saycan.privileged import PrivilegedState, PrivilegedWorld
from saycan.skill import Skill
from saycan.success import Detection
from saycan.symbolic import shortfall


class PrivilegedDetector:
    """Implements `saycan.success.SuccessDetector` with the rules of `saycan.symbolic`.

    Args:
        world: A simulator; it is read when `begin` and `detect` are called: call them right before and after the skill.
    """

    def __init__(self, world: PrivilegedWorld) -> None:
        self.world = world
        self._began: tuple[Skill, PrivilegedState] | None = None

    def begin(self, skill: Skill) -> None:
        """Keep what the hand holds: of several things alike, the next `detect` of this skill judges that one."""
        self._began = skill, self.world.privileged_state()

    def detect(self, skill: Skill, before: Observation, after: Observation) -> Detection:
        """Certain either way; the message says what is missing. Raises UnknownNameError for a foreign verb."""
        began, self._began = self._began, None
        start = began[1] if began is not None and began[0] == skill else None
        missing = shortfall(self.world.privileged_state(), skill, start)
        return Detection(missing is None, float(missing is None), missing or "")
