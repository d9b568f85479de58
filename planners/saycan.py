"""The SayCan decision (Ahn et al. 2022, arXiv:2204.01691, algorithm 1).

    skill* = argmax over skills of  say(skill) * can(skill)

    say(skill) = p(skill | prompt) / sum over skills of p(skill | prompt)     the language model: is it worth doing?
    p(skill | prompt) = sum over its wordings of p(words | prompt)            one wording, unless the prompt has more
    can(skill) = p(success | observation, skill)                              the value function: would it work now?

The prompt holds the instruction and every step taken so far, failed ones told as failed, and whatever people and
detectors have said in between (Huang et al. 2022, arXiv:2207.05608). Everything is computed afresh for every step.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import LanguageModelError, SayCanError, ValueFunctionError
from saycan.language import LanguageModel
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planners.prompt import Prompt
from saycan.skill import Skill
from saycan.step import Memory
from saycan.value import ValueFunction


class SayCanPlanner:
    """Implements `saycan.planner.Planner`.

    Args:
        language_model: Say.
        values: Can.
        library: The options.
        prompt: The words around the task; the packaged kitchen prompt when None.
    """

    def __init__(
        self, language_model: LanguageModel, values: ValueFunction, library: SkillLibrary, prompt: Prompt | None = None
    ) -> None:
        self.language_model, self.values, self.library = language_model, values, library
        self.prompt = prompt or Prompt.load("kitchen")

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The skill with the largest say * can; none when no skill can succeed.

        Raises LanguageModelError or ValueFunctionError, naming the option whose score cannot be used.
        """
        skills = tuple(self.library)
        prompt = self.prompt.render(instruction, memory)

        started = time.perf_counter()
        log_say = self._log_say(prompt, skills)  # (N,) nats
        likelihood = np.exp(log_say - log_say.max())  # the largest becomes 1, so that nothing underflows to 0 / 0
        say = likelihood / likelihood.sum()  # (N,) sums to 1
        seconds_say = time.perf_counter() - started

        started = time.perf_counter()
        can = self._can(observation, skills)  # (N,) in [0, 1]
        seconds_can = time.perf_counter() - started

        product = say * can  # (N,)
        total = product.sum()
        combined = product / total if total > 0 else np.zeros_like(product)
        chosen = int(combined.argmax()) if total > 0 else None
        return Decision(skills, say, can, combined, log_say, chosen, prompt, seconds_say, seconds_can)

    def _log_say(self, prompt: str, skills: tuple[Skill, ...]) -> NDArray[np.float64]:
        source = f"language model {self.language_model.name!r}"
        texts, owners = self.prompt.options(skills)  # (M,) what is scored, (M,) whose wording it is
        try:
            raw = self.language_model.score(prompt, texts)
        except SayCanError:
            raise
        except Exception as error:
            raise LanguageModelError(f"{source} failed: {type(error).__name__}: {error}") from error
        scores = _numbers(raw, texts, source, LanguageModelError)
        # Minus infinity is an honest answer, "never"; NaN and positive log-probabilities are not.
        _refuse(np.isnan(scores) | (scores > 1e-6), scores, texts, source, LanguageModelError)
        if np.isneginf(scores).all():
            raise LanguageModelError(f"{source} finds all {len(skills)} options impossible")
        log_say = np.full(len(skills), -np.inf)
        np.logaddexp.at(log_say, owners, scores)
        return log_say

    def _can(self, observation: Observation, skills: tuple[Skill, ...]) -> NDArray[np.float64]:
        source = f"value function {type(self.values).__name__}"
        try:
            raw = self.values.values(observation, skills)
        except SayCanError:
            raise
        except Exception as error:
            raise ValueFunctionError(f"{source} failed: {type(error).__name__}: {error}") from error
        phrases = [skill.phrase for skill in skills]
        values = _numbers(raw, phrases, source, ValueFunctionError)
        _refuse(~((values >= 0) & (values <= 1)), values, phrases, source, ValueFunctionError)
        return values


def _numbers(raw: object, options: Sequence[str], source: str, error: type[SayCanError]) -> NDArray[np.float64]:
    """One number for each option, or an error that says what came instead."""
    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as cause:
        raise error(f"{source} returned {type(raw).__name__}, which is not an array of numbers: {cause}") from cause
    if array.shape != (len(options),):
        raise error(f"{source} returned shape {array.shape}; it must be ({len(options)},), one number for each option")
    return array


def _refuse(
    bad: NDArray[np.bool_], found: NDArray[np.float64], options: Sequence[str], source: str, error: type[SayCanError]
) -> None:
    if bad.any():
        worst = int(bad.argmax())
        valid = "a log-probability, at most 0" if error is LanguageModelError else "a probability in [0, 1]"
        raise error(
            f"{source} returned {found[worst]} for {options[worst].strip()!r} ({int(bad.sum())} of {len(options)} are "
            f"wrong); it must be {valid}"
        )
