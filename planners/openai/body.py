"""What a server answered, read with care: whatever is missing or wrong becomes an error that names the place."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from saycan.errors import LanguageModelError
from saycan.usage import Usage

_SHOWN = 60  # characters of what was found that an error repeats


@dataclass(frozen=True)
class Body:
    """A place in a JSON body.

    Attributes:
        value: What is there.
        source: Who answered, for errors.
        place: The way there from the outside, such as "choices[0].logprobs".
        redact: Takes out of what an error repeats what nobody is to see: some servers answer with a key that was wrong.
    """

    value: object
    source: str
    place: str = ""
    redact: Callable[[str], str] = str

    @classmethod
    def parse(cls, content: bytes, source: str, redact: Callable[[str], str] = str) -> Body:
        """From the bytes of a response. Raises LanguageModelError when they are not a JSON object."""
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise LanguageModelError(
                f"{source} answered with {len(content)} bytes that are not JSON ({type(error).__name__}); is the URL "
                "that of an OpenAI-compatible API? It usually ends in /v1"
            ) from None
        body = cls(value, source, redact=redact)
        if not isinstance(value, dict):
            raise body.wrong("a JSON object")
        return body

    def wrong(self, valid: str) -> LanguageModelError:
        """The error that says that something else is here than `valid`."""
        found = "null" if self.value is None else self.redact(json.dumps(self.value, default=str))
        shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
        return LanguageModelError(
            f"{self.source} answered with a body that cannot be used: {self.place or 'the whole'} is {shown}; it must "
            f"be {valid}"
        )

    def at(self, *keys: str | int) -> Body:
        """The place further inside; null where there is nothing."""
        here = self
        for key in keys:
            value: object = None
            if isinstance(key, str):
                value = here.value.get(key) if isinstance(here.value, dict) else None
                place = f"{here.place}.{key}" if here.place else key
            else:
                value = here.value[key] if isinstance(here.value, list) and key < len(here.value) else None
                place = f"{here.place}[{key}]"
            here = Body(value, self.source, place, self.redact)
        return here

    def __iter__(self) -> Iterator[Body]:
        """The places of a list. Raises LanguageModelError when here is none."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return iter([self.at(index) for index in range(len(self.value))])

    @property
    def missing(self) -> bool:
        """Whether there is nothing here, or null."""
        return self.value is None

    def text(self) -> str:
        """A string. Raises LanguageModelError."""
        if not isinstance(self.value, str):
            raise self.wrong("text")
        return self.value

    def number(self) -> float:
        """A number that is one: not NaN. Raises LanguageModelError."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or math.isnan(self.value):
            raise self.wrong("a number")
        return float(self.value)

    def log_probability(self) -> float:
        """A log-probability in nats: at most 0, minus infinity included. Raises LanguageModelError."""
        number = self.number()
        if number > 1e-3:  # servers round
            raise self.wrong("a log-probability, at most 0")
        return min(number, 0.0)

    def probability(self) -> float:
        """A probability in [0, 1]. Raises LanguageModelError."""
        number = self.number()
        if not -1e-6 <= number <= 1 + 1e-6:
            raise self.wrong("a probability in [0, 1]")
        return min(max(number, 0.0), 1.0)

    def usage(self) -> Usage:
        """What the answer says that it cost, in the names of either kind of endpoint; what is not said counts 0."""
        usage = self.at("usage")

        def count(*places: tuple[str, ...]) -> int:
            found = (usage.at(*place).value for place in places)
            return max((value for value in found if isinstance(value, int) and value > 0), default=0)

        return Usage(
            tokens_in=count(("prompt_tokens",), ("input_tokens",)),
            tokens_cached=count(("prompt_tokens_details", "cached_tokens"), ("input_tokens_details", "cached_tokens")),
            tokens_out=count(("completion_tokens",), ("output_tokens",)),
        )
