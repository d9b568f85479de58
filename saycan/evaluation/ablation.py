"""An agent with one of its parts taken out, as Ahn et al. 2022 did (section 5.1): what is each of them good for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.observation import Observation
from saycan.planner import Planner
from saycan.skill import Skill
from saycan.step import Memory, Outcome, Step

ABLATIONS = {
    "affordance": "every skill is taken to be possible: what the language model says decides alone",
    "language": "every skill is taken to be useful: what can be done decides alone",
    "feedback": "the planner is told that every skill it chose has worked, and nothing that people say",
}
"""What can be left out, and what that means."""


class NoAffordance:
    """A value function to which everything can be done."""

    name = "no affordance"

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) ones."""
        return np.ones(len(skills))


class NoLanguage:
    """A language model to which every option is as likely."""

    name = "no language model"
    prompt_name = "adapted"
    """Which has one wording for each skill: one that is said in two ways would count twice."""

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) zeros."""
        return np.zeros(len(options))


class NoFeedback:
    """A planner that only knows what it has chosen itself.

    Args:
        planner: Decides.
    """

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The next skill, as if everything so far had worked."""
        steps = [entry for entry in memory if isinstance(entry, Step)]
        blind = [replace(step, outcome=Outcome.SUCCEEDED, message="") for step in steps]
        return self._planner.decide(instruction, blind, observation)
