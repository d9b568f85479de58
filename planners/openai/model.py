"""What all language models on a server share: where it is, what it has cost, one deadline a call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.planners.deadline import Deadline
from saycan.planners.openai.connection import Connection, ConnectionOptions
from saycan.usage import Usage


class ServedModel(ABC):
    """Implements `saycan.language.LanguageModel`, `Approximate` and `saycan.usage.Metered` but for the question itself.

    Args:
        spec: "MODEL", "URL#MODEL" or "URL#" (`saycan.planners.openai.connection`), or a connection to share.
        options: Of the connection: `timeout`, `deadline`, `attempts`, `parallel`, `key_variable`, `http_client`.
    """

    kind: ClassVar[str]
    """What the user types before the colon."""

    def __init__(self, spec: str | Connection, **options: Unpack[ConnectionOptions]) -> None:
        self.connection = spec if isinstance(spec, Connection) else Connection(spec, **options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.connection)!r})"

    @property
    def name(self) -> str:
        """What the user would type, without a password."""
        return f"{self.kind}:{self.connection}"

    @property
    @abstractmethod
    def approximation(self) -> str:
        """What is lost in the scores, in one line; empty when nothing is."""

    @property
    def usage(self) -> Usage:
        """What the connection has cost so far."""
        return self.connection.usage

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 nats, see `saycan.language.LanguageModel`; equal options are asked about once."""
        distinct = list(dict.fromkeys(options))
        if not distinct:
            return np.zeros(0)
        scores = dict(zip(distinct, self.score_within(prompt, distinct, self.connection.begin()), strict=True))
        return np.array([scores[option] for option in options])

    @abstractmethod
    def prepare(self, deadline: Deadline) -> None:
        """Find out, once, whether the server can do this at all. Raises UnsupportedError when it cannot."""

    @abstractmethod
    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64 nats for options that differ, at least one, before the deadline. Raises LanguageModelError."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class GeneratingModel(ServedModel):
    """One that writes text, too: implements `saycan.language.TextGenerator` but for the question itself."""

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        """How the model goes on with a text, see `saycan.language.TextGenerator`."""
        return self.generate_within(prompt, max_tokens, stop, self.connection.begin())

    @abstractmethod
    def generate_within(self, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline) -> str:
        """The same before the deadline. Raises LanguageModelError."""
