"""Say: how much the language model wants each skill next, from what it gives to the words of its phrase.

Three ways to make one number of an option's tokens t_1 ... t_n, chosen by name:

    sum     log p(t_1 ... t_n | prompt)                            the paper's
    mean    log p(t_1 ... t_n | prompt) / n                        does not prefer short options
    prior   log p(t_1 ... t_n | prompt) - log p(t_1 ... t_n | prompt without an instruction)
            does not prefer options that are likely whatever was asked (domain-conditional pointwise mutual
            information, Holtzman et al. 2021, arXiv:2104.08315)

Then a skill gets the sum over its wordings: to a language model "the counter" and "the close counter" are two events.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError
from saycan.language import LanguageModel, TokenCounter
from saycan.planners.checked import checked_scores
from saycan.planners.prompt import Prompt
from saycan.skill import Skill

_PRIORS = 16  # libraries and shortlists whose scores with nothing asked for are kept, the newest
_TRIES = 3  # for two answers of one model; a stand-in that changes once needs two


class Scoring(StrEnum):
    """How an option's tokens become one number; see the module."""

    SUM = "sum"
    MEAN = "mean"
    PRIOR = "prior"


class Say:
    """Scores skills with a language model.

    Args:
        model: The language model.
        prompt: The words around a task, and the wordings of phrases.
        scoring: One of `Scoring`, by name.

    Raises:
        BadInputError: No such scoring, or one that this model cannot do.
    """

    def __init__(self, model: LanguageModel, prompt: Prompt, scoring: str = Scoring.SUM) -> None:
        if scoring not in list(Scoring):
            raise BadInputError(f"unknown scoring {scoring!r}; valid: {', '.join(Scoring)}")
        if scoring == Scoring.MEAN and not isinstance(model, TokenCounter):
            raise BadInputError(
                f"scoring 'mean' divides by a number of tokens that {type(model).__name__} {model.name!r} does not "
                "tell; use 'sum' or 'prior', or a model that tells it, without a fallback, which only scores"
            )
        self.model, self.prompt, self.scoring = model, prompt, Scoring(scoring)
        self._priors: dict[tuple[str, ...], NDArray[np.float64]] = {}  # by the model's name and the texts

    def log_say(self, prompt: str, skills: Sequence[Skill]) -> NDArray[np.float64]:
        """(N,) float64 nats, one for each skill, not normalised. Raises LanguageModelError."""
        texts, owners = self.prompt.options(skills)  # (M,) what is scored, (M,) whose wording it is
        if self.scoring is Scoring.PRIOR:
            scores = self._beyond_prior(prompt, texts)
        else:
            scores = checked_scores(self.model, prompt, texts)
        if self.scoring is Scoring.MEAN and isinstance(self.model, TokenCounter):
            scores = scores / self.model.lengths(prompt, texts)
        log_say = np.full(len(skills), -np.inf)
        np.logaddexp.at(log_say, owners, scores)
        return log_say

    def _beyond_prior(self, prompt: str, texts: list[str]) -> NDArray[np.float64]:
        """(M,) scores less those with nothing asked for, both of the same model.

        The latter are the same for every step of every run, so they are asked for once for a library. Between the two
        calls another model may have begun to stand in; it is then asked for both.
        """
        for _ in range(_TRIES):
            scores = checked_scores(self.model, prompt, texts)
            key = (self.model.name, *texts)
            if key not in self._priors:
                prior = checked_scores(self.model, self.prompt.render(""), texts)
                while len(self._priors) >= _PRIORS:
                    del self._priors[next(iter(self._priors))]
                # What is never said is not made likely.
                self._priors[self.model.name, *texts] = np.where(np.isneginf(prior), 0.0, prior)
            if key in self._priors:
                return scores - self._priors[key]
        raise LanguageModelError(
            f"scoring 'prior' needs two answers of one model, and another one answered {_TRIES} times; it is "
            f"{self.model.name!r} now. Try again, or use scoring 'sum'"
        )
