"""A scene: what is where when a run begins, and how it is made from words.

    scene = part ("," | ";" | "." | "and") part ...
    part  = ("at" | "with" | "in front of") PLACE                    where the robot starts
          | ["holding" | "with"] OBJECT "in hand"                    what it holds
          | [COUNT] OBJECT ["on" | "in" | "at" | "with"] [PLACE]     things; without a place, the next part's
          | "spill on" PLACE
          | "drawer" ("open" | "closed" | "half open" | "40% open")
          | "nothing"

Names are those of `saycan.vocabulary.KITCHEN`, with aliases; a category ("two sodas") stands for its first members.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from saycan.errors import SceneError, UnknownNameError
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.layout import PLACES, Layout
from saycan.robots.kitchen.objects import OBJECTS, ObjectModel
from saycan.vocabulary import KITCHEN, normalise

HAND = "hand"
"""The place of a thing that the gripper holds."""

MOST_THINGS = {"surface": 8, "tray": 5, "drawer": 3, "bin": 4}
"""How many things fit, by kind of place."""

LONGEST_TEXT = 2000


@dataclass(frozen=True)
class Thing:
    """One movable thing at the start.

    Attributes:
        id: Unique in the scene: "coke can", a second one "coke can 2".
        name: Canonical name.
        place: Canonical place name, or `HAND`.
        pose: (x, y, z, yaw) of its middle in the map frame in m and rad, or None: drawn at random on its place. A spill
            may run under what has one.
        tilt: Rotation about its own y axis before that yaw, rad: a quarter turn lays it down. Only with a pose.
    """

    id: str
    name: str
    place: str
    pose: tuple[float, float, float, float] | None = None
    tilt: float = 0.0


@dataclass(frozen=True)
class Scene:
    """What is where when a run begins. Raises SceneError when no kitchen can look like that.

    Attributes:
        things: The movable things.
        spills: Surfaces with a spill on them, each once.
        start: Place at whose dock the robot starts.
        base_offset: Where it really stands, from the dock: (forward m, left m, yaw rad).
        drawer: How far the drawer is open, 0 to 1.
        appearance: Light, camera and colours.
        seed: Draws the positions; None leaves that to whoever builds the scene.
        wiped: Share of each spill that has been wiped away before; one cell is left at least.
        grip: How much lower than usual in the fingers the thing in hand is held, m.
        layout: Where the furniture stands.
        models: Things that differ in size or colour from what `OBJECTS` says of their name, each name once.
    """

    things: tuple[Thing, ...] = ()
    spills: tuple[str, ...] = ()
    start: str = "operator"
    base_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drawer: float = 0.0
    appearance: Appearance = field(default_factory=Appearance)
    seed: int | None = None
    wiped: float = 0.0
    grip: float = 0.0
    layout: Layout = PLACES
    models: tuple[ObjectModel, ...] = ()

    def __post_init__(self) -> None:
        names = {noun.name for noun in KITCHEN.objects}
        if missing := [name for name in PLACES if name not in self.layout]:
            raise SceneError(f"the layout has no {', '.join(missing)}; it needs: {', '.join(PLACES)}")
        for name, count in Counter(model.name for model in self.models).items():
            if name not in OBJECTS or count > 1:
                raise SceneError(f"{count} models of {name!r}; one each is possible of: {', '.join(OBJECTS)}")
        if self.start not in PLACES:
            raise SceneError(f"the robot cannot start at {self.start!r}; valid: {', '.join(PLACES)}")
        if not 0.0 <= self.drawer <= 1.0:
            raise SceneError(f"the drawer is open by a fraction from 0 to 1, found {self.drawer}")
        if not 0.0 <= self.wiped <= 1.0:
            raise SceneError(f"a share from 0 to 1 of a spill has been wiped away, found {self.wiped}")
        for thing in self.things:
            if thing.name not in names:
                raise SceneError(str(UnknownNameError("object", thing.name, sorted(names))))
            if thing.place not in PLACES and thing.place != HAND:
                raise SceneError(f"{thing.id!r} cannot be at {thing.place!r}; valid: {', '.join(PLACES)}, {HAND}")
        for id, count in Counter(thing.id for thing in self.things).items():
            if count > 1:
                raise SceneError(f"{count} things have the id {id!r}; give each its own, such as {id + ' 2'!r}")
        for place, count in Counter(thing.place for thing in self.things).items():
            most = 1 if place == HAND else MOST_THINGS[PLACES[place].kind]
            if count > most:
                where = "in the hand" if place == HAND else f"at the {place}"
                raise SceneError(f"{count} things {where} are too many: at most {most} fit. Put some elsewhere")
        for place, count in Counter(self.spills).items():
            if place not in KITCHEN.surfaces:
                raise SceneError(f"a spill cannot be on {place!r}; valid: {', '.join(KITCHEN.surfaces)}")
            if count > 1:
                raise SceneError(f"one spill fits on the {place}, found {count}")

    @property
    def in_hand(self) -> Thing | None:
        """What the gripper holds."""
        return next((thing for thing in self.things if thing.place == HAND), None)

    def model(self, name: str) -> ObjectModel:
        """Size and looks of the things of this name in this scene."""
        return next((model for model in self.models if model.name == name), OBJECTS[name])

    @property
    def base(self) -> NDArray[np.float64]:
        """(3,) base pose at the start, map frame."""
        place = self.layout[self.start]
        forward, left, turn = self.base_offset
        x, y = forward * place.forward + left * place.left
        return np.asarray(place.dock + np.array([x, y, turn]))

    def describe(self) -> str:
        """In words that `parse_scene` reads back.

        Poses, offsets, what has been wiped away, appearance, layout and models have none.
        """
        parts = ["with operator" if self.start == "operator" else f"at {self.start}"]
        seen: Counter[str] = Counter()
        for thing in self.things:
            another = "another " if seen[thing.name] else ""
            seen[thing.name] += 1
            preposition = {"trash can": "in", "drawer": "in", HAND: "in", "operator": "with"}.get(thing.place, "on")
            parts.append(f"{another}{thing.name} {preposition} {thing.place}")
        parts += [f"spill on {place}" for place in self.spills]
        if self.drawer:
            parts.append("drawer open" if self.drawer == 1.0 else f"drawer {100 * self.drawer:.0f}% open")
        return ", ".join(parts)


def name_things(pairs: Iterable[tuple[str, str]]) -> tuple[Thing, ...]:
    """Things with ids from (canonical name, place or `HAND`): the second coke can is "coke can 2"."""
    counts: Counter[str] = Counter()
    things = []
    for name, place in pairs:
        counts[name] += 1
        things.append(Thing(name if counts[name] == 1 else f"{name} {counts[name]}", name, place))
    return tuple(things)


def parse_scene(text: str) -> Scene:
    """The scene that these words describe. Raises SceneError."""
    if not text.strip():
        raise SceneError("a scene needs words, found none; try 'pepsi can on table, spill on close counter'")
    if len(text) > LONGEST_TEXT:
        raise SceneError(f"a scene takes at most {LONGEST_TEXT} characters, found {len(text)}")
    control = next((letter for letter in text if not (letter.isprintable() or letter.isspace())), None)
    if control is not None:
        raise SceneError(f"a scene cannot hold control characters, found {control!r}; write it in plain words")
    try:
        return _Reader(text).scene()
    except UnknownNameError as error:
        raise SceneError(f"cannot read the scene {_shorten(text)!r}: {error}") from None


_COUNTS = {
    "another": 1, "two": 2, "a couple of": 2, "couple of": 2, "a pair of": 2, "pair of": 2, "three": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "one": 1, "a": 1, "an": 1, "the": 1, "some": 1,
}  # fmt: skip
_WRAPPINGS = re.compile(r"^(?:cans?|bottles?|bags?|packs?) of ")
_IN_HAND = re.compile(r"^(?:robot )?(?:with |holding |holds )?(.+?) in (?:its |the |your )?(?:hand|gripper)$")
_HOLDING = re.compile(r"^(?:robot )?(?:holding|holds) (.+)$")
_START = re.compile(r"^(?:robot )?(?:starts? )?(?:at|with|in front of|near|by|next to) (.+)$")
_SPILL = re.compile(r"^(?:a |the )?(?:spill|puddle)(?: (?:on top of|on|at|in|with) (.+))?$")
_DRAWER = re.compile(r"^(?:the )?(?:top )?drawer (?:is )?(?:(half|\d{1,3} ?%)[ -])?(open|opened|closed|shut)$")
_PREPOSITION = re.compile(r" (?:on top of|on|at|in|inside|with|near|by|next to) ")
_NOTHING = re.compile(r"^(?:nothing|empty|nav only|navigation only|no objects)$")
_EMPTY = re.compile(r"^(?:(?:with|the|its|robot's) )*(.+?) (?:is )?empty$")
_HANDS = {"hand", "gripper", "kitchen", "robot"}


class _Reader:
    """Reads one text, part by part; things without a place wait for the next part that names one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pairs: list[tuple[str, str | None]] = []
        self._spills: list[str | None] = []
        self._start: str | None = None
        self._drawer = 0.0
        self._last_place: str | None = None

    def scene(self) -> Scene:
        clean = " ".join(re.sub("[\"'\u2018\u2019\u201c\u201d]", " ", self._text).casefold().split())
        for part in re.split(r"[,;.:\n]| and (?=.)|^and ", clean):
            words = part.strip().removeprefix("and ").strip()
            if words:
                self._read(words)
        if any(place is None for place in [*self._spills, *(place for _, place in self._pairs)]):
            if self._last_place is None:
                names = ", ".join(name for name, place in self._pairs if place is None) or "a spill"
                raise self._error(f"no place is named for {names}; add 'on table', say")
            self._settle(self._last_place)
        pairs = [(name, place) for name, place in self._pairs if place is not None]
        spills = dict.fromkeys(place for place in self._spills if place is not None)
        return Scene(
            things=name_things(pairs),
            spills=tuple(spills),
            start=self._start or "operator",
            drawer=self._drawer,
        )

    def _read(self, words: str) -> None:
        if match := _DRAWER.match(words):
            self._read_drawer(*match.groups())
        elif match := _SPILL.match(words):
            self._spills.append(None)
            if match[1]:
                self._settle(KITCHEN.place(match[1]))
        elif _NOTHING.match(words):
            return
        elif match := _EMPTY.match(words):
            if match[1] not in _HANDS:
                KITCHEN.place(match[1])  # of anything else it would be no scene
        elif match := _IN_HAND.match(words) or _HOLDING.match(words):
            self._read_hand(match[1])
        elif (match := _START.match(words)) and not self._names_thing(words):
            self._read_start(match[1])
        else:
            self._read_things(words)

    def _read_drawer(self, amount: str | None, state: str) -> None:
        share = 1.0 if amount is None else 0.5 if amount == "half" else float(amount.rstrip(" %")) / 100.0
        self._drawer = 1.0 - share if state in {"closed", "shut"} else share

    def _read_hand(self, words: str) -> None:
        place, _, thing = words.rpartition(" with ")  # "at table with coke can in hand"
        if place:
            self._read(place)
        held = [(name, HAND) for name in self._kinds(thing.removeprefix("with "))]
        if len(held) > 1 or held[0] not in self._pairs:  # it may be said both of the robot and of the kitchen
            self._pairs += held

    def _read_start(self, words: str) -> None:
        place = KITCHEN.place(words)
        if self._start not in (None, place):
            raise self._error(f"the robot can start at one place only, found {self._start!r} and {place!r}")
        self._start = place

    def _read_things(self, words: str) -> None:
        try:
            self._pairs += [(name, None) for name in self._kinds(words)]
            return
        except UnknownNameError as error:
            unknown = error
        for match in _PREPOSITION.finditer(words):
            thing, place = words[: match.start()], words[match.end() :]
            try:
                names = self._kinds(thing)
            except UnknownNameError as error:
                unknown = error
                continue
            self._pairs += [(name, None) for name in names]
            self._settle(KITCHEN.place(place))
            return
        raise unknown

    def _settle(self, place: str) -> None:
        self._pairs = [(name, place if where is None else where) for name, where in self._pairs]
        self._spills = [place if where is None else where for where in self._spills]
        self._last_place = place

    def _names_thing(self, words: str) -> bool:
        try:
            return bool(self._kinds(words))
        except UnknownNameError:
            return False

    def _kinds(self, words: str) -> list[str]:
        """Canonical names for "two cokes", "a can of pepsi", "another soda". Raises UnknownNameError."""
        for count, rest in _counted(words):
            for phrase in (rest, _WRAPPINGS.sub("", rest)):
                try:
                    members = KITCHEN.members(phrase)
                except UnknownNameError:
                    continue
                return self._choose(members, count)
        raise UnknownNameError("part of a scene", normalise(words) or words, self._valid())

    def _choose(self, members: tuple[str, ...], count: int) -> list[str]:
        used = Counter(name for name, _ in self._pairs)
        fresh = sorted(members, key=lambda name: used[name]) if len(members) > 1 else [*members]
        return [fresh[index % len(fresh)] for index in range(count)]

    @staticmethod
    def _valid() -> list[str]:
        return [*(noun.name for noun in KITCHEN.objects), "spill", "drawer open"]

    def _error(self, message: str) -> SceneError:
        return SceneError(f"cannot read the scene {_shorten(self._text)!r}: {message}")


def _counted(words: str) -> Iterable[tuple[int, str]]:
    """Ways to read a count off the front, the plain reading first: "7 up" is a drink, "7 apples" are seven."""
    yield 1, words
    if match := re.match(r"^(\d{1,2}) (.+)$", words):
        yield int(match[1]), match[2]
    for word in sorted(_COUNTS, key=len, reverse=True):
        if words.startswith(word + " "):
            yield _COUNTS[word], words[len(word) + 1 :]


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
