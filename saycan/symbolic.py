"""What every skill of the kitchen needs and does, on privileged state.

Three questions about one skill: what is missing before it can be done (`precondition`), what the world is like after
it has been done perfectly (`effect`), and whether a world is one in which it has been done (`succeeded`). Value
functions, success detectors and the benchmark of plans share these answers, so they cannot disagree.

Skills whose phrase names a place drive to that place themselves; "pick up" and "put down" work where the robot stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from saycan.errors import UnknownNameError
from saycan.place import Place
from saycan.privileged import DrawerState, ObjectState, PrivilegedState, SpillState
from saycan.skill import Skill

DRAWER_USABLE = 0.15
"""Opening in m from which things can be put into a drawer and taken out of it."""

DRAWER_OPEN = 0.8
"""Fraction of its travel from which a drawer counts as open."""

DRAWER_CLOSED = 0.1
"""Fraction of its travel up to which a drawer counts as closed."""

DELIVERED = ("bin", "tray")
"""Kinds of places whose contents have been dealt with: looked for there only when there is no other."""


def precondition(state: PrivilegedState, skill: Skill) -> str | None:
    """Why `skill` cannot be done, or is of no use, in `state`, in one line; None when it can be done.

    Raises UnknownNameError for a verb or a place that the kitchen does not have.
    """
    return _rule(skill)[0](state, skill)


def effect(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    """The world after `skill` has been carried out perfectly; `state` itself when its precondition does not hold."""
    return state if precondition(state, skill) else _rule(skill)[1](state, skill)


def succeeded(state: PrivilegedState, skill: Skill, before: PrivilegedState | None = None) -> bool:
    """Whether `skill` has been done in `state`; see `shortfall`."""
    return shortfall(state, skill, before) is None


def shortfall(state: PrivilegedState, skill: Skill, before: PrivilegedState | None = None) -> str | None:
    """What is missing in `state` for `skill` to have been done, in one line; None when nothing is.

    With `before`, the state in which the skill began, putting something somewhere is asked of the very thing that was
    held then; without it, of any thing of its name, none of which may lie on the floor.
    """
    return _rule(skill)[2](state, skill, before)


def instance(state: PrivilegedState, name: str) -> ObjectState | None:
    """Which of several things of one name a skill is about: the held one, or the nearest that can be had.

    Things at the robot's own place come first, then those that stand elsewhere by the distance of their dock, then
    those that have been delivered or thrown away; None when none is held or rests anywhere.
    """
    found = [thing for thing in state.named(name) if thing.held or thing.place in state.places]
    return min(found, key=lambda thing: _reach(state, thing), default=None)


def _reach(state: PrivilegedState, thing: ObjectState) -> tuple[int, float]:
    if thing.held or thing.place is None:
        return (0, 0.0)
    place = state.places[thing.place]
    distance = float(np.hypot(*(place.dock - state.base_pose)[:2]))
    if place.kind in DELIVERED:
        return (3, distance)
    return (1 if state.at(thing.place) else 2, distance)


def _nearest_here(state: PrivilegedState, skill: Skill) -> ObjectState | None:
    """The thing to pick up where the robot stands: of a bolted arm's places, not what has been delivered first."""
    here = [thing for thing in state.named(str(skill.object)) if state.at(thing.place)]
    return min(here, key=lambda thing: state.places[str(thing.place)].kind in DELIVERED, default=None)


def _place(state: PrivilegedState, name: str | None) -> Place:
    if name is None or name not in state.places:
        raise UnknownNameError("place", str(name), state.places)
    return state.places[name]


def _drawer(state: PrivilegedState, name: str | None) -> DrawerState:
    for drawer in state.drawers:
        if drawer.name == name:
            return drawer
    raise UnknownNameError("drawer", str(name), [drawer.name for drawer in state.drawers])


def _holds(state: PrivilegedState, name: str | None) -> bool:
    return state.held is not None and state.by_id(state.held).name == name


def _held_name(state: PrivilegedState) -> str | None:
    return None if state.held is None else state.by_id(state.held).name


# Before: why not -----------------------------------------------------------------------------------------------------


def _find_needs(state: PrivilegedState, skill: Skill) -> str | None:
    thing = instance(state, str(skill.object))
    if thing is None:
        return f"there is no {skill.object}"
    if thing.held:
        return f"the {skill.object} is in the gripper already"
    place = state.places[str(thing.place)]
    if place.kind == "bin":
        return f"the {skill.object} has been thrown away"
    if state.at(place.name):
        return f"the robot is at the {skill.object} already"
    return None


