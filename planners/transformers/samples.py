"""Lessons as tokens, those for one robot side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saycan.planners.lessons.lesson import Lesson
from saycan.planners.prompt import Prompt
from saycan.planners.transformers.prefix_tree import common_prefix
from saycan.planners.transformers.tokens import Tokens
from saycan.step import Step


@dataclass(frozen=True)
class Sample:
    """Lessons for one robot as tokens: what they share, then one after the other.

    Attributes:
        tokens: (L,) int64.
        positions: (L,) int64: every lesson goes on where what is shared ends.
        owners: (L,) int64, number of the lesson, -1 for what is shared.
        targets: (M,) int64, places in `tokens` that are to be foretold from what stands before them.
    """

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    owners: NDArray[np.int64]
    targets: NDArray[np.int64]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(L, L), which tokens each token may look at: those before it that are shared or its own lesson's."""
        shared = self.owners[None, :] < 0
        own = self.owners[None, :] == self.owners[:, None]
        return np.asarray(np.tri(len(self.tokens), dtype=bool) & (shared | own))


class Samples:
    """Turns lessons into tokens.

    Args:
        tokens: The model's tokenizer.
        prompt: The words around a lesson.
    """

    def __init__(self, tokens: Tokens, prompt: Prompt) -> None:
        self._tokens, self._prompt = tokens, prompt

    def of(self, lessons: Sequence[Lesson]) -> Sample:
        """Lessons of one robot: their tokens, and which of them are words of steps."""
        prompt = self._prompt.about(lessons[0].setting.spoken)
        begin = prompt.render("")  # what all lessons share is found among the tokens
        rows = [self._tokenised(prompt, lesson) for lesson in lessons]
        shared = min(common_prefix(self._tokens.encode([begin])[0], ids) for ids, _ in rows)
        tokens = [*self._tokens.prefix, *rows[0][0][:shared]]
        owners, positions, targets = [-1] * len(tokens), [*range(len(tokens))], []
        start = len(tokens)
        for number, (ids, wanted) in enumerate(rows):
            targets += [len(tokens) + place - shared for place in wanted]
            tokens += ids[shared:]
            owners += [number] * (len(ids) - shared)
            positions += range(start, start + len(ids) - shared)
        return Sample(*(np.array(column, np.int64) for column in (tokens, positions, owners, targets)))

    def _tokenised(self, prompt: Prompt, lesson: Lesson) -> tuple[list[int], list[int]]:
        """A lesson's tokens, and the places of those that are words of its steps."""
        marks: list[tuple[int, int]] = []
        for place, event in enumerate(lesson.memory):
            if isinstance(event, Step) and place not in lesson.slips:
                start = len(prompt.render(lesson.instruction, lesson.memory[:place]))
                marks.append((start, start + len(prompt.option.format(phrase=event.skill.phrase) + prompt.end)))
        whole = prompt.render(lesson.instruction, lesson.memory)
        spans = self._tokens.spans(whole[: marks[-1][1]])  # without the number of the step after "done"
        wanted = [
            place
            for place, (_, start, stop) in enumerate(spans)
            if any(start < last and stop > first for first, last in marks)
        ]
        return [token for token, _, _ in spans], wanted
