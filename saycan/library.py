"""The skills that a robot has, as templates times objects times places."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from saycan.errors import BadInputError, UnknownNameError
from saycan.skill import DONE, Skill


@dataclass(frozen=True)
class Template:
    """A phrase with holes: "place the {object} on the {place}".

    Attributes:
        verb: The kind of skill that it makes.
        text: The phrase; {object} and {place} are the only holes.
        objects: Names for {object}; ignored when the text has no such hole.
        places: Names for {place}; with no such hole in the text, at most one: the place that the skill is about.
        seconds: Time limit of its skills, s.
    """

    verb: str
    text: str
    objects: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    seconds: float = 30.0

    def skills(self) -> Iterator[Skill]:
        """Every phrase it stands for, objects outermost. Raises BadInputError when a hole has no names."""
        try:
            holes = {name for _, name, _, _ in string.Formatter().parse(self.text) if name is not None}
        except ValueError as error:
            raise BadInputError(f"template {self.text!r}: {error}; holes are {{object}} and {{place}}") from error
        if strange := ", ".join(f"{{{name}}}" for name in sorted(holes - {"object", "place"})):
            raise BadInputError(f"template {self.text!r}: unknown hole {strange}; valid: {{object}}, {{place}}")
        for hole, names in (("object", self.objects), ("place", self.places)):
            if hole in holes and not names:
                raise BadInputError(f"template {self.text!r} needs at least one {hole}; pass {hole}s=(...)")
        if "place" not in holes and len(self.places) > 1:
            raise BadInputError(f"template {self.text!r} has no hole for its {len(self.places)} places; add {{place}}")
        for thing in self.objects if "object" in holes else (None,):
            for place in self.places or (None,):
                phrase = self.text.format(object=thing, place=place)
                yield Skill(phrase, self.verb, thing, place, self.seconds)


class SkillLibrary(Sequence[Skill]):
    """An ordered set of skills with unique phrases; "done" is always the last one.

    Args:
        skills: Skills, templates or bare phrases (whose verb is then the phrase itself).

    Raises:
        BadInputError: Two skills share a phrase, or there is none besides done.
    """

    def __init__(self, skills: Iterable[Skill | Template | str]) -> None:
        found: dict[str, Skill] = {}
        for entry in skills:
            for skill in entry.skills() if isinstance(entry, Template) else (_as_skill(entry),):
                if skill.phrase in found and skill != found[skill.phrase]:
                    raise BadInputError(f"two skills share the phrase {skill.phrase!r}; phrases must be unique")
                found[skill.phrase] = skill
        done = found.pop(DONE.phrase, DONE)
        if not found:
            raise BadInputError("a skill library needs at least one skill besides 'done'; found none")
        self._skills = {**found, DONE.phrase: done}
        self._order = tuple(self._skills.values())

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Skill: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Skill, ...]: ...
    def __getitem__(self, index: int | slice) -> Skill | tuple[Skill, ...]:
        return self._order[index]

    def __contains__(self, item: object) -> bool:
        return item in self._skills or item in self._order

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase, in order."""
        return tuple(self._skills)

    def find(self, phrase: str) -> Skill:
        """The skill with this phrase. Raises UnknownNameError with the nearest one."""
        try:
            return self._skills[phrase.strip()]
        except KeyError:
            raise UnknownNameError("skill", phrase, self.phrases) from None


def _as_skill(entry: Skill | str) -> Skill:
    if isinstance(entry, Skill):
        return entry
    phrase = entry.strip()
    if not phrase:
        raise BadInputError("a skill phrase is empty; give it words, such as 'wave hello'")
    return DONE if phrase == DONE.phrase else Skill(phrase, phrase)
