"""One lesson's robot and room: its skills under its own phrases, and what is where in the beginning."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from saycan.library import SkillLibrary
from saycan.place import Place, PlaceKind
from saycan.planners.lessons.room import BIN, DRAWER, TOOL, USER, Room, Style
from saycan.privileged import DrawerState, ObjectState, PrivilegedState, SpillState
from saycan.skill import Skill

_TRAVEL = 0.3  # m, of the drawer
_OPTIONAL = 0.12  # how often a room lacks its drawer, its bin or something to wipe
_HOLDING = 0.2  # how often something is in the hand
_TOOL_HELD = 0.4  # how often that is what wipes
_SHUT_AWAY = 0.1  # how often a thing is in the drawer
_ABSENT, _SCARCE = 0.25, 0.7  # how many of the things that skills speak of are nowhere, in one room and in another
_MOST_THINGS = 16


@dataclass(frozen=True, eq=False)
class Setting:
    """See the module.

    Attributes:
        room: Its words.
        things: Canonical names of the things that the library speaks of.
        places: Canonical names of its places, surfaces first.
        library: Its skills.
        state: What is where.
    """

    room: Room
    things: tuple[str, ...]
    places: tuple[str, ...]
    library: SkillLibrary
    state: PrivilegedState

    @property
    def spoken(self) -> tuple[Skill, ...]:
        """The library with things and places named as its phrases name them."""
        shown = self.room.shown
        return tuple(
            replace(
                skill,
                object=shown.get(skill.object or "", skill.object),
                place=shown.get(skill.place or "", skill.place),
            )
            for skill in self.library
        )

    def again(self, rng: random.Random) -> Setting:
        """The same room and skills, with other things in other places."""
        return replace(self, state=_state(rng, self.things, self.places, self.surfaces))

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Of its places the flat tops."""
        return tuple(place for place in self.places if place in self.room.surfaces)


def draw_setting(
    rng: random.Random, room: Room, style: Style, more: Sequence[str] = (), whole: bool = False
) -> Setting:
    """A setting in a room.

    Args:
        rng: Where chance comes from.
        room: Which room.
        style: What skills are called.
        more: Names of things that the library has besides the room's.
        whole: With all of the room's things and places, as a user's own robot has them.
    """
    if whole:
        things, surfaces = (*room.things, *more), room.surfaces
        extras: tuple[str, ...] = (BIN, USER, DRAWER)
        wipes = True
    else:
        wipes = rng.random() > _OPTIONAL
        count = rng.randint(5, _MOST_THINGS)
        movable = [thing for thing in room.things if thing != TOOL]
        things = tuple(rng.sample(movable, min(count, len(movable))))
        things = (*things, *more, TOOL) if wipes else (*things, *more)
        surfaces = tuple(rng.sample(room.surfaces, rng.randint(2, len(room.surfaces))))
        extras = tuple(place for place in (BIN, USER, DRAWER) if rng.random() > _OPTIONAL)
    places = (*surfaces, *extras)
    library = SkillLibrary(_skills(room, style, things, surfaces, extras, wipes))
    return Setting(room, things, places, library, _state(rng, things, places, surfaces))


def _skills(
    room: Room, style: Style, things: Sequence[str], surfaces: Sequence[str], extras: Sequence[str], wipes: bool
) -> list[Skill]:
    def skill(verb: str, thing: str | None = None, place: str | None = None) -> Skill:
        shown = {"t": room.shown[TOOL], "b": room.shown[BIN], "u": room.shown[USER], "d": room.shown[DRAWER]}
        phrase = style.texts[verb].format(
            x=room.shown.get(thing or "", thing), p=room.shown.get(place or "", place), **shown
        )
        return Skill(phrase, "place" if verb == "store" else verb, thing, place)

    found = [skill(verb, thing) for verb in ("find", "pick up") for thing in things]
    found += [skill("place", thing, place) for thing in things for place in surfaces]
    found += [skill("put down", thing) for thing in things]
    found += [skill("go to", None, place) for place in (*surfaces, *extras)]
    if wipes:
        found += [skill("wipe", None, place) for place in surfaces]
    for verb, place in (("trash", BIN), ("bring", USER), ("store", DRAWER)):
        if place in extras:
            found += [skill(verb, thing, place) for thing in things]
    if DRAWER in extras:
        found += [skill("open", None, DRAWER), skill("close", None, DRAWER)]
    return found


def _state(
    rng: random.Random, things: Sequence[str], places: Sequence[str], surfaces: Sequence[str]
) -> PrivilegedState:
    """Most of the things somewhere, a few twice; one in the hand now and then; spills."""
    objects = []
    holding = rng.random() < _HOLDING
    tool = holding and TOOL in things and rng.random() < _TOOL_HELD
    absent = _SCARCE if rng.random() < 0.5 else _ABSENT
    held: str | None = None
    for thing in things:
        for copy in range(max(_copies(rng, absent), tool and thing == TOOL)):
            id, place = f"{thing} {copy}", rng.choice(surfaces)
            if DRAWER in places and rng.random() < _SHUT_AWAY:
                place = DRAWER
            if holding and held is None and (thing == TOOL if tool else rng.random() < 2 / len(things)):
                held = id
            objects.append(
                ObjectState(
                    id, thing, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.full(3, 0.05),
                    None if held == id else place, held == id,
                )
            )  # fmt: skip
    opening = _TRAVEL if rng.random() < 0.15 else 0.0
    start = rng.choice(places)
    drawers = (DrawerState(DRAWER, opening, _TRAVEL, np.zeros(3), np.array([1.0, 0.0])),) if DRAWER in places else ()
    known = {name: _place(name, number) for number, name in enumerate(places)}
    spills = [place for place in surfaces if TOOL in things and rng.random() < 0.5]
    return PrivilegedState(
        objects=tuple(objects),
        places=known,
        spills=tuple(SpillState(place, np.zeros((1, 3)), 1) for place in spills),
        drawers=drawers,
        base_pose=known[start].dock,
        ee_position=np.zeros(3),
        ee_yaw=0.0,
        gripper=float(held is None),
        gripper_width=0.08,
        held=held,
        robot_place=start,
        visited=(start,),
    )


def _copies(rng: random.Random, absent: float) -> int:
    chance = rng.random()
    return 0 if chance < absent else 2 if chance > 0.92 else 1


def _place(name: str, number: int) -> Place:
    kinds: dict[str, PlaceKind] = {BIN: "bin", USER: "tray", DRAWER: "drawer"}
    where = np.array([2.0 * number, 0.0, 0.0])
    return Place(name, kinds.get(name, "surface"), where, where, np.full(2, 0.3), 0.0)
