"""A language model that says what a script tells it to: for tests, demonstrations and documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError
from saycan.planners.stops import before
from saycan.skill import DONE


class ScriptedLanguageModel:
    """Gives most of the probability to the next phrase of a script, and to "done" after its end.

    How far the script has got is read from the prompt, not counted, so asking twice gives the same answer and a new
    run starts the script again. A phrase is over once the prompt tells it as a step that worked ("2. wave."); one that
    the prompt tells as failed ("2. wave. (failed: ...)") leads again.

    Args:
        script: Option phrases in the order in which they shall lead, such as ["find the sponge", "wave"].
        confidence: Probability of the leading option, in (0, 1); the others share the rest equally.
        scores: Log-probabilities in nats to return for single phrases, whatever the script says: float("nan") plays a
            broken model.
        error: Raised by every call when given.
    """

    name = "scripted"

    def __init__(
        self,
        script: Sequence[str] = (),
        *,
        confidence: float = 0.9,
        scores: Mapping[str, float] | None = None,
        error: Exception | None = None,
    ) -> None:
        if not 0.0 < confidence < 1.0:
            raise LanguageModelError(f"confidence must lie between 0 and 1, found {confidence}; 0.9 is the default")
        self.script = tuple(_bare(phrase) for phrase in script)
        self.confidence, self.scores, self.error = confidence, dict(scores or {}), error
        self.prompts: list[str] = []

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities in nats. Raises LanguageModelError when the leading phrase is no option."""
        self.prompts.append(prompt)
        if self.error is not None:
            raise self.error
        phrases = [_bare(option) for option in options]
        leader = self._leader(prompt)
        if leader not in phrases:
            raise LanguageModelError(
                f"the script says {leader!r}, which is not among the {len(phrases)} options; "
                f"valid: {', '.join(phrases[:8])}{', ...' if len(phrases) > 8 else ''}"
            )
        rest = (1.0 - self.confidence) / max(1, len(phrases) - 1)
        likely = {leader: self.confidence if len(phrases) > 1 else 1.0}
        return np.array([self.scores.get(phrase, np.log(likely.get(phrase, rest))) for phrase in phrases])

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        """The next phrase of the script as a step, an option or not. Raises `error` when it was given."""
        self.prompts.append(prompt)
        if self.error is not None:
            raise self.error
        return before(" ".join(f" {self._leader(prompt)}.".split(" ")[: max_tokens + 1]), stop)

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices of the options with the highest scores, best first. Raises like `score`."""
        return np.argsort(-self.score(prompt, options), kind="stable")[:count]

    def _leader(self, prompt: str) -> str:
        """The first phrase of the script that the steps at the end of the prompt do not hold yet, in order."""
        taken = iter(_steps_taken(prompt))
        return next((phrase for phrase in self.script if phrase not in taken), DONE.phrase)


def _steps_taken(prompt: str) -> list[str]:
    """Phrases of the numbered lines since the last number one: those before it belong to the examples."""
    lines = [line.strip() for line in prompt.splitlines()]
    first = max((i for i, line in enumerate(lines) if line.startswith("1.")), default=len(lines))
    return [_bare(line.partition(".")[2]) for line in lines[first:] if line[:1].isdigit()]


def _bare(text: str) -> str:
    return text.strip().rstrip(".").strip()
