"""What asking a language model has cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Usage:
    """Counts that add up.

    Attributes:
        requests: Calls of a server, failed ones included; 0 for a model in this process.
        tokens_in: Tokens that were read, those that a cache saved included.
        tokens_cached: Of these, the ones that were found in a cache.
        tokens_out: Tokens that were written.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.tokens_in + other.tokens_in,
            self.tokens_cached + other.tokens_cached,
            self.tokens_out + other.tokens_out,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.requests - other.requests,
            self.tokens_in - other.tokens_in,
            self.tokens_cached - other.tokens_cached,
            self.tokens_out - other.tokens_out,
        )

    def __bool__(self) -> bool:
        return self != Usage()

    def __str__(self) -> str:
        """For people: "1 request, 412 tokens in (380 cached), 1 out"."""
        parts = [f"{self.requests} request{'' if self.requests == 1 else 's'}"] if self.requests else []
        cached = f" ({self.tokens_cached} cached)" if self.tokens_cached else ""
        parts += [f"{self.tokens_in} tokens in{cached}", f"{self.tokens_out} out"]
        return ", ".join(parts)


@runtime_checkable
class Metered(Protocol):
    """A language model that counts."""

    @property
    def usage(self) -> Usage:
        """Everything since it was made."""
        ...


def usage_of(model: object) -> Usage:
    """What a model has counted so far; nothing for one that does not count."""
    return model.usage if isinstance(model, Metered) else Usage()
