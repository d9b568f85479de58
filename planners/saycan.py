"""The SayCan decision (Ahn et al. 2022, arXiv:2204.01691, algorithm 1).

    skill* = argmax over skills of  say(skill) * can(skill)

    say(skill) = p(skill | prompt) / sum over skills of p(skill | prompt)     the language model: is it worth doing?
    can(skill) = p(success | observation, skill)                              the value function: would it work now?

What has failed before is less likely to work than the picture alone says (`saycan.planners.experience`).

The prompt holds the instruction and every step taken so far, failed ones told as failed, and whatever people and
detectors have said in between (Huang et al. 2022, arXiv:2207.05608). Everything is computed afresh for every step.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import ModelRefusalError
from saycan.language import LanguageModel
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planners.checked import checked_values
from saycan.planners.experience import PATIENCE, after_failures
from saycan.planners.prompt import Prompt
from saycan.planners.say import Say, Scoring
from saycan.step import Memory
from saycan.usage import usage_of
from saycan.value import ValueFunction


class SayCanPlanner:
    """Implements `saycan.planner.Planner`.

    Args:
        language_model: Say.
        values: Can.
        library: The options.
        prompt: The words around the task; when None the one that the model was trained on, or the packaged kitchen's.
        scoring: How an option's tokens become one number: "sum", "mean" or "prior" (`saycan.planners.say`).
        patience: Verb to how many attempts a value weighs as much as when a skill has failed; None takes values as they
            are (`saycan.planners.experience`).
    """

    def __init__(
        self,
        language_model: LanguageModel,
        values: ValueFunction,
        library: SkillLibrary,
        prompt: Prompt | None = None,
        scoring: str = Scoring.SUM,
        patience: Mapping[str, float] | None = PATIENCE,
    ) -> None:
        self.language_model, self.values, self.library = language_model, values, library
        self.prompt = prompt.about(library) if prompt else Prompt.of(language_model, library)
        self.patience = patience
        self._say = Say(language_model, self.prompt, scoring)

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The skill with the largest say * can; none when no skill can succeed, or when the language model declines.

        Raises LanguageModelError or ValueFunctionError, naming the option whose score cannot be used.
        """
        skills = tuple(self.library)
        prompt = self.prompt.render(instruction, memory)
        spent, refusal = usage_of(self.language_model), ""

        started = time.perf_counter()
        try:
            log_say = self._say.log_say(prompt, skills)  # (N,) nats
        except ModelRefusalError as error:
            log_say, refusal = np.full(len(skills), -np.inf), str(error)
        seconds_say = time.perf_counter() - started

        started = time.perf_counter()
        seen = checked_values(self.values, observation, skills)  # (N,) in [0, 1]
        can = after_failures(seen, skills, memory, self.patience)  # (N,) in [0, 1]
        seconds_can = time.perf_counter() - started

        say, combined, chosen = combine(log_say, can)
        return Decision(
            skills, say, can, combined, log_say, chosen, prompt, seconds_say, seconds_can,
            model=self.language_model.name, usage=usage_of(self.language_model) - spent, refusal=refusal,
        )  # fmt: skip


def combine(
    log_say: NDArray[np.float64], can: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int | None]:
    """The decision itself.

    Args:
        log_say: (N,) nats, up to a constant; minus infinity where a skill is out of the question.
        can: (N,) in [0, 1].

    Returns:
        (N,) say, which sums to 1; (N,) say * can, normalised to sum to 1; and the index of its largest entry. Zeros and
        None where nothing is left.
    """
    if np.isneginf(log_say).all():
        return np.zeros_like(can), np.zeros_like(can), None
    likelihood = np.exp(log_say - log_say.max())  # the largest becomes 1, so that nothing underflows to 0 / 0
    say = likelihood / likelihood.sum()
    product = say * can
    total = product.sum()
    if not total > 0:
        return say, np.zeros_like(product), None
    combined = product / total
    return say, combined, int(combined.argmax())
