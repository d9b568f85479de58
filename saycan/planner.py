"""The contract for whoever decides what is worth doing next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from saycan.decision import Decision
from saycan.observation import Observation
from saycan.step import Memory


@runtime_checkable
class Planner(Protocol):
    """Decides one step at a time; planning and acting interleave."""

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The next skill, from a fresh observation and all that has happened so far.

        Raises LanguageModelError or ValueFunctionError when one of the two halves fails.
        """
        ...
