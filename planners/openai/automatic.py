"""The best way of scoring that a server can do, found out when it is first asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, ModelRefusalError, ModelUnavailableError
from saycan.planners.deadline import Deadline
from saycan.planners.openai.chat import ChatModel
from saycan.planners.openai.completions import CompletionsModel
from saycan.planners.openai.connection import Connection, ConnectionOptions
from saycan.planners.openai.model import GeneratingModel
from saycan.planners.openai.structured import StructuredModel


class AutomaticModel(GeneratingModel):
    """Completions with echo where the server does them, else chat with labels, else structured output.

    What a server can do is asked once, by one to three short requests for each way, within the deadline of the
    first call. `approximation` and the printed form then say which way it is.

    Args:
        spec, options: See `ServedModel`.
    """

    kind = "openai"

    def __init__(self, spec: str | Connection, **options: Unpack[ConnectionOptions]) -> None:
        super().__init__(spec, **options)
        self._way: CompletionsModel | ChatModel | StructuredModel | None = None

    def __repr__(self) -> str:
        way = "way not known before the first question" if self._way is None else f"by {type(self._way).__name__}"
        return f"{type(self).__name__}({str(self.connection)!r}, {way})"

    @property
    def name(self) -> str:
        """What the user would type: a URL stands alone."""
        return str(self.connection) if self.connection.address.named else f"{self.kind}:{self.connection}"

    @property
    def approximation(self) -> str:
        """What is lost in the way that was found."""
        if self._way is None:
            return "not known before the first question, which finds out what the server can do"
        return self._way.approximation

    def prepare(self, deadline: Deadline) -> None:
        """Find the way. Raises LanguageModelError that says why each way fails."""
        if self._way is not None:
            return
        reasons = []
        for way in (
            CompletionsModel(self.connection),
            ChatModel(self.connection),
            StructuredModel(self.connection),
        ):
            try:
                way.prepare(deadline)
            except (ModelUnavailableError, ModelRefusalError):
                raise  # says nothing about what the server can do
            except LanguageModelError as error:
                reasons.append(f"{way.kind}: {error}")
                continue
            self._way = way
            return
        raise LanguageModelError(
            f"{self.name} can score in none of the ways that are known:\n  " + "\n  ".join(reasons)
        )

    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64 nats, in the way that was found."""
        return self._found(deadline).score_within(prompt, options, deadline)

    def generate_within(self, prompt: str, max_tokens: int, stop: Sequence[str], deadline: Deadline) -> str:
        """How the model goes on with a text, in the way that was found."""
        return self._found(deadline).generate_within(prompt, max_tokens, stop, deadline)

    def _found(self, deadline: Deadline) -> CompletionsModel | ChatModel | StructuredModel:
        self.prepare(deadline)
        assert self._way is not None
        return self._way
