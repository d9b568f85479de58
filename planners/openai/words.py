"""The words in which a server is asked, from `prompts/chat.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Words:
    """Words around a prompt and its options; data, not code (`prompts/chat.toml` says what each field is for).

    Attributes:
        system: What the model is told first.
        option: One option of the list; {label} and {option}.
        letter: Asks for a label; {prompt} and {options}.
        ranking: Asks for the best labels in order; {prompt}, {options} and {count}.
        choice: Instructions of a choice question, to which the options are attached.
        text: Asks to go on with a text; {prompt}.
    """

    system: str
    option: str
    letter: str
    ranking: str
    choice: str
    text: str

    @classmethod
    @functools.cache
    def load(cls) -> Words:
        """The packaged words."""
        return cls(**tomllib.loads((files("saycan.prompts") / "chat.toml").read_text(encoding="utf-8")))

    def listed(self, labels: Sequence[str], options: Sequence[str]) -> str:
        """The options with their labels, one a line."""
        return "\n".join(
            self.option.format(label=label, option=" ".join(option.split()))
            for label, option in zip(labels, options, strict=True)
        )
