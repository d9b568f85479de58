"""What things are called: canonical names, categories and aliases.

Scenes, goals and skill libraries all speak of objects and places by these names, so they agree on them here. The
aliases cover the names that the SayCan evaluation set (Ahn et al. 2022, "SayCan dataset v0", CC BY 4.0) uses for the
things of its kitchen, so that its start states can be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saycan.errors import UnknownNameError


@dataclass(frozen=True)
class Noun:
    """One kind of object or one place.

    Attributes:
        name: Canonical name: "coke can".
        categories: What it also is: ("soda", "drink", "can").
        aliases: Other names for it.
    """

    name: str
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """The nouns of one world.

    Attributes:
        objects: Kinds of movable things.
        places: Where things and the robot can be.
        surfaces: Names of the places that are flat tops: they take things and can be wiped.
        containers: Names of the places that things are put into.
    """

    objects: tuple[Noun, ...]
    places: tuple[Noun, ...]
    surfaces: tuple[str, ...]
    containers: tuple[str, ...] = ()

    def object(self, text: str) -> str:
        """Canonical name of the object that `text` names. Raises UnknownNameError."""
        return _look_up("object", text, self.objects)

    def place(self, text: str) -> str:
        """Canonical name of the place that `text` names. Raises UnknownNameError."""
        return _look_up("place", text, self.places)

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Category to the canonical names of its objects."""
        found: dict[str, list[str]] = {}
        for noun in self.objects:
            for category in noun.categories:
                found.setdefault(category, []).append(noun.name)
        return {category: tuple(names) for category, names in found.items()}

    @property
    def synonyms(self) -> Mapping[str, tuple[str, ...]]:
        """Canonical name of an object or a place to its other names, where it has any."""
        return {noun.name: noun.aliases for noun in (*self.objects, *self.places) if noun.aliases}

    def members(self, text: str) -> tuple[str, ...]:
        """Canonical names that `text` covers: a category's objects, or the one object. Raises UnknownNameError."""
        word = normalise(text)
        categories = self.categories
        for candidate in (word, word.removesuffix("s"), word.removesuffix("s") + "s"):
            if candidate in categories:
                return categories[candidate]
        try:
            return (self.object(text),)
        except UnknownNameError as error:
            raise UnknownNameError("object or category", text, [*error.valid, *categories]) from None


def normalise(text: str) -> str:
    """Lower case, single spaces, no article in front, no punctuation around."""
    words = re.sub(r"[^\w\s-]", " ", text.casefold()).replace("-", " ").split()
    while words and words[0] in {"a", "an", "the", "some", "one"}:
        words = words[1:]
    return " ".join(words)


def _look_up(kind: str, text: str, nouns: Sequence[Noun]) -> str:
    word = normalise(text)
    for candidate in (word, word.removesuffix("s")):
        for noun in nouns:
            if candidate in (noun.name, *noun.aliases):
                return noun.name
    raise UnknownNameError(kind, text, [noun.name for noun in nouns])


_SODA = ("soda", "drink", "can")
_CHIPS = ("chips", "snack")

KITCHEN = Vocabulary(
    objects=(
        Noun("coke can", _SODA, ("coke", "coca cola", "cola")),
        Noun("pepsi can", _SODA, ("pepsi",)),
        Noun("7up can", _SODA, ("7up", "7 up", "seven up")),
        Noun("redbull can", ("drink", "can", "energy drink"), ("redbull", "red bull", "red bull can")),
        Noun("lime soda", _SODA, ("green can", "lime soda can", "lime")),
        Noun("grapefruit soda", _SODA, ("grapefruit lacroix", "lacroix", "grapefruit soda can", "grapefruit")),
        Noun("water bottle", ("drink", "bottle"), ("water", "bottle of water", "bottled water")),
        Noun("tea", ("drink", "bottle"), ("iced tea", "tea bottle", "bottle of tea")),
        Noun("jalapeno chips", _CHIPS, ("jalapeno chip", "jalapeno chip bag", "green chips", "green chip bag")),
        Noun("rice chips", _CHIPS, ("rice chip", "rice chpis", "rice chip bag")),
        Noun("multigrain chips", _CHIPS, ("multigrain chip", "multgrain chips", "multigrain", "multigrain chip bag")),
        Noun("kettle chips", _CHIPS, ("kettle chip", "blue chip bag", "blue chips", "kettle chip bag")),
        Noun("apple", ("fruit", "snack"), ()),
        Noun("orange", ("fruit", "snack"), ()),
        Noun(
            "energy bar",
            ("snack",),
            ("rxbar chocolate", "rxbar", "rx bar", "rx chocolate bar", "rxbar bar", "chocolate bar", "snack bar"),
        ),
        Noun("sponge", ("cleaning tool",), ()),
    ),
    places=(
        Noun("close counter", (), ("near counter", "closer counter", "counter", "close counters", "near")),
        Noun("far counter", (), ("far counters", "far")),
        Noun("table", (), ()),
        Noun("trash can", (), ("trash", "trashcan", "bin", "garbage", "garbage can")),
        Noun("operator", (), ("user", "human", "person", "me", "you")),
        Noun("drawer", (), ("top drawer",)),
    ),
    surfaces=("close counter", "far counter", "table"),
    containers=("trash can", "operator", "drawer"),
)
"""The default world: the mock kitchen of Ahn et al. 2022."""
