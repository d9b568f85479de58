"""What somebody wants of a robot: words, the errands that fulfil them, and the goal that judges it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from saycan import goals
from saycan.planners.lessons.room import BIN, DRAWER, TOOL, USER
from saycan.planners.lessons.setting import Setting
from saycan.planners.lessons.words import Words, capital

_INTENTS = {
    "bring": 20, "discard": 14, "move": 22, "store": 6, "hold": 6, "seek": 4, "lower": 5, "drive": 6, "tour": 2,
    "clean": 16, "open": 2, "close": 2, "need": 18,
}  # fmt: skip
_CARRIED = {"bring": ("bring", USER), "discard": ("trash", BIN), "move": ("place", None), "store": ("place", DRAWER)}
_ABSENT = 0.06  # how often a thing is asked for that is nowhere
_AT_HAND = 0.15  # how often who holds what wipes is asked to wipe
_PREFERRED = 0.15  # how often who needs something says what it best were
_NUMBERS = ("no", "one", "two", "three")


@dataclass(frozen=True)
class Errand:
    """One thing to achieve.

    Attributes:
        verb: Of the skill that achieves it.
        thing: Canonical name, or None.
        place: Canonical name, or None.
        instead: Other things that would do.
    """

    verb: str
    thing: str | None = None
    place: str | None = None
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """See the module.

    Attributes:
        clause: A command without a full stop, or "".
        sentence: A whole sentence.
        errands: In the order in which they are spoken of.
        goal: Whether all of it has been done; counted from what is where in the beginning.
    """

    clause: str
    sentence: str
    errands: tuple[Errand, ...]
    goal: goals.Goal


@dataclass(frozen=True)
class _Item:
    """What is asked for in one mention.

    Attributes:
        text: As it is spoken of.
        chosen: What the errands are about.
        members: What would do.
        distinct: Whether it has to be different ones.
    """

    text: str
    chosen: tuple[str, ...]
    members: tuple[str, ...]
    distinct: bool = False


class Requests:
    """Draws requests in one setting.

    Args:
        rng: Where chance comes from.
        setting: The room.
        words: How people speak.
        kept: Verb to things of which it is not asked for; where `only` is set, nothing but those is.
        only: See there.
        absent: Whether things may be asked for that are nowhere.
    """

    def __init__(
        self,
        rng: random.Random,
        setting: Setting,
        words: Words,
        kept: Sequence[tuple[str, str]] = (),
        only: bool = False,
        absent: bool = True,
    ) -> None:
        self._rng, self._setting, self._words = rng, setting, words
        self._kept, self._only, self._absent = frozenset(kept), only, absent

    def draw(self, taken: Sequence[str] = ()) -> Request | None:
        """A request that says nothing of the things in `taken`; None where none was found."""
        for _ in range(40):
            intent = self._rng.choices(list(_INTENTS), list(_INTENTS.values()))[0]
            if self._rng.random() < _AT_HAND and any(
                one.held and one.name == TOOL for one in self._setting.state.objects
            ):
                intent = "clean"
            request = self._drawn(intent, frozenset(taken))
            if request is not None and request.errands:
                return request
        return None

    def _drawn(self, intent: str, taken: frozenset[str]) -> Request | None:
        setting, rng = self._setting, self._rng
        if intent in _CARRIED or intent == "need":
            return self._carried(intent, taken)
        if intent in ("hold", "seek", "lower"):
            return self._handled(intent, taken)
        if intent in ("open", "close"):
            drawers = {drawer.name: drawer.opening for drawer in setting.state.drawers}
            if DRAWER not in setting.places or (drawers[DRAWER] > 0) == (intent == "open"):
                return None
            call = goals.Call("open", (DRAWER,), (), DRAWER)
            goal = call if intent == "open" else goals.Not(call)
            return self._said(intent, {}, (Errand(intent, None, DRAWER),), goal)
        if intent == "clean":
            spills = [spill.place for spill in setting.state.spills]
            if not spills or TOOL in taken or not _there(setting, TOOL):
                return None
            place = rng.choice(spills)
            goal = goals.Call("clean", (place,), (), place)
            return self._said(intent, {"p": self._words.place(place)}, (Errand("wipe", None, place),), goal)
        if intent == "drive":
            place = rng.choice([place for place in setting.places if place != setting.state.robot_place])
            goal = goals.Call("robot_at", (place,), (), place)
            words = {"p": self._words.place(place)}
            return self._said(intent, words, (Errand("go to", None, place),), goal)
        places = [place for place in setting.places if place != setting.state.robot_place]
        places = rng.sample(places, min(len(places), rng.randint(2, 3)))
        visited = goals.And(tuple(goals.Call("visited", (place,), (), place) for place in places))
        words = {"ps": self._words.route([self._words.place(place) for place in places])}
        return self._said(intent, words, tuple(Errand("go to", None, place) for place in places), visited)

    def _carried(self, intent: str, taken: frozenset[str]) -> Request | None:
        """Something put somewhere."""
        setting, rng = self._setting, self._rng
        verb, place = _CARRIED["bring" if intent == "need" else intent]
        place = place or rng.choice(setting.surfaces)
        if place not in setting.places:
            return None
        if intent == "need":
            return self._needed(taken)
        items = self._items(verb, place, taken)
        if not items:
            return None
        words = {"x": self._words.listed([item.text for item in items]), "p": self._words.place(place)}
        errands = [Errand(verb, thing, place, self._instead(verb, item)) for item in items for thing in item.chosen]
        parts = [_put(setting, item.members, place, len(item.chosen), item.distinct) for item in items]
        request = self._said(intent, words, tuple(errands), _all(parts))
        return self._with_context(intent, items, words, request) if rng.random() < 0.1 else request

    def _with_context(self, intent: str, items: list[_Item], words: dict[str, str], request: Request) -> Request:
        """The same, said in two sentences: what it is about, mostly where that is, and what is to be done with it."""
        chosen = [thing for item in items for thing in item.chosen]
        clause = self._words.clause(intent, {**words, "x": "it" if len(chosen) == 1 else "them"})
        rests = {thing.place for name in chosen for thing in self._setting.state.named(name)}
        place = rests.pop() if len(rests) == 1 else None
        sentence = f"{capital(clause)}."
        if place in self._setting.surfaces:
            text = self._words.context(words["x"], self._words.place(str(place)), sentence)
        else:
            text = self._words.about(words["x"], sentence)
        return Request("", text, request.errands, request.goal)

    def _needed(self, taken: frozenset[str]) -> Request | None:
        """A need that things would meet."""
        setting = self._setting
        can = {need: self._present(members, taken) for need, members in setting.room.needs.items()}
        needs = [need for need, members in can.items() if self._allowed("bring", members)]
        if not needs:
            return None
        need = self._rng.choice(needs)
        chosen = self._rng.choice(self._allowed("bring", can[need]))
        if self._rng.random() < _PREFERRED and not self._words.unseen:  # all such sentences are taught
            text = self._words.preferred(need, self._words.thing(chosen))
            goal = _put(setting, (chosen,), USER, 1, False)
            return Request("", text, (Errand("bring", chosen, USER),), goal)
        members = tuple(thing for thing in setting.room.needs[need] if thing in setting.things)
        others = tuple(thing for thing in self._allowed("bring", members) if thing != chosen)
        errand = Errand("bring", chosen, USER, others)
        return Request("", self._words.need(need), (errand,), _put(setting, members, USER, 1, False))

    def _handled(self, intent: str, taken: frozenset[str]) -> Request | None:
        """Something lifted, found or put down."""
        setting, rng = self._setting, self._rng
        held = setting.state.held
        if intent == "lower":
            if held is None:
                return None
            thing = setting.state.by_id(held).name
            if thing in taken or setting.state.robot_place not in (*setting.surfaces, USER):
                return None
            goal: goals.Goal = goals.Not(goals.Call("holding", (thing,), (thing,), ""))
            return self._said(intent, {"x": self._words.thing(thing)}, (Errand("put down", thing),), goal)
        item = self._item("pick up" if intent == "hold" else "find", taken, several=False)
        if item is None or any(setting.state.held == thing.id for thing in setting.state.objects):
            return None
        others = self._instead("pick up" if intent == "hold" else "find", item)
        if intent == "hold":
            goal = goals.Call("holding", item.members[:1], item.members, "")
            return self._said(intent, {"x": item.text}, (Errand("pick up", item.chosen[0], None, others),), goal)
        where = {str(thing.place) for thing in setting.state.objects if thing.name in item.members and thing.place}
        if setting.state.robot_place in where or not where:
            return None
        goal = _any([goals.Call("robot_at", (place,), (), place) for place in sorted(where)])
        errands = (Errand("find", rng.choice(item.chosen), None, others),)
        return self._said(intent, {"x": item.text}, errands, goal)

    def _items(self, verb: str, place: str, taken: frozenset[str]) -> list[_Item]:
        """One to three mentions of things that are not at the place yet."""
        already = {thing.name for thing in self._setting.state.objects if thing.place == place}
        found: list[_Item] = []
        used = set(taken) | already
        count = self._rng.choices((1, 2, 3), (72, 20, 8))[0]
        near = count > 1 or verb == "place"
        for _ in range(count):
            item = self._item(verb, frozenset(used), several=not found, near=near)
            if item is None:
                break
            found.append(item)
            used |= {*item.members}
            if len(item.chosen) > 1:
                break
        return found

    def _item(self, verb: str, taken: frozenset[str], several: bool, near: bool = False) -> _Item | None:
        """A mention: by name, by kind, by a description, or a number of a kind."""
        setting, rng, words = self._setting, self._rng, self._words
        room, chance = setting.room, rng.random()
        if chance < 0.48:
            things = self._present(setting.things, taken)
            if self._absent and rng.random() < _ABSENT:
                things = [thing for thing in setting.things if thing not in taken and not _there(setting, thing)]
            things = self._allowed(verb, things)
            if not things:
                return None
            held = setting.state.held and setting.state.by_id(setting.state.held).name
            thing = held if held in things and rng.random() < 0.6 else rng.choice(things)
            text = words.thing(thing, near)
            rests = [one.place for one in setting.state.named(thing)]
            if len(rests) == 1 and rests[0] in setting.surfaces and rng.random() < 0.1:
                text = words.at(text, words.place(str(rests[0])))
            return _Item(text, (thing,), (thing,))
        kinds = {kind: members for kind, (_, members) in room.kinds.items()}
        pool = room.like if chance < 0.7 else kinds
        can = {text: self._allowed(verb, self._present(members, taken)) for text, members in pool.items()}
        can = {text: members for text, members in can.items() if members and not taken & {*pool[text]}}
        if not can:
            return None
        text = rng.choice(list(can))
        members = tuple(thing for thing in pool[text] if thing in setting.things)
        if pool is room.like:
            return _Item(text, (rng.choice(can[text]),), members)
        if several and len(can[text]) > 1 and verb not in ("pick up", "find") and chance > 0.85:
            return self._several(text, can[text], members)
        return _Item(words.any(text, near), (rng.choice(can[text]),), members)

    def _several(self, kind: str, can: list[str], members: tuple[str, ...]) -> _Item:
        """Two or three of a kind, or all of them."""
        rng, words = self._rng, self._words
        plural = self._setting.room.kinds[kind][0]
        if rng.random() < 0.35 and len(can) <= 3:
            order = tuple(thing for thing in members if thing in can)
            return _Item(words.all(kind, plural), order, order, True)
        count = min(rng.choice((2, 2, 2, 3)), len(can))
        text, distinct = words.several(_NUMBERS[count], plural)
        return _Item(text, tuple(rng.sample(can, count)), members, distinct)

    def _instead(self, verb: str, item: _Item) -> tuple[str, ...]:
        """What else would do, of what may be asked for."""
        return tuple(other for other in self._allowed(verb, item.members) if other not in item.chosen)

    def _present(self, things: Sequence[str], taken: frozenset[str]) -> list[str]:
        return [
            thing
            for thing in things
            if thing in self._setting.things and thing not in taken and _there(self._setting, thing)
        ]

    def _allowed(self, verb: str, things: Sequence[str]) -> list[str]:
        return [thing for thing in things if ((verb, thing) in self._kept) == self._only]

    def _said(self, intent: str, holes: dict[str, str], errands: tuple[Errand, ...], goal: goals.Goal) -> Request:
        """In a clause or in a sentence."""
        if self._rng.random() < 0.28:
            return Request("", self._words.statement(intent, holes), errands, goal)
        clause = self._words.clause(intent, holes)
        return Request(clause, self._words.sentence(clause), errands, goal)


def _there(setting: Setting, thing: str) -> bool:
    return bool(setting.state.named(thing))


def _put(setting: Setting, members: tuple[str, ...], place: str, number: int, distinct: bool) -> goals.Goal:
    """So many of these more than now are at the place; with `distinct`, of so many kinds."""
    call = goals.Call("distinct" if distinct else "count", (members[0], place), members, place)
    return goals.Comparison((call, call.number(setting.state) + number), (">=",))


def _all(parts: list[goals.Goal]) -> goals.Goal:
    return parts[0] if len(parts) == 1 else goals.And(tuple(parts))


def _any(parts: Sequence[goals.Goal]) -> goals.Goal:
    return parts[0] if len(parts) == 1 else goals.Or(tuple(parts))


def as_goal(requests: Sequence[Request]) -> goals.Goal:
    """That all of them have been done."""
    return _all([request.goal for request in requests]) if requests else goals.Constant(True)
