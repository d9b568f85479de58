"""Chat with labels: what a chat model gives to the letter of each option, on servers that return top_logprobs.

Every option gets a letter, the model is to answer with one, and the log-probabilities of the first token are read. A
server returns those of its likeliest 20 tokens or fewer, so a question holds no more options than that, several orders
of them cancel the model's liking for places and letters (`saycan.planners.openai.orders`), and rounds put many options
together (`saycan.planners.rounds`). What the tokens returned say of a letter, and of one that is not among them, is in
`saycan.planners.letters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, ModelRefusalError
from saycan.planners.deadline import Deadline
from saycan.planners.letters import LETTERS, read_letters
from saycan.planners.openai.body import Body
from saycan.planners.openai.connection import Connection, ConnectionOptions, Send
from saycan.planners.openai.model import GeneratingModel
from saycan.planners.openai.orders import rotations, without_liking
from saycan.planners.openai.statuses import MissingEndpointError, UnsupportedError
from saycan.planners.openai.words import Words
from saycan.planners.rounds import Group, in_rounds
from saycan.planners.stops import before

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

_NUMBERS_OF_TOKENS = (len(LETTERS), 10, 5)
"""How many likeliest tokens are asked for: OpenAI's limit is 20, and a server that allows fewer refuses more."""


class ChatModel(GeneratingModel):
    """Scores by /chat/completions with logprobs and top_logprobs.

    Args:
        spec, options: See `ServedModel`.
        orders: In how many orders each group of options is asked about; each costs a request.
    """

    kind = "openai-chat"

    def __init__(self, spec: str | Connection, *, orders: int = 3, **options: Unpack[ConnectionOptions]) -> None:
        if orders < 1:
            raise BadInputError(f"orders must be at least 1, found {orders}")
        super().__init__(spec, **options)
        self._orders = orders
        self._tokens = 0  # how many likeliest tokens the server returns; 0 before it was asked

    @property
    def approximation(self) -> str:
        """What is lost."""
        return "log-probabilities of labels in a chat, not of the words; unlikely options share an upper bound"

    def prepare(self, deadline: Deadline) -> None:
        """Find out whether log-probabilities come back, of how many tokens, and whether letters are among them."""
        if self._tokens:
            return
        refused: UnsupportedError | None = None
        for wanted in _NUMBERS_OF_TOKENS:
            send = self._letter(self.connection.model(deadline), "1, 2, 3,", [" 4", " go"], wanted)
            try:
                body = self.connection.ask(send, deadline, trying=True)
            except MissingEndpointError:
                raise
            except UnsupportedError as error:
                refused = error
                continue
            returned = body.at("choices", 0, "logprobs", "content", 0, "top_logprobs")
            if returned.missing or len(list(returned)) < 2:
                raise UnsupportedError(f"{self.name} returns no top_logprobs with a chat")
            _labels(body, 2, self.name)
            self._tokens = min(wanted, len(list(returned)))
            return
        assert refused is not None
        raise refused

    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64 nats, normalised, of the labels."""
        self.prepare(deadline)

        def ask(groups: list[Group]) -> list[NDArray[np.float64]]:
            return self._ask(prompt, [[options[index] for index in group] for group in groups], deadline)

        return in_rounds(len(options), self._tokens, ask)

    def generate_within(self, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline) -> str:
        """How the model goes on with a text, when it is asked to."""
        return generate_in_chat(self.connection, prompt, max_tokens, stop, deadline)

    def _ask(self, prompt: str, groups: Sequence[Sequence[str]], deadline: Deadline) -> list[NDArray[np.float64]]:
        """For each group, (K,) log-probabilities of its options; every group in several orders."""
        model = self.connection.model(deadline)
        orders = [rotations(len(group), self._orders, index) for index, group in enumerate(groups)]
        sends = [
            self._letter(model, prompt, [group[option] for option in order], self._tokens)
            for group, turns in zip(groups, orders, strict=True)
            for order in turns
        ]
        bodies = iter(self.connection.ask_all(sends, deadline))
        read = [[_labels(next(bodies), len(order), self.name) for order in turns] for turns in orders]
        return without_liking(
            orders, [[logs for logs, _ in turns] for turns in read], [[bound for _, bound in turns] for turns in read]
        )

    def _letter(self, model: str, prompt: str, options: Sequence[str], tokens: int) -> Send:
        words = Words.load()
        question = words.letter.format(prompt=prompt, options=words.listed(LETTERS[: len(options)], options))
        return lambda client: client.chat.completions.with_streaming_response.create(
            model=model,
            messages=messages(question),
            logprobs=True,
            top_logprobs=tokens,
            **limits(self.connection, 1),
        )


def messages(question: str) -> list[ChatCompletionMessageParam]:
    """One question, after what the model is told first."""
    return [{"role": "system", "content": Words.load().system}, {"role": "user", "content": question.strip()}]


def limits(connection: Connection, tokens: int) -> dict[str, Any]:
    """Parameters that make an answer short and the likeliest one.

    OpenAI's newer models refuse the old name of the length and a temperature; other servers ignore the new name.
    """
    if connection.address.hosted:
        return {"max_completion_tokens": tokens}
    return {"max_tokens": tokens, "temperature": 0.0}


def generate_in_chat(
    connection: Connection, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline
) -> str:
    """What a chat model writes after `prompt`, up to a stop text. Raises LanguageModelError."""
    model, question = connection.model(deadline), Words.load().text.format(prompt=prompt)
    body = connection.ask(
        lambda client: client.chat.completions.with_streaming_response.create(
            model=model, messages=[{"role": "user", "content": question.strip()}], **limits(connection, max_tokens)
        ),
        deadline,
    )
    # A chat model begins an answer on a fresh line where the text would have gone on in the same one.
    return before(answer(body).lstrip("\n"), stop)


def answer(body: Body) -> str:
    """The text of a chat's answer. Raises ModelRefusalError when the model declined, else LanguageModelError."""
    refused(body)
    return body.at("choices", 0, "message", "content").text()


def refused(body: Body) -> None:
    """Raise ModelRefusalError when a chat's answer says that the model, or a filter, declined."""
    choice = body.at("choices", 0)
    words = choice.at("message", "refusal")
    if not words.missing and words.text():
        raise ModelRefusalError(f"{body.source} declined to answer: {body.redact(words.text())[:200]}")
    if choice.at("finish_reason").value == "content_filter":
        raise ModelRefusalError(f"{body.source} declined to answer: its content filter stopped it")


def _labels(body: Body, count: int, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(count,) log-probabilities of the labels of one answer, and whether each is only an upper bound."""
    refused(body)
    returned = [
        (token.at("token").text(), token.at("logprob").log_probability())
        for token in body.at("choices", 0, "logprobs", "content", 0, "top_logprobs")
    ]
    logs, bounded = read_letters(returned, count)
    if bounded.all():
        raise UnsupportedError(
            f"{name} answers with none of the letters that it was given but with {body.redact(returned[0][0])[:20]!r}; "
            "use openai-structured"
            if returned
            else f"{name} returned no log-probabilities"
        )
    return logs, bounded
