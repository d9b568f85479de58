"""What has just failed is less likely to work than it looked: Can, after what happened.

A value is a guess from pictures. Read as a Beta distribution that weighs as much as `patience` attempts, its mean after
`n` attempts that failed is

    p(success | observation, skill, n failures) = p(success | observation, skill) / (1 + n / patience)

A second attempt so remains the best thing to do where the language model is sure of it, and what fails again and again
gives way to what has not been tried. A success of the skill, or a word of a person, and it counts in full again.

Searching deserves less patience than doing. A grasp that failed may succeed from a little to the side; a search that
failed has looked everywhere, and of 40 things that were there all were found at once (docs/learning.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError
from saycan.skill import Skill
from saycan.step import Feedback, Memory, Outcome, Step

PATIENCE = {"find": 0.1}
"""Verb to attempts."""

ORDINARY = 1.0
"""Attempts, for all other verbs."""

FAILURES = (Outcome.FAILED, Outcome.TIMED_OUT)


def after_failures(
    can: NDArray[np.float64],
    skills: Sequence[Skill],
    memory: Sequence[Memory],
    patience: Mapping[str, float] | None = PATIENCE,
) -> NDArray[np.float64]:
    """(N,) float64 in [0, 1]: values, lowered for the skills that have failed since they last worked.

    Args:
        can: (N,) in [0, 1].
        skills: The N skills, in the same order.
        memory: What has happened, oldest first.
        patience: Verb to how many attempts a value weighs as much as, above 0; `ORDINARY` for those that it lacks. None
            takes values as they are.

    Raises:
        BadInputError: A patience that is not above 0.
    """
    if patience is None:
        return can
    if wrong := {verb: attempts for verb, attempts in patience.items() if not attempts > 0}:
        raise BadInputError(f"patience is a number of attempts above 0, found {wrong}; None takes values as they are")
    failures: Counter[str] = Counter()
    for entry in memory:
        match entry:
            case Step(outcome=Outcome.SUCCEEDED):
                del failures[entry.skill.phrase]
            case Step() if entry.outcome in FAILURES:
                failures[entry.skill.phrase] += 1
            case Feedback(source="human"):
                failures.clear()
    weights: NDArray[np.float64] = np.array(
        [1 + failures[skill.phrase] / patience.get(skill.verb, ORDINARY) for skill in skills]
    )
    return can / weights
