"""Say with any chat model of langchain-core, by what it can do.

    logprobs     the options get letters, and the log-probabilities of the first token of the answer say how likely each
                 letter is; at most twenty options at a time, more in rounds (`saycan.planners.rounds`)
    structured   the model names the likeliest options and gives each a probability, as the arguments of a tool call
    text         the model names the likeliest options, one a line

The later ones know less of what the model knows: `ChatModel.approximation` says what is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError
from saycan.planners.deadline import Deadline
from saycan.planners.langchain.answers import Options, UnusableAnswerError, lettered, ranked, weighed
from saycan.planners.langchain.requests import Requests, UnsupportedError, received, shortened, words
from saycan.planners.letters import LETTERS
from saycan.planners.rounds import Group, in_rounds
from saycan.planners.stops import before
from saycan.usage import Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from pydantic import BaseModel

T = TypeVar("T")

NAMED = 10
"""How many options a model is asked to name: enough that some of them are possible where the robot stands."""

_MOST_LISTED = 250
"""A schema lists the options up to this many; OpenAI's, for one, limits the length of longer lists."""


class Method(StrEnum):
    """How a chat model is asked; see the module."""

    AUTO = "auto"
    LOGPROBS = "logprobs"
    STRUCTURED = "structured"
    TEXT = "text"


_LOSS = {
    Method.LOGPROBS: "probabilities of the options' letters, not of their words; beyond 20 options, merged from rounds",
    Method.STRUCTURED: f"probabilities that the model states for up to {NAMED} options; the others count as impossible",
    Method.TEXT: f"order of preference of up to {NAMED} options only; the others count as impossible",
}


