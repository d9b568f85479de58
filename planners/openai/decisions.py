"""Decisions: OpenAI's endpoint for choices (`client.decisions`), which returns the probability of every option.

One question takes from 2 to 255 choices and one request from 1 to 400 questions about the same input (openai 3.54,
types/decision_create_params.py; other servers with this endpoint may take fewer choices). A library of up to 255
options is one question; a larger one is dealt into several questions of one request, and a second request asks among
their winners (`saycan.planners.rounds`), so that 65,025 options take two requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, ModelRefusalError
from saycan.planners.deadline import Deadline
from saycan.planners.openai.body import Body
from saycan.planners.openai.connection import Connection, ConnectionOptions, Send
from saycan.planners.openai.model import ServedModel
from saycan.planners.openai.words import Words
from saycan.planners.rounds import Group, in_rounds

if TYPE_CHECKING:
    from openai.types.decision_create_params import Question

MODELS = ("gpt-6-luna",)
"""Models that answer at this endpoint (openai 3.54, resources/decisions.py)."""

_QUESTIONS = 400
_ROUNDING = 0.02  # by how much the probabilities of one question may miss 1


class DecisionsModel(ServedModel):
    """Scores by /decisions: one request for up to 255 options, two for up to 65,025.

    Args:
        spec, options: See `ServedModel`.
        choices: How many options one question holds at most.
    """

    kind = "openai-decisions"

    def __init__(self, spec: str | Connection, *, choices: int = 255, **options: Unpack[ConnectionOptions]) -> None:
        if choices < 2:
            raise BadInputError(f"a question must hold at least 2 choices, found {choices}")
        super().__init__(spec, **options)
        self._choices = choices

    @property
    def approximation(self) -> str:
        """What is lost."""
        return "the server's own probabilities of a choice, not log-probabilities of the words"

    def prepare(self, deadline: Deadline) -> None:
        """Nothing to find out: whoever names this kind knows that the server has the endpoint."""

    def score_within(self, prompt: str, options: Sequence[str], deadline: Deadline) -> NDArray[np.float64]:
        """(N,) float64 nats, normalised. Raises ModelRefusalError when any question is declined."""
        stripped = [option.strip() for option in options]
        values = stripped if len(set(stripped)) == len(stripped) and all(stripped) else list(options)

        def ask(groups: list[Group]) -> list[NDArray[np.float64]]:
            return self._ask(prompt, [[values[index] for index in group] for group in groups], deadline)

        return in_rounds(len(options), self._choices, ask)

    def _ask(self, prompt: str, groups: list[list[str]], deadline: Deadline) -> list[NDArray[np.float64]]:
        """For each group, (K,) log-probabilities of its values."""
        model = self.connection.model(deadline)
        parts = [groups[start : start + _QUESTIONS] for start in range(0, len(groups), _QUESTIONS)]
        bodies = self.connection.ask_all([self._send(model, prompt, part) for part in parts], deadline)
        logs = []
        for body, part in zip(bodies, parts, strict=True):
            answers = list(body.at("answers"))
            if len(answers) != len(part):
                raise body.at("answers").wrong(f"a list of {len(part)}, one for each question")
            logs += [_read(answer, group) for answer, group in zip(answers, part, strict=True)]
        return logs

    def _send(self, model: str, prompt: str, groups: list[list[str]]) -> Send:
        questions: list[Question] = [
            {
                "type": "choice",
                "name": f"group {number}",
                "instructions": Words.load().choice,
                "choices": [{"value": value} for value in group],
            }
            for number, group in enumerate(groups, start=1)
        ]
        return lambda client: client.decisions.with_streaming_response.create(
            model=model, input=prompt, questions=questions
        )


def _read(answer: Body, values: list[str]) -> NDArray[np.float64]:
    """(K,) log-probabilities from one answer; minus infinity for what has the probability 0."""
    kind = answer.at("type").value
    if kind == "refusal":
        raise ModelRefusalError(
            f"{answer.source} declined to choose ({answer.at('name').value or 'the only question'})"
        )
    if kind != "choice":
        raise answer.at("type").wrong('"choice" or "refusal"')
    found = {}
    for entry in answer.at("probabilities"):
        found[entry.at("value").text()] = entry.at("probability").probability()
    absent = [value for value in values if value not in found]
    if absent:
        raise answer.at("probabilities").wrong(f"a list with each choice; {absent[0]!r} is missing")
    probabilities = np.array([found[value] for value in values])
    total = float(probabilities.sum())
    if abs(total - 1.0) > _ROUNDING:
        raise answer.at("probabilities").wrong(f"probabilities that sum to 1, not {total:.4f}")
    with np.errstate(divide="ignore"):
        return np.log(probabilities / total)
