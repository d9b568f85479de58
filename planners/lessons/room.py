"""The rooms that lessons take place in, and what skills are called there; read from `prompts/rooms.toml`."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

TOOL, BIN, USER, DRAWER = "sponge", "trash can", "operator", "drawer"
"""What `saycan.symbolic` calls the thing that wipes, and the places of which a room has one."""

_VERBS = ("find", "pick up", "place", "store", "put down", "go to", "wipe", "trash", "bring", "open", "close")


@dataclass(frozen=True)
class Style:
    """What a room's skills are called.

    Attributes:
        texts: Verb ("store" is placing in the drawer) to a phrase with the holes {x} thing, {p} place, {t} tool, {b}
            bin, {u} person, {d} drawer.
        trying: Whether it is kept from training.
    """

    texts: Mapping[str, str]
    trying: bool


@dataclass(frozen=True)
class Room:
    """A room and its words; a thing's or a place's first name is what skills call it.

    Attributes:
        name: Of the room.
        shown: Canonical name of a thing or place to what skills call it: another one only for the four above.
        others: Canonical name to the other words for it.
        things: Canonical names of all movable things, the tool included.
        surfaces: Canonical names of the flat tops.
        kinds: Singular to (plural, its things).
        like: Description to the things that it covers.
        needs: What somebody says to the things that would help.
        trying: Whether it is kept from training.
    """

    name: str
    shown: Mapping[str, str]
    others: Mapping[str, tuple[str, ...]]
    things: tuple[str, ...]
    surfaces: tuple[str, ...]
    kinds: Mapping[str, tuple[str, tuple[str, ...]]]
    like: Mapping[str, tuple[str, ...]]
    needs: Mapping[str, tuple[str, ...]]
    trying: bool

    def words(self) -> set[str]:
        """Every word in a name of a thing or a place."""
        names = (*self.things, *self.shown.values(), *(name for some in self.others.values() for name in some))
        return {word for name in names for word in name.split()}

    def strangers(self) -> list[str]:
        """Things of the other rooms that share no word with what is here; none of a room kept from training."""
        here = self.words()
        things = (thing for room in rooms() if not room.trying for thing in room.things if thing != TOOL)
        return [thing for thing in things if not here & {*thing.split()}]

    def furnished(self, other: Room) -> Room | None:
        """This room's things at another room's places; None where names would be mistaken for one another."""
        theirs = {TOOL, BIN, USER, DRAWER, *other.surfaces}
        shown = {name: one for name, one in self.shown.items() if name in self.things and name != TOOL}
        others = {name: some for name, some in self.others.items() if name in shown}
        places = replace(
            other, things=(TOOL,), shown={name: other.shown[name] for name in theirs},
            others={name: other.others[name] for name in theirs},
        )  # fmt: skip
        mine = {word for name in (*shown, *(one for some in others.values() for one in some)) for word in name.split()}
        if mine & places.words():
            return None
        like, needs = (
            {text: some for text, some in one.items() if TOOL not in some} for one in (self.like, self.needs)
        )
        return replace(
            self, name=f"{self.name} in {other.name}", shown={**shown, **places.shown},
            others={**others, **places.others}, surfaces=other.surfaces, like=like, needs=needs,
        )  # fmt: skip


def mixed(rng: random.Random) -> Style:
    """A style that calls every skill what some style of those that are taught calls it."""
    taught = [style for style in styles() if not style.trying]
    return Style({verb: rng.choice(taught).texts[verb] for verb in _VERBS}, False)


@cache
def rooms() -> tuple[Room, ...]:
    """Every packaged room; the first is the kitchen."""
    return tuple(_room(name, data) for name, data in _file()["rooms"].items())


@cache
def styles() -> tuple[Style, ...]:
    """Every packaged style; the first is the kitchen's."""
    return tuple(Style({verb: one[verb] for verb in _VERBS}, one.get("only") == "trying") for one in _file()["styles"])


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads((files("saycan.prompts") / "rooms.toml").read_text(encoding="utf-8"))


def _room(name: str, data: dict[str, Any]) -> Room:
    roles = {TOOL: data["tool"], BIN: data["bin"], USER: data["user"], DRAWER: data["drawer"]}
    shown = {canonical: words[0] for canonical, words in roles.items()}
    others = {canonical: tuple(words[1:]) for canonical, words in roles.items()}
    for first, *more in data["surfaces"]:
        shown[first], others[first] = first, tuple(more)
    for thing, more in data["things"].items():
        shown[thing], others[thing] = thing, tuple(more)
    kinds = {kind: (plural, members) for kind, (plural, *members) in data["kinds"].items()}

    def resolved(members: list[str]) -> tuple[str, ...]:
        found: list[str] = []
        for member in members:
            if member.startswith("@"):
                found += resolved(kinds[member[1:]][1])
            else:
                found.append(TOOL if member == shown[TOOL] else member)
        return tuple(dict.fromkeys(found))

    return Room(
        name=name,
        shown=shown,
        others=others,
        things=(*data["things"], TOOL),
        surfaces=tuple(first for first, *_ in data["surfaces"]),
        kinds={kind: (plural, resolved(members)) for kind, (plural, members) in kinds.items()},
        like={text: resolved(members) for text, members in data["like"].items()},
        needs={text: resolved(members) for text, members in data["needs"].items()},
        trying=data.get("only") == "trying",
    )
