"""Words to skills, exactly or not at all.

A language model that speaks freely says "Pick up a Coke." where the library says "pick up the coke can". What differs
only in case, spaces, articles and the punctuation around it is the same phrase; so is what the prompt's wordings or a
list of synonyms make of it. Nothing else is: what lies merely near is shown, never done.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

from saycan.planners.prompt import Prompt
from saycan.skill import Skill

_ARTICLES = frozenset({"a", "an", "the"})
_AROUND = " \t\r\n.,;:!?\"'`*()[]\u2018\u2019\u201c\u201d\u2026"
_RENAMED = 1000  # ways to say one phrase: three things with nine other names each
_WAYS = 5  # to say each of the phrases of a hint, looked at on average
_COMPARED = 400  # ways to say a phrase that are compared letter by letter for a hint; ten thousand would take a second


class Phrasebook:
    """Which skill of a library a text names.

    Args:
        skills: The library.
        prompt: Its wordings are other words for the same skill, as when they are scored.
        synonyms: Part of a phrase, such as the name of an object, to other names for it
            (`saycan.vocabulary.Vocabulary.synonyms`).
    """

    def __init__(
        self, skills: Sequence[Skill], prompt: Prompt, synonyms: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._phrases = [skill.phrase for skill in skills]
        self._exact = {phrase: {index} for index, phrase in enumerate(self._phrases)}
        named: dict[str, set[int]] = {}
        worded: dict[str, set[int]] = {}
        renamed: dict[str, set[int]] = {}
        names = {_plain(name): tuple(map(_plain, others)) for name, others in (synonyms or {}).items()}
        for index, phrase in enumerate(self._phrases):
            named.setdefault(_plain(phrase), set()).add(index)
        texts, owners = prompt.options(skills)
        for text, owner in zip(map(_plain, texts), owners, strict=True):
            worded.setdefault(text, set()).add(int(owner))
            for other in _renamed(text, names):
                renamed.setdefault(other, set()).add(int(owner))
        self._tiers = (named, worded, renamed)  # in this order: what is a phrase's own name is nobody's synonym

    def find(self, text: str) -> int | None:
        """Index of the one skill that `text` names; None when it names none, or more than one."""
        plain = _plain(text)
        for key, tier in ((text.strip(_AROUND), self._exact), *((plain, tier) for tier in self._tiers)):
            found = tier.get(key) if plain else None
            if found is not None:
                return next(iter(found)) if len(found) == 1 else None
        return None

    def nearest(self, text: str, count: int = 3) -> list[str]:
        """Up to `count` phrases that look most like `text`, best first: a hint, never an answer."""
        ours = _plain(text)
        words = set(ours.split())
        ways = {way: index for tier in reversed(self._tiers) for way, found in tier.items() for index in found}
        likely = sorted(ways, key=lambda way: -len(words & set(way.split())))[:_COMPARED]
        close = difflib.get_close_matches(ours, likely, n=_WAYS * count, cutoff=0.5)
        return list(dict.fromkeys(self._phrases[ways[way]] for way in close))[:count]


def _plain(text: str) -> str:
    """Lower case, single spaces, no articles, nothing around."""
    return " ".join(word for word in text.strip(_AROUND).casefold().split() if word not in _ARTICLES)


def _renamed(text: str, synonyms: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """`text` with every choice of another name for each name in it, at least one of them changed."""
    pattern = "|".join(re.escape(name) for name in sorted(synonyms, key=len, reverse=True) if name in text)
    parts = re.split(rf"(?<!\w)({pattern})(?!\w)", text) if pattern else [text]  # every second part is a name
    choices = [(part, *synonyms[part]) if place % 2 else (part,) for place, part in enumerate(parts)]
    for choice in itertools.islice(itertools.product(*choices), 1, _RENAMED):
        yield "".join(choice)
