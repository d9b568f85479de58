"""Structured output: the model names the best options in order, and that is all that is known of them.

The last resort, for servers that return no log-probabilities. The option of rank r = 1, 2, ... of the k that were
named gets the probability 2^-r, and the others share what is left, 2^-k, equally, but none gets more than half of what
the last one named has: an order, made into numbers so that what the value function finds possible can still decide.
They are not what the model believes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError
from saycan.planners.deadline import Deadline
from saycan.planners.openai.body import Body
from saycan.planners.openai.chat import answer, generate_in_chat, limits, messages
from saycan.planners.openai.connection import Connection, ConnectionOptions, Send
from saycan.planners.openai.model import GeneratingModel
from saycan.planners.openai.statuses import MissingEndpointError, UnsupportedError
from saycan.planners.openai.words import Words
from saycan.planners.rounds import dealt

_LARGEST = 500
"""Options in one question; the values of one enumeration are limited on OpenAI's server."""

_ROOM = 400  # tokens for an answer, among them those that some models think with

_FORMS = ("json_schema", "json_object")
"""Ways of asking for structure: OpenAI's, which vLLM and llama-server know too, and llama-cpp-python's."""


class StructuredModel(GeneratingModel):
    """Ranks by /chat/completions with a response format.

    Args:
        spec, options: See `ServedModel`.
        ranks: How many options are named in order, at least 1.
    """

    kind = "openai-structured"

    def __init__(self, spec: str | Connection, *, ranks: int = 5, **options: Unpack[ConnectionOptions]) -> None:
        if ranks < 1:
            raise BadInputError(f"ranks must be at least 1, found {ranks}")
        super().__init__(spec, **options)
        self._ranks = ranks
        self._form = ""  # which of _FORMS the server takes; empty before it was asked

    @property
    def approximation(self) -> str:
        """What is lost."""
        return (
            f"order of preference only: the first {self._ranks} options get 1/2, 1/4, ..., the rest share what is left"
        )

    def prepare(self, deadline: Deadline) -> None:
        """Find out in which form the server takes a schema."""
        refused: UnsupportedError | None = None
        for form in () if self._form else _FORMS:
            send = self._send(self.connection.model(deadline), "1, 2, 3,", [" 4", " go"], form)
            try:
                _ranking(self.connection.ask(send, deadline, trying=True), 2)
            except MissingEndpointError:
                raise
            except UnsupportedError as error:
                refused = error
                continue
            self._form = form
            return
        if refused is not None:
            raise refused

    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64 nats, from the order in which the model names them."""
        if len(options) == 1:
            return np.zeros(1)
        self.prepare(deadline)
        ranking = self._rank(prompt, options, list(range(len(options))), deadline)
        named = len(ranking)
        other = min(0.5**named / max(1, len(options) - named), 0.5 ** (named + 1))
        probabilities = np.full(len(options), other)
        probabilities[ranking] = 0.5 ** np.arange(1, named + 1)
        scores: NDArray[np.float64] = np.log(probabilities)
        return scores

    def generate_within(self, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline) -> str:
        """How the model goes on with a text, when it is asked to."""
        return generate_in_chat(self.connection, prompt, max_tokens, stop, deadline)

    def _rank(self, prompt: str, options: Sequence[str], among: list[int], deadline: Deadline) -> list[int]:
        """The best of the options with the indices `among`, best first; too many are ranked in groups first."""
        model = self.connection.model(deadline)
        if len(among) <= _LARGEST:
            body = self.connection.ask(
                self._send(model, prompt, [options[index] for index in among], self._form), deadline
            )
            return [among[place] for place in _ranking(body, len(among))[: self._ranks]]
        groups = dealt(among, _LARGEST)
        sends = [self._send(model, prompt, [options[index] for index in group], self._form) for group in groups]
        best: list[int] = []
        for body, group in zip(self.connection.ask_all(sends, deadline), groups, strict=True):
            best += [group[place] for place in _ranking(body, len(group))[: self._ranks]]
        return self._rank(prompt, options, best, deadline)

    def _send(self, model: str, prompt: str, options: Sequence[str], form: str) -> Send:
        words, labels = Words.load(), [str(number) for number in range(1, len(options) + 1)]
        count = min(self._ranks, len(options))
        question = words.ranking.format(prompt=prompt, options=words.listed(labels, options), count=count)
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                "ranking": {
                    "type": "array",
                    "items": {"type": "string", "enum": labels},
                    "minItems": count,
                    "maxItems": count,
                }
            },
            "required": ["ranking"],
            "additionalProperties": False,
        }
        response_format: Any = {"type": "json_object", "schema": schema}
        if form == "json_schema":
            response_format = {
                "type": "json_schema",
                "json_schema": {"name": "ranking", "strict": True, "schema": schema},
            }
        return lambda client: client.chat.completions.with_streaming_response.create(
            model=model,
            messages=messages(question),
            response_format=response_format,
            **limits(self.connection, _ROOM),
        )


def _ranking(body: Body, count: int) -> list[int]:
    """Places of the options that were named, best first, each once. Raises LanguageModelError when there are none."""
    text = answer(body)
    try:
        ranking = Body.parse(text.encode(), body.source, body.redact).at("ranking")
    except LanguageModelError:
        wrote = json.dumps(body.redact(text)[:60])
        raise UnsupportedError(f"{body.source} was asked for JSON and wrote {wrote}") from None
    labels = {str(number): number - 1 for number in range(1, count + 1)}
    named = [label.value for label in ranking]
    places = [labels[label] for label in named if isinstance(label, str) and label in labels]
    if not places or len(places) < len(named):
        raise ranking.wrong(f'a list of numbers in quotes from "1" to "{count}"')
    return list(dict.fromkeys(places))
