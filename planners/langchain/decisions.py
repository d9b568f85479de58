"""Say with any decision model of langchain-core (1.8 and newer): one question, a probability for every option."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError
from saycan.planners.deadline import Deadline
from saycan.planners.langchain.answers import Options
from saycan.planners.langchain.chat import name_of
from saycan.planners.langchain.requests import Requests, tokens, words
from saycan.planners.rounds import Group, in_rounds
from saycan.usage import Usage

_QUESTION = "next_step"


class DecisionModel:
    """Implements LanguageModel, Metered and Approximate.

    Args:
        model: A `BaseDecisionModel`.
        seconds: Deadline of one call of `score`, all its requests together.
        most: Options of one question; services take about two hundred at most (OpenAI 255, Fireworks 208). More are
            asked about in rounds.

    Attributes:
        name: "langchain:CLASS:MODEL".
    """

    def __init__(self, model: Any, *, seconds: float = 30.0, most: int = 200) -> None:
        if most < 2:
            raise BadInputError(f"a question has at least 2 options; found most={most}")
        self._model, self._seconds, self._most = model, seconds, most
        self.name = name_of(model)
        self._requests = Requests(self.name)
        self._in_rounds = False

    @property
    def approximation(self) -> str:
        """Empty until a library was too large for one question."""
        return f"beyond {self._most} options merged from several questions" if self._in_rounds else ""

    @property
    def usage(self) -> Usage:
        """Everything since it was made."""
        return self._requests.usage

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities in nats, of the options among themselves.

        Raises:
            ModelUnavailableError: No answer within the deadline, or the provider cannot be reached.
            ModelRefusalError: The model declined.
            LanguageModelError: Probabilities are missing or are none, or something else went wrong.
            DecisionInterruptedError: Nobody waits for the decision any more.
        """
        deadline = Deadline.after(self._seconds)
        listed = Options(options)
        self._in_rounds = len(listed.labels) > self._most

        def several(groups: list[Group]) -> list[NDArray[np.float64]]:
            labels = [[listed.labels[place] for place in group] for group in groups]
            return self._requests.ask([partial(self._choose, prompt, some) for some in labels], deadline)

        return listed.spread(in_rounds(len(listed.labels), self._most, several))

    def _choose(self, prompt: str, labels: Sequence[str]) -> NDArray[np.float64]:
        """(K,) log-probabilities of the labels of one question."""
        choice = importlib.import_module("langchain_core.decisions").Choice
        question = choice(instructions=words("decide"), criteria=dict.fromkeys(labels))
        response = self._model.invoke({"state": prompt, "questions": {_QUESTION: question}})
        self._requests.add(tokens(response.usage))
        answer = response.choices.get(_QUESTION)
        if answer is None:
            raise LanguageModelError(
                f"{self.name} did not answer the question; it answered: {', '.join(response.answers) or 'nothing'}"
            )
        return np.array([self._log(answer.probabilities, label) for label in labels])

    def _log(self, probabilities: Mapping[str, float], label: str) -> float:
        found = probabilities.get(label)
        if found is None:
            raise LanguageModelError(
                f"{self.name} gave no probability for {label!r}; it must give one for every option"
            )
        if not 0.0 <= found <= 1.0 + 1e-6:
            raise LanguageModelError(f"{self.name} gave {found} for {label!r}; it must be a probability in [0, 1]")
        return float(np.log(found)) if found > 0.0 else -np.inf
