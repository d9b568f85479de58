"""An expert that leaves work undone, so that a success detector sees what looks finished and is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.observation import Observation
from saycan.privileged import PrivilegedWorld, SpillState
from saycan.skill import Skill
from saycan.skills.experts.experts import PrivilegedExperts
from saycan.skills.experts.motion import act

LEAST, MOST = 0.05, 1.0
"""Share of a spill that is overlooked, up to all of it: then the hand is drawn back at once, in a second. Of what is
overlooked the sponge takes some along."""


class CarelessExperts(PrivilegedExperts):
    """As the experts, but of a spill it overlooks what lies furthest in some direction, and ends with that undone.

    Policies that wipe leave cells behind now and then, and each attempt takes half a minute; this one leaves some in
    most attempts, and ends as they do, in seconds. `saycan collect --policy careless --alone --verbs wipe` makes such
    data. Which part is overlooked follows from the spill, so the same scene is wiped in the same way.

    Args:
        world: Whose state to read.
    """

    name = "careless experts"

    def __init__(self, world: PrivilegedWorld) -> None:
        super().__init__(world)
        self._overlooked = np.zeros((0, 3))

    def reset(self, skill: Skill) -> None:
        """Overlook another part. Raises PolicyError for a verb without an expert."""
        super().reset(skill)
        spill = self._world.privileged_state().spill_at(skill.place) if skill.verb == "wipe" and skill.place else None
        self._overlooked = np.zeros((0, 3)) if spill is None else _part_of(spill.cells)

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action of this control period, from the simulator's state without what is overlooked."""
        state = self._world.privileged_state()
        state = replace(state, spills=tuple(self._without(spill) for spill in state.spills))
        return act(state, observation, self.target(state, skill))

    def _without(self, spill: SpillState) -> SpillState:
        gaps = np.linalg.norm(spill.cells[:, None] - self._overlooked, axis=2)  # (N, K)
        return replace(spill, cells=spill.cells[(gaps > 1e-4).all(axis=1)])


def _part_of(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 3) of (N, 3) cells: those that lie furthest in a direction that follows from them."""
    rng = np.random.default_rng(np.round(np.abs(1e4 * cells[:, :2])).astype(np.int64).ravel())
    angle, share = rng.uniform(-np.pi, np.pi), rng.uniform(LEAST, MOST)
    order = np.argsort(cells[:, :2] @ np.array([np.cos(angle), np.sin(angle)]))
    return cells[order[len(cells) - max(1, round(share * len(cells))) :]]
