"""Propose, then score: the SayCan decision over libraries too large to score whole.

    possible  = skills with can > 0                           cheap, first
    shortlist = the `count` likeliest of them, and "done"     by the model's own search, or by an embedding
    skill*    = argmax over the shortlist of  say * can        exact log-probabilities, all wordings of a skill added up

A library of at most `count` skills is scored whole, and the decision is that of `SayCanPlanner`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import BadInputError, ModelRefusalError
from saycan.language import LanguageModel, Shortlister
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planners.checked import checked_shortlist, checked_values
from saycan.planners.embedding import EmbeddingShortlister
from saycan.planners.experience import PATIENCE, after_failures
from saycan.planners.lexical import LexicalEmbedder
from saycan.planners.prompt import Prompt
from saycan.planners.say import Say, Scoring
from saycan.planners.saycan import combine
from saycan.skill import DONE
from saycan.step import Memory
from saycan.usage import usage_of
from saycan.value import ValueFunction

COUNT = 64
"""Skills that are scored exactly; `benchmarks/shortlist.py` measures what more or fewer would do."""


class ShortlistPlanner:
    """Implements `saycan.planner.Planner`.

    A decision holds the shortlist alone, in the order of the library, and say is normalised over it.

    Args:
        language_model: Say.
        values: Can.
        library: The options.
        prompt: The words around the task; when None the one that the model was trained on, or the packaged kitchen's.
        count: Skills that are scored exactly, "done" among them; at least 2.
        shortlister: Narrows. When None the model itself, if it is a `saycan.language.Shortlister`; else the words of
            the instruction and of the phrases (`saycan.planners.lexical`).
        scoring: As in `SayCanPlanner`; the model's own search ranks by "sum" whatever it is.
        patience: As in `SayCanPlanner`.

    Raises:
        BadInputError: A count below 2.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        values: ValueFunction,
        library: SkillLibrary,
        prompt: Prompt | None = None,
        *,
        count: int = COUNT,
        shortlister: Shortlister | None = None,
        scoring: str = Scoring.SUM,
        patience: Mapping[str, float] | None = PATIENCE,
    ) -> None:
        if count < 2:
            raise BadInputError(f"a shortlist holds 'done' and something else: count must be at least 2, found {count}")
        self.language_model, self.values, self.library = language_model, values, library
        self.prompt = prompt.about(library) if prompt else Prompt.of(language_model, library)
        self.count, self.shortlister = count, shortlister or _shortlister_of(language_model, self.prompt)
        self.patience = patience
        self._say = Say(language_model, self.prompt, scoring)

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The skill of the shortlist with the largest say * can; none when none can succeed, or the model declines.

        Raises LanguageModelError or ValueFunctionError.
        """
        prompt = self.prompt.render(instruction, memory)
        spent, refusal = usage_of(self.language_model), ""

        started = time.perf_counter()
        library = tuple(self.library)
        seen = checked_values(self.values, observation, library)  # (N,) in [0, 1]
        every = after_failures(seen, library, memory, self.patience)  # (N,) in [0, 1]
        seconds_can = time.perf_counter() - started

        started = time.perf_counter()
        try:
            kept = self._narrow(prompt, every)  # (K,) sorted indices into the library
            skills = tuple(self.library[index] for index in kept)
            log_say = self._say.log_say(prompt, skills)  # (K,) nats
        except ModelRefusalError as error:
            skills, kept, refusal = (self.library[-1],), np.array([len(self.library) - 1]), str(error)
            log_say = np.full(1, -np.inf)
        seconds_say = time.perf_counter() - started

        can = every[kept]
        say, combined, chosen = combine(log_say, can)
        note = ""
        if not refusal and len(skills) < len(self.library):
            note = f"{len(skills)} of {len(self.library)} skills scored; {int((every > 0).sum())} can succeed"
        return Decision(
            skills, say, can, combined, log_say, chosen, prompt, seconds_say, seconds_can,
            model=self.language_model.name, usage=usage_of(self.language_model) - spent, refusal=refusal, note=note,
        )  # fmt: skip

    def _narrow(self, prompt: str, can: NDArray[np.float64]) -> NDArray[np.int64]:
        """(K,) int64 sorted indices of the skills to score, K <= count, the last of which is "done"."""
        library = tuple(self.library)
        if len(library) <= self.count:
            return np.arange(len(library))
        done = len(library) - 1
        assert library[done].phrase == DONE.phrase, "a library ends with it"
        possible = np.flatnonzero(can[:done] > 0)
        room = self.count - 1
        if len(possible) > room:
            texts, owners = self.prompt.options([library[index] for index in possible])
            ranked = owners[checked_shortlist(self.shortlister, prompt, texts, room)]
            possible = possible[np.unique(ranked)]  # two wordings of one skill take one place
        return np.append(possible, done)


def _shortlister_of(model: LanguageModel, prompt: Prompt) -> Shortlister:
    """The model itself, or the letters of words: of the embeddings that were measured, no other found more."""
    return model if isinstance(model, Shortlister) else EmbeddingShortlister(LexicalEmbedder(), prompt)
