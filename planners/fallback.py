"""A language model with a stand-in, for when it does not answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.errors import DecisionInterruptedError, ModelUnavailableError
from saycan.language import LanguageModel, approximation_of, prompt_of
from saycan.usage import Usage, usage_of

_log = logging.getLogger(__name__)

_PAUSE = 60.0  # s in which a model that was unavailable is not asked again, lest every decision waits for its deadline


class FallbackModel:
    """Implements `saycan.language.LanguageModel`: the first model, or the second while the first is unavailable.

    Unavailable means that no answer came within the first one's deadline. Scores that are none and a refusal are
    answers: they are not shopped around.

    It only scores: it does not generate, count tokens or find shortlists, whatever the first one can do, for what the
    second one can do is not known before it is needed.

    Args:
        first: The model that is wanted.
        second: Makes the one that stands in; called when it is first needed.
    """

    def __init__(self, first: LanguageModel, second: Callable[[], LanguageModel]) -> None:
        self.first, self._second = first, second
        self._made: LanguageModel | None = None
        self._active: LanguageModel = first
        self._again = 0.0  # time.monotonic() from which on the first one is asked again

    @property
    def name(self) -> str:
        """Of the one that answered last, so that a decision names who made it."""
        return self._active.name

    @property
    def approximation(self) -> str:
        """Of the one that answered last."""
        return approximation_of(self._active)

    @property
    def prompt_name(self) -> str:
        """That of the first: both are asked in the same words."""
        return prompt_of(self.first)

    @property
    def usage(self) -> Usage:
        """Of both together."""
        return usage_of(self.first) + usage_of(self._made)

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 nats, of one model or the other.

        Raises what the second one raises, and ModelUnavailableError with both reasons when it cannot be made; then the
        next call asks the first one again.
        """
        if self._made is None or time.monotonic() >= self._again:
            try:
                scores = self.first.score(prompt, options)
            except ModelUnavailableError as error:
                if self._made is None:
                    self._made = self._make(error)
                self._again = time.monotonic() + _PAUSE
                _log.warning("%s; for %.0f s %s stands in", error, _PAUSE, self._made.name)
            else:
                self._active = self.first
                return scores
        self._active = self._made
        return self._made.score(prompt, options)

    def _make(self, unavailable: ModelUnavailableError) -> LanguageModel:
        try:
            return self._second()
        except DecisionInterruptedError:
            raise
        except Exception as error:
            raise ModelUnavailableError(
                f"{unavailable}; and the model that would stand in cannot be had: {error}"
            ) from error

    def close(self) -> None:
        """Close both, where they can be closed."""
        for model in (self.first, self._made):
            close = getattr(model, "close", None)
            if callable(close):
                close()
