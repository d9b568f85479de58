"""The contract for Say: how likely is each option as the continuation of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class LanguageModel(Protocol):
    """Scores continuations; it never has to generate text."""

    @property
    def name(self) -> str:
        """What the user would type to get this model; written into traces."""
        ...

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64, log p(option | prompt) in nats for each option, in order.

        An option is scored as it stands, with its leading space and its closing punctuation, so that one option that
        begins another is not preferred for being short. Raises LanguageModelError.
        """
        ...
