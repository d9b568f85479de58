"""How people put what they want into words; the words are in `prompts/lessons.toml`."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from saycan.planners.lessons.room import BIN, DRAWER, TOOL, USER, Room
from saycan.skill import Skill


@cache
def phrases() -> dict[str, Any]:
    """The packaged words."""
    return tomllib.loads((files("saycan.prompts") / "lessons.toml").read_text(encoding="utf-8"))


class Words:
    """Draws words.

    Args:
        rng: Where chance comes from.
        room: What things are called.
        unseen: With the phrasings that are never taught instead of those that are.
    """

    def __init__(self, rng: random.Random, room: Room, unseen: bool = False) -> None:
        self._rng, self._room, self.unseen = rng, room, unseen

    def clause(self, intent: str, holes: Mapping[str, str]) -> str:
        """A command without a full stop, such as "fetch the apple"."""
        return self._filled(self._of(phrases()["intents"][intent], "clauses", "unseen"), holes)

    def statement(self, intent: str, holes: Mapping[str, str]) -> str:
        """A sentence that leaves the command unsaid."""
        said = self._filled(self._of(phrases()["intents"][intent], "statements", "unseen_statements"), holes)
        return capital(self._of(phrases()["frames"], "said", "unseen_said").format(s=said))

    def sentence(self, clause: str) -> str:
        """A whole sentence around a command."""
        return capital(self._of(phrases()["frames"], "one", "unseen").format(c=clause))

    def together(self, clauses: Sequence[str]) -> str:
        """Several commands in one."""
        whole = clauses[0]
        for clause in clauses[1:]:
            whole = self._rng.choice(phrases()["frames"]["joined"]).format(a=whole, b=clause)
        return whole

    def apart(self, first: str, second: str) -> str:
        """Two sentences."""
        return str(self._rng.choice(phrases()["frames"]["apart"]).format(a=first, b=second))

    def context(self, thing: str, place: str, sentence: str) -> str:
        """Where a thing is, and a sentence about it."""
        return capital(self._rng.choice(phrases()["frames"]["context"]).format(x=thing, p=place, c=sentence))

    def about(self, things: str, sentence: str) -> str:
        """Things, and a sentence about them."""
        return capital(self._rng.choice(phrases()["frames"]["about"]).format(x=things, c=sentence))

    def aside(self, text: str) -> str:
        """With a sentence before or after it that asks for nothing."""
        more = self._rng.choice(phrases()["frames"]["aside"])
        ended = text if text[-1] in ".!?" else f"{text}."
        return f"{more} {text}" if self._rng.random() < 0.5 else f"{ended} {more}"

    def need(self, need: str) -> str:
        """A need, and now and then, in words that are taught, that something is to be done about it."""
        frames = phrases()["frames"]
        if self._rng.random() < 0.5 or self.unseen:
            return capital(self._of(frames, "said", "unseen_said").format(s=need))
        remedy = self._filled(self._rng.choice(frames["remedy"]), {})
        return capital(self._rng.choice(frames["need"]).format(s=need, c=remedy))

    def preferred(self, need: str, thing: str) -> str:
        """A need, and the thing that somebody would like best."""
        return capital(self._rng.choice(phrases()["frames"]["preferred"]).format(s=need, x=thing))

    def explicit(self, skills: Sequence[Skill]) -> str:
        """Steps told one by one; some of the searching is left out."""
        texts: list[str] = []
        spoken: str | None = None
        brief = self._rng.random() < 0.5
        for skill in skills:
            if skill.verb == "find" and brief:
                continue
            thing, place = skill.object, skill.place
            verb = "store" if skill.verb == "place" and place == DRAWER else skill.verb
            said = "" if thing is None else "it" if thing == spoken else self.thing(thing, place is not None)
            holes = {"x": said, "p": "" if place is None else self.place(place)}
            texts.append(self._filled(self._rng.choice(phrases()["explicit"][verb]), holes))
            spoken = thing or spoken
        return self._rng.choice((", ", ", then ", "; ", ", next ")).join(texts)

    def nothing(self) -> str:
        """What asks for nothing."""
        return str(self._of(phrases()["nothing"], "texts", "unseen"))

    def unknown(self, near: bool = False) -> str:
        """A thing that this room lacks, with an article: one that no room has, or another room's."""
        if self.unseen or self._rng.random() < 0.5:
            name = str(self._of(phrases()["unknown"], "things", "unseen"))
        else:
            name = self._rng.choice(self._room.strangers())
        return self._article(self._rng.choice(phrases()["things"]["near" if near else "one"]), name)

    def thing(self, thing: str, near: bool = False) -> str:
        """A thing by one of its names, with an article; `near` the name of something else."""
        return self._article(self._rng.choice(phrases()["things"]["near" if near else "one"]), self.name(thing))

    def any(self, kind: str, near: bool = False) -> str:
        """One of a kind; `near` the name of something else. What is called by several words is not "the"."""
        texts = phrases()["things"]["near" if near else "any"]
        return self._article(self._rng.choice([text for text in texts if " " not in kind or "the" not in text]), kind)

    def several(self, number: str, plural: str) -> tuple[str, bool]:
        """A number of a kind, and whether they have to be different ones."""
        text = self._rng.choice(phrases()["things"]["several"])
        return text.format(n=number, xs=plural), text != "{n} {xs}"

    def all(self, kind: str, plural: str) -> str:
        """All of a kind."""
        return str(self._rng.choice(phrases()["things"]["all"]).format(x=kind, xs=plural))

    def at(self, thing: str, place: str) -> str:
        """A thing and where it is."""
        return str(self._rng.choice(phrases()["things"]["at"]).format(x=thing, p=place))

    def place(self, place: str) -> str:
        """A place by one of its names, with its article."""
        return f"the {self.name(place)}"

    def name(self, canonical: str) -> str:
        """Mostly what skills call it, else another name."""
        others = self._room.others.get(canonical, ())
        if others and self._rng.random() < 0.4:
            return self._rng.choice(others)
        return self._room.shown.get(canonical, canonical)

    def listed(self, texts: Sequence[str]) -> str:
        """Things one after the other: "a, b and c"."""
        last = self._rng.choice((" and ", " plus ", " as well as "))
        return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])}{last}{texts[-1]}"

    def route(self, texts: Sequence[str]) -> str:
        """Places one after the other."""
        return self._rng.choice((" plus ", " as well as ", ", then ", " and also ")).join(texts)

    def mistyped(self, text: str) -> str:
        """With a letter too few, too many, or two in the wrong order, in one or two words."""
        words = text.split(" ")
        for _ in range(self._rng.choice((1, 1, 2))):
            number = self._rng.randrange(len(words))
            word = words[number]
            if len(word) > 3 and word.isalpha():
                at = self._rng.randrange(1, len(word) - 1)
                words[number] = self._rng.choice(
                    (
                        word[:at] + word[at + 1 :],
                        word[:at] + word[at] + word[at:],
                        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                    )
                )
        return " ".join(words)

    def _of(self, table: Mapping[str, Any], seen: str, unseen: str) -> Any:
        return self._rng.choice(table[unseen if self.unseen else seen])

    def _filled(self, text: str, holes: Mapping[str, str]) -> str:
        user = "me" if self._rng.random() < 0.75 else f"the {self.name(USER)}"
        liquid = self._rng.choice(phrases()["liquids"]["names"])
        places = {"b": self.place(BIN), "d": self.place(DRAWER), "t": f"the {self.name(TOOL)}", "u": user, "l": liquid}
        return text.format(**{**places, **holes})

    @staticmethod
    def _article(text: str, name: str) -> str:
        if name.endswith("s") and text.startswith(("a ", "one ")):
            text = "some {x}"
        return re.sub(r"\ba (?=[aeiou])", "an ", text.format(x=name))


def capital(text: str) -> str:
    """With a capital letter in front."""
    return text[:1].upper() + text[1:]
