"""Phrases as vectors: frozen sentence embeddings, kept for the phrases of a library.

    z = (embed(phrase) - mean) / std                          mean and std over the kept phrases

The mean of a language model's hidden states has a large part that all texts share; taken out, other wordings of a skill
lie next to it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saycan.errors import MissingPartError
from saycan.language import TextEmbedder
from saycan.skill import Skill

Matrix = NDArray[np.float32]


class Sentences:
    """Standardised embeddings of phrases.

    Args:
        phrases: Those that are kept.
        vectors: (N, E) their embeddings as the embedder gives them.
        embedder: Makes what embeds phrases that are not kept; called once, when the first of them comes. None: they
            cannot be had.
        name: Of the embedding; vectors of another one mean something else.
    """

    def __init__(
        self,
        phrases: Sequence[str],
        vectors: Matrix,
        embedder: Callable[[], TextEmbedder] | None = None,
        name: str = "gemma",
    ) -> None:
        self.phrases, self.name = tuple(phrases), name
        self.vectors = np.asarray(vectors, np.float32)
        self._mean = self.vectors.mean(axis=0)
        self._scale = self.vectors.std(axis=0) + 1e-6
        self._rows: dict[str, NDArray[np.float32]] = {
            phrase: (vector - self._mean) / self._scale for phrase, vector in zip(phrases, self.vectors, strict=True)
        }
        self.embedder = embedder

    @property
    def size(self) -> int:
        """E."""
        return int(self.vectors.shape[1])

    def embed(self, phrases: Sequence[str]) -> Matrix:
        """(N, E) float32. Raises MissingPartError for a phrase that is not kept when there is no embedder."""
        unknown = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._rows]
        if unknown:
            if self.embedder is None:
                raise MissingPartError(
                    f"no embedding of {unknown[0]!r}: only {len(self.phrases)} phrases are kept, and there is "
                    "no language model to embed another; install one: python -m pip install 'saycan-robotics[gemma]'"
                )
            vectors = self.embedder().embed(unknown)
            for phrase, vector in zip(unknown, vectors, strict=True):
                self._rows[phrase] = (vector - self._mean) / self._scale
        return np.stack([self._rows[phrase] for phrase in phrases])


def paraphrases(skill: Skill) -> tuple[str, ...]:
    """Other wordings of a skill, for training; none that name an object or a place where the skill does not."""
    templates = PARAPHRASES.get(skill.verb, ())
    if skill.place == "drawer" and skill.verb == "place":
        templates = tuple(text.replace(" on the ", " in the ") for text in templates)
    named = {name: value for name, value in (("object", skill.object), ("place", skill.place)) if value}
    absent = ["{" + name + "}" for name in ("object", "place") if name not in named]
    return tuple(text.format(**named) for text in templates if not any(name in text for name in absent))


def wordings(skills: Iterable[Skill]) -> dict[str, tuple[str, ...]]:
    """Phrase to all its wordings, itself first."""
    return {skill.phrase: (skill.phrase, *paraphrases(skill)) for skill in skills}


def _load() -> Mapping[str, tuple[str, ...]]:
    table = tomllib.loads(Path(__file__).with_name("paraphrases.toml").read_text(encoding="utf-8"))
    return {verb: tuple(texts) for verb, texts in table.items()}


PARAPHRASES = _load()
"""Verb to templates of other wordings."""
