"""The contract for Say: how likely is each option as the continuation of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class LanguageModel(Protocol):
    """Scores continuations; it never has to generate text.

    What more a model can do it shows by having the methods: `TextGenerator`, `TokenCounter`, `Shortlister`,
    `TextEmbedder` and `Prompted` below, `saycan.usage.Metered`; and whose scores are no exact log-probabilities says so
    by `Approximate`.
    """

    @property
    def name(self) -> str:
        """What the user would type to get this model; written into traces, so it holds no key."""
        ...

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64, log p(option | prompt) in nats for each option, in order; minus infinity means never.

        A constant that all options of one call share may be missing, as it is where a server gives probabilities among
        the options alone. An option is scored as it stands, with its leading space and its closing punctuation, so that
        one option that begins another is not preferred for being short.

        Raises LanguageModelError: ModelUnavailableError when no answer came within the model's deadline,
        ModelRefusalError when the model declined. A model that takes long calls
        `saycan.interruption.check_interruption` while it does.
        """
        ...


@runtime_checkable
class Approximate(Protocol):
    """A model whose scores are not the exact log-probabilities of its options."""

    @property
    def approximation(self) -> str:
        """One line for people: what is lost, such as "order of preference only"; empty when nothing is."""
        ...


@runtime_checkable
class TextGenerator(Protocol):
    """A model that can also continue a prompt in its own words."""

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        """The likeliest continuation (greedy, temperature 0), without the stop text that ended it.

        Raises like `LanguageModel.score`.
        """
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """A model that knows how many tokens it scores for an option."""

    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        """(N,) int64, tokens whose log-probabilities `score(prompt, options)` adds up, at least 1 each."""
        ...


@runtime_checkable
class Shortlister(Protocol):
    """A model that finds the likeliest of very many options without scoring them all."""

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices of the options with the highest `score`, best first, K <= count. Raises like `score`."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """A model that places texts in a space where what means the same lies close."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) float32 rows of length 1."""
        ...


@runtime_checkable
class Prompted(Protocol):
    """A model that has been trained on prompts of one kind, and is best asked in them."""

    @property
    def prompt_name(self) -> str:
        """Name of a packaged prompt, or a TOML file."""
        ...


def prompt_of(model: object) -> str:
    """The prompt that a model has been trained on; the one with examples for all others."""
    return model.prompt_name if isinstance(model, Prompted) else "kitchen"


def approximation_of(model: object) -> str:
    """What is lost in a model's scores, in one line; empty for exact ones."""
    return model.approximation if isinstance(model, Approximate) else ""
