"""What somebody brings as a policy, a value function or a success detector, plain functions among it.

The one place where it is checked and wrapped, so that everything behind it sees the protocols alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import BadInputError, PolicyError, ValueFunctionError
from saycan.observation import Observation
from saycan.policy import Policy
from saycan.skill import Skill
from saycan.success import SuccessDetector
from saycan.value import ValueFunction

PolicyFunction = Callable[[Observation, Skill], Action]
ValueOfSkill = Callable[[Observation, Skill], float]


class FunctionPolicy:
    """A policy without memory, from a function `(observation, skill) -> Action`."""

    def __init__(self, function: PolicyFunction) -> None:
        self.function = function

    def reset(self, skill: Skill) -> None:
        """Nothing to forget."""

    def act(self, observation: Observation, skill: Skill) -> Action:
        """What the function says."""
        return self.function(observation, skill)

    def __repr__(self) -> str:
        return f"FunctionPolicy({getattr(self.function, '__name__', self.function)})"


class FunctionValues:
    """A value function from a function `(observation, skill) -> float` that is asked once for each skill."""

    def __init__(self, function: ValueOfSkill) -> None:
        self.function = function

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) float64 in [0, 1]. Raises ValueFunctionError naming the skill it went wrong for."""
        found = np.empty(len(skills))
        for index, skill in enumerate(skills):
            try:
                found[index] = value = float(self.function(observation, skill))
            except Exception as error:
                raise ValueFunctionError(
                    f"the value function failed for {skill.phrase!r}: {type(error).__name__}: {error}"
                ) from error
            if not 0.0 <= value <= 1.0:
                raise ValueFunctionError(f"a value must lie in [0, 1], found {value} for {skill.phrase!r}")
        return found

    def __repr__(self) -> str:
        return f"FunctionValues({getattr(self.function, '__name__', self.function)})"


def as_policy(policy: Policy | PolicyFunction) -> Policy:
    """The policy itself, or a function as one. Raises PolicyError for anything else."""
    if not isinstance(policy, type):  # a class has the methods too, but nothing to call them on
        if isinstance(policy, Policy):
            return policy
        if callable(policy):
            return FunctionPolicy(policy)
    raise PolicyError(
        f"policy= takes an object with reset(skill) and act(observation, skill), or a function (observation, skill) -> "
        f"Action; found {policy!r}"
    )


def as_value_function(values: ValueFunction | ValueOfSkill) -> ValueFunction:
    """The value function itself, or a function as one. Raises ValueFunctionError for anything else."""
    if not isinstance(values, type | dict):  # a dict has a method of that name
        if isinstance(values, ValueFunction):
            return values
        if callable(values):
            return FunctionValues(values)
    raise ValueFunctionError(
        f"values= takes an object with values(observation, skills), or a function (observation, skill) -> float; "
        f"found {values!r}"
    )


def as_success_detector(detector: SuccessDetector) -> SuccessDetector:
    """The detector itself. Raises BadInputError for anything else."""
    if isinstance(detector, type) or not isinstance(detector, SuccessDetector):
        raise BadInputError(f"detector= takes an object with detect(skill, before, after); found {detector!r}")
    return detector
