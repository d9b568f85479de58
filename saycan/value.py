"""The contract for Can: how likely is each skill to succeed if it were started now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from saycan.observation import Observation
from saycan.skill import Skill


@runtime_checkable
class ValueFunction(Protocol):
    """An affordance: p(success | observation, skill), undiscounted (Ahn et al. 2022, section 3).

    A plain function `(observation, skill) -> float` is accepted wherever a value function is.
    """

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) float64 in [0, 1], one for each skill, in order. Raises ValueFunctionError."""
        ...
