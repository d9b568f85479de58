"""Value functions worked out from the simulator's state: privileged, and only a stand-in for learned ones.

can(skill) = level of its verb * exp(-distance to drive / REACH)      when its precondition holds
           = one of the small constants                             when it does not
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.errors import UnknownNameError, ValueFunctionError
from saycan.observation import Observation
from saycan.privileged import PrivilegedState, PrivilegedWorld
from saycan.skill import Skill
from saycan.skills.levels import LEVEL, POINTLESS, READY
from saycan.symbolic import instance, precondition

REACH = 30.0
"""m; driving 3 m costs a tenth of the value."""

ABSENT = 0.0
"""The thing that the phrase names is not in this world."""

UNREADY = 0.002
"""Something else has to be done first, such as picking the thing up.

Small enough that a favourite of the language model (say 0.9) loses to what can be done (say 0.01, can 0.9).
"""


class PrivilegedGeometricValues:
    """Values by the rules of `saycan.symbolic`, from a simulator's own state: a `saycan.value.ValueFunction`.

    Args:
        world: A simulator; the observation that `values` gets is not looked at.
    """

    def __init__(self, world: PrivilegedWorld) -> None:
        self.world = world

    def values(self, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) float64 in [0, 1]. Raises ValueFunctionError for a skill that is not of the kitchen's kinds."""
        state = self.world.privileged_state()
        return np.array([_value(state, skill) for skill in skills])


def _value(state: PrivilegedState, skill: Skill) -> float:
    try:
        missing = precondition(state, skill)
    except UnknownNameError as error:
        raise ValueFunctionError(
            f"the privileged geometric values do not know {skill.phrase!r}: {error}; pass values=... of your own"
        ) from error
    if missing is None:
        return LEVEL.get(skill.verb, READY) * float(np.exp(-_distance(state, skill) / REACH))
    if skill.object is not None and not state.named(skill.object):
        return ABSENT
    return POINTLESS if skill.verb in ("find", "go to", "open", "close") else UNREADY


def _distance(state: PrivilegedState, skill: Skill) -> float:
    """m to drive for a skill that can be done."""
    place = skill.place
    if skill.verb == "find":
        thing = instance(state, str(skill.object))
        place = thing.place if thing else None
    if place is None:
        return 0.0
    return float(np.hypot(*(state.places[place].dock - state.base_pose)[:2]))