def _pick_up_needs(state: PrivilegedState, skill: Skill) -> str | None:
    if state.held is not None:
        return f"the gripper holds the {_held_name(state)} already"
    thing = _nearest_here(state, skill)
    if thing is None:
        return f"there is no {skill.object} where the robot stands"
    place = state.places[str(thing.place)]
    if place.kind == "bin":
        return f"the {skill.object} is in the {place.name}, out of reach"
    if place.kind == "drawer" and _drawer(state, place.name).opening < DRAWER_USABLE:
        return f"the {place.name} is closed"
    return None


def _carry_needs(state: PrivilegedState, skill: Skill) -> str | None:
    place = _place(state, skill.place)
    if not _holds(state, skill.object):
        return f"the gripper does not hold the {skill.object}"
    if place.kind == "drawer" and _drawer(state, place.name).opening < DRAWER_USABLE:
        return f"the {place.name} is closed"
    return None


def _put_down_needs(state: PrivilegedState, skill: Skill) -> str | None:
    if not _holds(state, skill.object):
        return f"the gripper does not hold the {skill.object}"
    if state.robot_place is None or state.places[state.robot_place].kind not in ("surface", "tray"):
        return "the robot stands at nothing that things can be put down on"
    return None


def _go_to_needs(state: PrivilegedState, skill: Skill) -> str | None:
    place = _place(state, skill.place)
    return f"the robot is at the {place.name} already" if state.at(place.name) else None


def _wipe_needs(state: PrivilegedState, skill: Skill) -> str | None:
    place = _place(state, skill.place)
    if not _holds(state, "sponge"):
        return "the gripper does not hold the sponge"
    return None if state.spill_at(place.name) else f"there is no spill on the {place.name}"


def _open_needs(state: PrivilegedState, skill: Skill) -> str | None:
    drawer = _drawer(state, skill.place)
    if state.held is not None:
        return f"the gripper holds the {_held_name(state)}"
    return f"the {drawer.name} is open already" if drawer.opening >= DRAWER_OPEN * drawer.travel else None


def _close_needs(state: PrivilegedState, skill: Skill) -> str | None:
    drawer = _drawer(state, skill.place)
    if state.held is not None:
        return f"the gripper holds the {_held_name(state)}"
    return f"the {drawer.name} is closed already" if drawer.opening <= DRAWER_CLOSED * drawer.travel else None


def _nothing_needed(state: PrivilegedState, skill: Skill) -> str | None:
    return None


# Doing: the world afterwards -----------------------------------------------------------------------------------------


def _at(state: PrivilegedState, name: str | None) -> PrivilegedState:
    """The robot at a place, with what it holds."""
    place = _place(state, name)
    visited = state.visited if place.name in state.visited else (*state.visited, place.name)
    hand = np.array([*place.dock[:2], 1.0])
    objects = tuple(replace(thing, position=hand) if thing.held else thing for thing in state.objects)
    return replace(
        state, base_pose=place.dock, ee_position=hand, robot_place=place.name, visited=visited, objects=objects
    )


def _with(state: PrivilegedState, changed: ObjectState) -> PrivilegedState:
    objects = tuple(changed if thing.id == changed.id else thing for thing in state.objects)
    return replace(state, objects=objects, held=changed.id if changed.held else None, gripper=float(not changed.held))


