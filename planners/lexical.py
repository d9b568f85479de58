"""Texts placed by their letters: no weights, nothing to install, and no idea of what anything means.

    v(text) = counts of its words and of the letter triples in them, hashed to D numbers, each count c as 1 + ln c

A word that two texts share, or nearly share, brings them close. What is meant but not said ("I am thirsty") is lost.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_COMMON = frozenset((
    "a", "an", "and", "are", "at", "be", "by", "can", "do", "for", "from", "i", "in", "is", "it", "me", "my",
    "of", "on", "or", "please", "so", "some", "that", "the", "them", "then", "this", "to", "up", "we", "with",
    "would", "you", "your",
))  # fmt: skip
_WHOLE = 3.0
"""Weight of a whole word against one letter triple of it."""


class LexicalEmbedder:
    """Implements `saycan.language.TextEmbedder`.

    Args:
        dimensions: D.
    """

    name = "words"

    def __init__(self, dimensions: int = 1024) -> None:
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) float32 rows of length 1; zeros for a text without a word."""
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for part, count in Counter(_parts(text)).items():
                weight = _WHOLE if part[0] == "=" else 1.0
                row[zlib.crc32(part.encode()) % self.dimensions] += weight * (1.0 + np.log(count))
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)


def _parts(text: str) -> list[str]:
    """Words, marked, and the letter triples of each with its edges."""
    words = [word for word in re.findall(r"\w+", text.casefold()) if word not in _COMMON]
    triples = [f"<{word}>"[i : i + 3] for word in words for i in range(len(word))]
    return [*(f"={word}" for word in words), *triples]
