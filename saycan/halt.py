"""Why a robot stands still, and who may let it move again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How badly; of several at once the worst counts."""

    HOLD = 1
    """Until the next action that is safe."""
    STOP = 2
    """Until somebody asks for something new (`Gate.release`): an agent's next run does."""
    EMERGENCY = 3
    """Until a person has looked and says so (`Gate.recover`); no program of ours ever does."""


@dataclass(frozen=True)
class Halt:
    """A robot standing still.

    Attributes:
        severity: How badly.
        reason: In words.
        time: Since when, Unix seconds.
    """

    severity: Severity
    reason: str
    time: float

    @property
    def way_out(self) -> str:
        """What has to happen before it moves again, in words."""
        match self.severity:
            case Severity.EMERGENCY:
                return "see that it is safe, then call recover() (at the prompt: recover)"
            case Severity.STOP:
                return "mend that, then ask anew (or call release())"
        return "the next safe action moves it again"

    def __str__(self) -> str:
        kind = {Severity.EMERGENCY: "an emergency stop", Severity.STOP: "stopped", Severity.HOLD: "held"}[self.severity]
        return f"{kind}: {self.reason}"