def _find(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    thing = instance(state, str(skill.object))
    assert thing is not None, "the precondition has found it"
    return _at(state, thing.place)


def _pick_up(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    here = _nearest_here(state, skill)
    assert here is not None, "the precondition has found it"
    return _with(state, replace(here, held=True, place=None, position=state.ee_position))


def _carry(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    there = _at(state, skill.place)
    place = _place(state, skill.place)
    thing = there.by_id(str(there.held))
    # Side by side in the order of arrival, so that no two things share a spot.
    count = sum(other.place == place.name for other in there.objects)
    across = np.array([-np.sin(place.dock[2]), np.cos(place.dock[2]), 0.0])
    offset = ((count % 5) - 2) * 0.4 * place.half_size[0]
    position = place.center + offset * across + np.array([0.0, 0.0, 0.5 * thing.size[2]])
    return _with(there, replace(thing, held=False, place=place.name, position=position))


def _put_down(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    return _carry(state, replace(skill, place=state.robot_place))


def _go_to(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    return _at(state, skill.place)


def _wipe(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    spills = tuple(_cleaned(spill) if spill.place == skill.place else spill for spill in state.spills)
    return replace(_at(state, skill.place), spills=spills)


def _cleaned(spill: SpillState) -> SpillState:
    return replace(spill, cells=spill.cells[:0])


def _open(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    return _slid(state, skill, 1.0)


def _close(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    return _slid(state, skill, 0.0)


def _slid(state: PrivilegedState, skill: Skill, fraction: float) -> PrivilegedState:
    """The drawer at a fraction of its travel; handle, floor and what lies in it move along."""
    drawer, place = _drawer(state, skill.place), _place(state, skill.place)
    opening = fraction * drawer.travel
    shift = np.array([*((opening - drawer.opening) * drawer.direction), 0.0])
    moved = replace(drawer, opening=opening, handle=drawer.handle + shift)
    there = _at(state, place.name)
    return replace(
        there,
        drawers=tuple(moved if other.name == drawer.name else other for other in state.drawers),
        places={**state.places, place.name: replace(place, center=place.center + shift)},
        objects=tuple(
            replace(thing, position=thing.position + shift) if thing.place == place.name else thing
            for thing in there.objects
        ),
    )


def _unchanged(state: PrivilegedState, skill: Skill) -> PrivilegedState:
    return state


# Afterwards: what is missing -----------------------------------------------------------------------------------------

_Before = PrivilegedState | None


def _find_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    things = state.named(str(skill.object))
    if any(thing.held or state.at(thing.place) for thing in things):
        return None
    nowhere = instance(state, str(skill.object)) is None
    return f"there is no {skill.object}" if nowhere else f"the robot is not where the {skill.object} is"


def _pick_up_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    if state.held is None or not _holds(state, skill.object):
        return f"the gripper does not hold the {skill.object}"
    place = state.by_id(state.held).place  # a thing that the fingers have closed on stands where it stood
    return None if place is None else f"the {skill.object} has not been lifted from the {place}"


def _carry_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    return _rests_lacks(state, skill, (_place(state, skill.place).name,), before)


def _put_down_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    tops = tuple(place.name for place in state.places.values() if place.kind in ("surface", "tray"))
    return _rests_lacks(state, skill, tops, before)


def _rests_lacks(state: PrivilegedState, skill: Skill, places: tuple[str, ...], before: _Before) -> str | None:
    things = state.named(str(skill.object))
    if before is not None and _holds(before, skill.object):
        things = [thing for thing in things if thing.id == before.held]
    if any(thing.held for thing in things):
        return f"the gripper still holds the {skill.object}"
    if any(thing.place is None for thing in things):
        return f"the {skill.object} has been dropped"
    if any(thing.place in places for thing in things):
        return None
    return f"the {skill.object} is not at the {skill.place or 'place where the robot stands'}"


def _go_to_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    place = _place(state, skill.place)
    return None if state.at(place.name) else f"the robot is not at the {place.name}"


def _wipe_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    spill = state.spill_at(_place(state, skill.place).name)
    return None if spill is None else f"{len(spill.cells)} of {spill.total} cells of the spill are left"


def _open_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    drawer = _drawer(state, skill.place)
    if drawer.opening >= DRAWER_OPEN * drawer.travel:
        return None
    return f"the {drawer.name} is out by {100 * drawer.opening:.0f} of {100 * drawer.travel:.0f} cm only"


def _close_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    drawer = _drawer(state, skill.place)
    if drawer.opening <= DRAWER_CLOSED * drawer.travel:
        return None
    return f"the {drawer.name} is still out by {100 * drawer.opening:.0f} cm"


def _nothing_lacks(state: PrivilegedState, skill: Skill, before: _Before) -> str | None:
    return None


_Rule = tuple[
    Callable[[PrivilegedState, Skill], str | None],
    Callable[[PrivilegedState, Skill], PrivilegedState],
    Callable[[PrivilegedState, Skill, _Before], str | None],
]

_RULES: dict[str, _Rule] = {
    "find": (_find_needs, _find, _find_lacks),
    "pick up": (_pick_up_needs, _pick_up, _pick_up_lacks),
    "place": (_carry_needs, _carry, _carry_lacks),
    "trash": (_carry_needs, _carry, _carry_lacks),
    "bring": (_carry_needs, _carry, _carry_lacks),
    "put down": (_put_down_needs, _put_down, _put_down_lacks),
    "go to": (_go_to_needs, _go_to, _go_to_lacks),
    "wipe": (_wipe_needs, _wipe, _wipe_lacks),
    "open": (_open_needs, _open, _open_lacks),
    "close": (_close_needs, _close, _close_lacks),
    "done": (_nothing_needed, _unchanged, _nothing_lacks),
}


def _rule(skill: Skill) -> _Rule:
    if skill.verb not in _RULES:
        raise UnknownNameError("verb", skill.verb, _RULES)
    return _RULES[skill.verb]
