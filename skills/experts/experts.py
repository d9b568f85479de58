"""The scripted experts as one policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from saycan.action import Action
from saycan.errors import PolicyError
from saycan.observation import Observation
from saycan.privileged import DrawerState, PrivilegedState, PrivilegedWorld
from saycan.skill import Skill
from saycan.skills.experts.drawer import move_drawer
from saycan.skills.experts.drive import drive
from saycan.skills.experts.motion import Target, act
from saycan.skills.experts.pick import pick
from saycan.skills.experts.place import place, put_down
from saycan.skills.experts.wipe import wipe
from saycan.symbolic import instance

Expert = Callable[[PrivilegedState, str, str], Target]
"""(state, object or "", place or "") to where the body should be."""


def _go_to(state: PrivilegedState, _: str, where: str) -> Target:
    return drive(state, state.places[where].dock)


def _find(state: PrivilegedState, name: str, _: str) -> Target:
    thing = instance(state, name)
    if thing is None or thing.place is None or state.at(thing.place) or state.places[thing.place].kind == "bin":
        return Target(gripper=0.0 if state.held else 1.0, terminate=True)
    return drive(state, state.places[thing.place].dock)


def _drawer(state: PrivilegedState, where: str) -> DrawerState:
    for drawer in state.drawers:
        if drawer.name == where:
            return drawer
    raise PolicyError(
        f"no drawer at {where!r}; there is: {', '.join(drawer.name for drawer in state.drawers) or 'none'}"
    )


EXPERTS: Mapping[str, Expert] = {
    "find": _find,
    "go to": _go_to,
    "pick up": lambda state, name, where: pick(state, name),
    "place": place,
    "trash": place,
    "bring": place,
    "put down": lambda state, name, where: put_down(state, name),
    "wipe": lambda state, name, where: wipe(state, where),
    "open": lambda state, name, where: move_drawer(state, _drawer(state, where), open=True),
    "close": lambda state, name, where: move_drawer(state, _drawer(state, where), open=False),
}
"""Verb to expert."""


class PrivilegedExperts:
    """Every skill of the kitchen as a scripted controller that reads the simulator's state: pi(state, skill).

    They demonstrate and stand for comparison; a robot outside a simulator cannot run them. Each action is a function of
    the current state alone, without memory and without jumps, so that they can teach (Laskey et al. 2017,
    arXiv:1703.09327, inject noise around such a demonstrator).

    Args:
        world: Whose state to read; the robot itself, in a simulator.
    """

    name = "privileged experts"

    def __init__(self, world: PrivilegedWorld) -> None:
        self._world = world

    def reset(self, skill: Skill) -> None:
        """Nothing to forget. Raises PolicyError for a verb without an expert."""
        if skill.verb not in EXPERTS:
            known = ", ".join(EXPERTS)
            raise PolicyError(f"no privileged expert for {skill.phrase!r} (verb {skill.verb!r}); has: {known}")

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action of this control period, from the simulator's state now."""
        state = self._world.privileged_state()
        return act(state, observation, self.target(state, skill))

    @staticmethod
    def target(state: PrivilegedState, skill: Skill) -> Target:
        """Where the body should be for `skill` in `state`, and what for: more than the action, to label data with."""
        return EXPERTS[skill.verb](state, skill.object or "", skill.place or "")
