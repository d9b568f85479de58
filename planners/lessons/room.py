"""The rooms that lessons take place in, and what skills are called there; read from `prompts/rooms.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
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