class ChatModel:
    """Implements LanguageModel, TextGenerator, Metered and Approximate.

    The model is used as it is: its temperature, its own time-outs and retries are whoever made it to decide; retries
    go on within the deadline.

    Args:
        model: The chat model.
        method: "logprobs", "structured" or "text"; "auto" takes the first of them that the model turns out to support,
            and keeps to it; one that answers with no letters, twice, does not support "logprobs".
        seconds: Deadline of one call of `score` or `generate`, all its requests together.

    Attributes:
        name: "langchain:CLASS:MODEL".

    Raises:
        BadInputError: There is no such method.
    """

    def __init__(self, model: BaseChatModel, *, method: str = Method.AUTO, seconds: float = 30.0) -> None:
        if method not in list(Method):
            raise BadInputError(f"unknown method {method!r}; valid: {', '.join(Method)}")
        self._model, self._seconds = model, seconds
        self.name = name_of(model)
        self._requests = Requests(self.name)
        self._methods = _supported(model) if method == Method.AUTO else [Method(method)]

    @property
    def approximation(self) -> str:
        """What is lost in the scores, by the way in which the model is asked."""
        return _LOSS[self._methods[0]]

    @property
    def usage(self) -> Usage:
        """Everything since it was made."""
        return self._requests.usage

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 nats, of the options among themselves; minus infinity for what the model does not name.

        Raises:
            ModelUnavailableError: No answer within the deadline, or the provider cannot be reached.
            ModelRefusalError: The model declined.
            LanguageModelError: Two answers in a row could not be used, or something else went wrong.
            DecisionInterruptedError: Nobody waits for the decision any more.
        """
        deadline = Deadline.after(self._seconds)
        listed = Options(options)
        if len(listed.labels) == 1:
            return listed.spread(np.zeros(1))  # whatever the model would say, which then tells nothing about it
        ask = {Method.LOGPROBS: self._by_letters, Method.STRUCTURED: self._by_tool, Method.TEXT: self._by_lines}
        for method in self._methods[:-1]:
            try:
                scores = ask[method](prompt, listed, deadline)
            except UnsupportedError:
                continue  # nothing is decided by it yet: the prompt itself may be what the provider did not take
            self._methods = [method]
            return listed.spread(scores)
        scores = ask[self._methods[-1]](prompt, listed, deadline)
        self._methods = self._methods[-1:]
        return listed.spread(scores)

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        """How the model continues a prompt, up to the first stop text; white space at the beginning is left out.

        `max_tokens` reaches a model that has such a setting. Raises like `score`.
        """
        limit: dict[str, Any] = {"max_tokens": max_tokens} if "max_tokens" in type(self._model).model_fields else {}
        question = words("continue", prompt=prompt)
        (message,) = self._requests.ask(
            [lambda: received(self._model.invoke(question, **limit), self._requests)], Deadline.after(self._seconds)
        )
        return before(message.text.lstrip(), stop)

    # The three ways --------------------------------------------------------------------------------------------------

    def _by_letters(self, prompt: str, options: Options, deadline: Deadline) -> NDArray[np.float64]:
        """(M,) from the log-probabilities of one token."""
        asked = self._model.bind(logprobs=True, top_logprobs=len(LETTERS))

        def one(group: Group) -> NDArray[np.float64]:
            shown = (f"{letter}. {options.labels[place]}" for letter, place in zip(LETTERS, group, strict=False))
            question = words("label", prompt=prompt, options="\n".join(shown))

            def read(question: str) -> NDArray[np.float64]:
                message = received(asked.invoke(question), self._requests)
                scores = lettered(len(group), message.response_metadata, message.text)
                if scores is None:
                    raise UnsupportedError(f"{self.name} returned no log-probabilities; use another method")
                return scores

            return self._twice(read, question, UnsupportedError)

        def several(groups: list[Group]) -> list[NDArray[np.float64]]:
            return self._requests.ask([partial(one, group) for group in groups], deadline)

        return in_rounds(len(options.labels), len(LETTERS), several)

    def _by_tool(self, prompt: str, options: Options, deadline: Deadline) -> NDArray[np.float64]:
        """(M,) from the probabilities that the model states."""
        schema = _schema(options.labels)
        asked = self._structured(schema)
        question = words("rank", prompt=prompt, options="\n".join(options.labels), count=NAMED)

        def read(question: str) -> NDArray[np.float64]:
            answer: Any = asked.invoke(question)  # {"raw": message, "parsed": an object of the schema, ...}
            message = received(answer["raw"], self._requests)
            said = message.text or str(getattr(message, "tool_calls", ""))
            if not isinstance(answer["parsed"], schema):
                error = answer["parsing_error"] or "it is no call of the tool."
                raise UnusableAnswerError(shortened(str(error)), said)
            named = [(one.option, one.probability) for one in answer["parsed"].ranking]  # type: ignore[attr-defined]
            return weighed(options, named, said)

        (scores,) = self._requests.ask([lambda: self._twice(read, question)], deadline)
        return scores

    def _by_lines(self, prompt: str, options: Options, deadline: Deadline) -> NDArray[np.float64]:
        """(M,) from the order of preference."""
        question = words("lines", prompt=prompt, options="\n".join(options.labels), count=NAMED)

        def read(question: str) -> NDArray[np.float64]:
            return ranked(options, received(self._model.invoke(question), self._requests).text)

        (scores,) = self._requests.ask([lambda: self._twice(read, question)], deadline)
        return scores

    def _structured(self, schema: type[BaseModel]) -> Any:
        try:
            return self._model.with_structured_output(schema, include_raw=True)
        except (NotImplementedError, ValueError, TypeError) as error:
            raise UnsupportedError(f"{self.name} has no structured output: {shortened(str(error))}") from error

    def _twice(
        self, read: Callable[[str], T], question: str, failure: type[LanguageModelError] = LanguageModelError
    ) -> T:
        """What is read from the answer, or from a second one, before which the model is told about the first.

        Raises `failure` when neither can be used.
        """
        try:
            return read(question)
        except UnusableAnswerError as first:
            self._requests.add(Usage(requests=1))
            again = words("again", question=question, reason=str(first), answer=shortened(first.answer))
        try:
            return read(again)
        except UnusableAnswerError as second:
            raise failure(
                f"{self.name} answered twice with something that is not an option: {shortened(second.answer)!r}: "
                f"{second} Valid is what the prompt lists, word for word; use another method or another model"
            ) from second


def name_of(model: object) -> str:
    """ "langchain:CLASS:MODEL", or without the last part where a model does not say what it is called."""
    called = getattr(model, "model_name", None) or getattr(model, "model", None)
    return ":".join(("langchain", type(model).__name__, *([called] if isinstance(called, str) else [])))


def _supported(model: BaseChatModel) -> list[Method]:
    """The ways that look possible, best first."""
    from langchain_core.language_models import BaseChatModel

    kind = type(model)
    methods = [Method.TEXT]
    if (
        kind.bind_tools is not BaseChatModel.bind_tools
        or kind.with_structured_output is not BaseChatModel.with_structured_output
    ):
        methods.insert(0, Method.STRUCTURED)
    if {"logprobs", "top_logprobs"} <= set(kind.model_fields):
        methods.insert(0, Method.LOGPROBS)
    return methods


def _schema(labels: Sequence[str]) -> type[BaseModel]:
    """What the model shall return. The service is told the labels; whether it kept to them is checked afterwards."""
    from pydantic import Field, create_model

    listed: Any = {"enum": list(labels)} if len(labels) <= _MOST_LISTED else None
    one = create_model(
        "Option",
        __doc__="One option.",
        option=(str, Field(description="The option, exactly as it is listed.", json_schema_extra=listed)),
        probability=(float, Field(description="Probability that it is the right next step, from 0 to 1.")),
    )
    return create_model(
        "NextStep",
        __doc__="What the robot should do next.",
        ranking=(list[one], Field(description="The likeliest options, the likeliest first.")),  # type: ignore[valid-type]
    )
