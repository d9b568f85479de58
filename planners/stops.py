"""The texts that end what a language model writes."""

from __future__ import annotations

from collections.abc import Sequence


def before(text: str, stop: Sequence[str]) -> str:
    """`text` up to the first of the stop texts, for models and servers that leave them in."""
    return text[: min((text.find(end) for end in stop if end in text), default=len(text))]
