"""Narrows a large library by meaning, for language models that can only score.

    similarity(option) = max over the query's lines of  cos(embedding of the line, embedding of the phrase)

The query is the task alone, the instruction and the steps so far, without the examples above it, which are about other
things; `benchmarks/shortlist.py` measures what the alternatives lose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError, SayCanError
from saycan.language import TextEmbedder
from saycan.planners.prompt import Prompt

QUERIES = ("task", "instruction", "lines", "newest", "prompt")
"""The instruction with all steps so far as one text; alone; each line a text; it and the last; the whole prompt."""

_KEPT = 100_000
"""Phrases whose embeddings are kept: at 384 numbers each, 150 MB."""


class EmbeddingShortlister:
    """Implements `saycan.language.Shortlister` with anything that embeds texts.

    Every phrase is embedded once; a decision then embeds its query.

    Args:
        embedder: Places texts; `saycan.language.TextEmbedder`.
        prompt: What the planner's prompts are rendered with; the packaged kitchen prompt when None.
        query: What to look for: one of `QUERIES`.

    Raises:
        BadInputError: No such query.
    """

    def __init__(self, embedder: TextEmbedder, prompt: Prompt | None = None, *, query: str = "task") -> None:
        if query not in QUERIES:
            raise BadInputError(f"unknown query {query!r}; valid: {', '.join(QUERIES)}")
        self.embedder, self.prompt, self.query = embedder, prompt or Prompt.load("kitchen"), query
        self.name = f"embedding by {getattr(embedder, 'name', type(embedder).__name__)}"
        self._known: dict[str, NDArray[np.float32]] = {}

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices of the `count` options nearest to the query, nearest first. Raises LanguageModelError."""
        phrases = [_bare(option) for option in options]
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._known]
        if len(self._known) + len(new) > _KEPT:
            self._known, new = {}, list(dict.fromkeys(phrases))
        if new:
            self._known.update(zip(new, self._embed(new), strict=True))
        known = np.stack([self._known[phrase] for phrase in phrases])  # (N, D)
        wanted = self._embed(_query(self.query, self.prompt, prompt))  # (Q, D)
        similarity = (known @ wanted.T).max(axis=1)  # (N,)
        nearest: NDArray[np.int64] = np.argsort(-similarity, kind="stable")[:count]
        return nearest

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        """(N, D) float32 rows of length 1, whatever length they came in."""
        try:
            rows = np.asarray(self.embedder.embed(texts), dtype=np.float32)
        except SayCanError:
            raise
        except Exception as error:
            raise LanguageModelError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise LanguageModelError(
                f"{self.name} returned shape {rows.shape} for {len(texts)} texts; it must be a row of numbers each"
            )
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)


def _query(kind: str, prompt: Prompt, text: str) -> list[str]:
    """What to look for, in a rendered prompt: see QUERIES."""
    if kind == "prompt":
        return [text]
    before, _, after = prompt.task.partition("{instruction}")
    # `Prompt.render` parts tasks by an empty line, and whatever is said within one is a single line.
    task = text[text.rstrip().rfind("\n\n") + 2 :]
    instruction, _, steps = task.removeprefix(before).partition(after or "\n")
    done = [line.strip() for line in steps.splitlines() if any(letter.isalpha() for letter in line)]
    match kind:
        case "task":
            return [" ".join([instruction, *done])]
        case "instruction":
            return [instruction]
        case "newest":
            return [instruction, *done[-1:]]
        case _:
            return [instruction, *done]


def _bare(option: str) -> str:
    return option.strip().rstrip(".")
