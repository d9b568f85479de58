"""The "Generative" ablation of the paper (Ahn et al. 2022, arXiv:2204.01691, section 5), made safe.

    proposal = the language model's own next line             not a choice among the options
    skill*   = the one skill that the proposal names           exactly, or none
    accepted   if can(skill*) >= min_value                     affordance comes after, not within

What cannot be done is not done: the proposal is told to the model as a step that failed, in the way in which the loop
tells real failures, and the model proposes again. SayCan weighs every option instead and never needs a second try.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import BadInputError, ModelRefusalError
from saycan.interruption import check_interruption
from saycan.language import LanguageModel, Shortlister, TextGenerator
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planners.checked import checked_shortlist, checked_text, checked_values
from saycan.planners.phrasebook import Phrasebook
from saycan.planners.prompt import Prompt
from saycan.skill import Skill
from saycan.step import Memory, Outcome, Step
from saycan.usage import usage_of
from saycan.value import ValueFunction

MIN_VALUE = 0.1
"""Least value of what is carried out: above that of skills that are of no use or not ready, below that of driving."""

_FIRST_CANDIDATES = 16
_LONGEST_PROPOSAL = 120  # characters that are told back


class GenerativePlanner:
    """Implements `saycan.planner.Planner`.

    A decision holds the whole library, with all of say on the last proposal that named a skill: a proposal says
    nothing of the others. `Decision.note` tells what was proposed before, and why nothing was chosen.

    Args:
        language_model: Proposes; a `saycan.language.TextGenerator`, or with `constrained` a `Shortlister`.
        values: Can.
        library: The options.
        prompt: The words around the task; when None the one that the model was trained on, or the packaged kitchen's.
        min_value: Least value of what is carried out, in [0, 1].
        attempts: Proposals for one decision, at least 1.
        synonyms: Other names that the model may use, see `Phrasebook`; for the kitchen `KITCHEN.synonyms`.
        constrained: The model may say whole options only: the likeliest that has enough value is its proposal, and
            `attempts` does not matter, since candidates cost no generation.

    Raises:
        BadInputError: A number out of its range, or a model that cannot propose.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        values: ValueFunction,
        library: SkillLibrary,
        prompt: Prompt | None = None,
        *,
        min_value: float = MIN_VALUE,
        attempts: int = 3,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        constrained: bool = False,
    ) -> None:
        if not 0.0 <= min_value <= 1.0:
            raise BadInputError(f"min_value is a probability in [0, 1], found {min_value}; {MIN_VALUE} is the default")
        if attempts < 1:
            raise BadInputError(f"attempts must be at least 1, found {attempts}; 3 is the default")
        kind = type(language_model).__name__
        if constrained and not isinstance(language_model, Shortlister):
            raise BadInputError(
                f"a constrained planner needs a model with shortlist(); {kind} {language_model.name!r} has none. "
                "Use another model, without a fallback, which only scores; constrained=False; or SayCanPlanner, which "
                "needs score() alone"
            )
        if not constrained and not isinstance(language_model, TextGenerator):
            raise BadInputError(
                f"a generative planner needs a model with generate(); {kind} {language_model.name!r} has none. "
                "Use another model, without a fallback, which only scores; or SayCanPlanner, which needs score() alone"
            )
        self.language_model, self.values, self.library = language_model, values, library
        self.prompt = prompt.about(library) if prompt else Prompt.of(language_model, library)
        self.min_value, self.attempts, self.constrained = min_value, attempts, constrained
        self._phrasebook = Phrasebook(library, self.prompt, synonyms)
        # Once it has read of a failure, a small model likes to foretell the next one: that is no part of the phrase.
        failed = self.prompt.failure.partition("{message}")[0]
        # One that was taught steps alone writes the next ones behind the first.
        next_one = f"{self.prompt.end} "
        parts = any(next_one in phrase for phrase in library.phrases)
        more = [text for text in (failed, "" if parts else next_one) if text.strip()]
        self._stop = ("\n", *more)
        self._max_tokens = 16 + 3 * max(len(phrase.split()) for phrase in library.phrases)

    def decide(self, instruction: str, memory: Sequence[Memory], observation: Observation) -> Decision:
        """The first proposal that names a skill of enough value; none when no proposal did, or the model declines.

        Raises LanguageModelError or ValueFunctionError.
        """
        skills, model = tuple(self.library), self.language_model
        prompt = self.prompt.render(instruction, memory)
        spent, refusal = usage_of(model), ""

        started = time.perf_counter()
        can = checked_values(self.values, observation, skills)  # (N,) in [0, 1]
        seconds_can = time.perf_counter() - started

        proposed: int | None = None
        accepted = False
        turned_down: list[Step] = []
        started = time.perf_counter()
        try:
            if self.constrained:
                proposed = self._likeliest(prompt, can)
                accepted = proposed is not None
            while not self.constrained and not accepted and len(turned_down) < self.attempts:
                check_interruption()
                prompt = self.prompt.render(instruction, (*memory, *turned_down))
                words = self._propose(prompt)
                named = self._phrasebook.find(words)
                accepted = named is not None and self._is_enough(can[named])
                proposed = proposed if named is None else named
                if not accepted:
                    turned_down.append(self._turn_down(words, named, can))
        except ModelRefusalError as error:
            proposed, refusal = None, str(error)
        seconds_say = time.perf_counter() - started

        say, chosen = np.zeros(len(skills)), proposed if accepted else None
        if proposed is not None:
            say[proposed] = 1.0
        log_say = np.where(say > 0, 0.0, -np.inf)
        combined = say if accepted else np.zeros(len(skills))
        return Decision(
            skills, say, can, combined, log_say, chosen, prompt, seconds_say, seconds_can,
            model=model.name, usage=usage_of(model) - spent, refusal=refusal, note=self._note(turned_down, chosen),
        )  # fmt: skip

    def _propose(self, prompt: str) -> str:
        """The model's next line, fit to be told back."""
        assert isinstance(self.language_model, TextGenerator), "checked when this planner was made"
        text = checked_text(self.language_model, prompt, self._max_tokens, self._stop)
        printable = "".join(letter if letter.isprintable() else " " for letter in text)
        return " ".join(printable.split())

    def _likeliest(self, prompt: str, can: NDArray[np.float64]) -> int | None:
        """The owner of the likeliest whole option that has enough value; more candidates are asked for as needed."""
        assert isinstance(self.language_model, Shortlister), "checked when this planner was made"
        texts, owners = self.prompt.options(tuple(self.library))
        count = min(_FIRST_CANDIDATES, len(texts))
        while True:
            check_interruption()
            ranked = owners[checked_shortlist(self.language_model, prompt, texts, count)]
            enough = [int(owner) for owner in ranked if self._is_enough(can[owner])]
            if enough or count == len(texts):
                return enough[0] if enough else None
            count = min(4 * count, len(texts))

    def _is_enough(self, value: float) -> bool:
        return bool(value >= self.min_value and value > 0.0)

    def _turn_down(self, words: str, named: int | None, can: NDArray[np.float64]) -> Step:
        """A proposal that is not carried out, as the step that failed which the model is told of."""
        if named is not None:
            why = "cannot be done now"
        elif words:
            near = self._phrasebook.nearest(words)
            why = "no such skill" + (f"; there is: {', '.join(near)}" if near else "")
        else:
            why = "nothing was said"
        phrase = words.rstrip(".")[:_LONGEST_PROPOSAL] if named is None else self.library[named].phrase
        skill = Skill(phrase or "nothing", "proposal")
        return Step(1, skill, Outcome.FAILED, why)

    def _note(self, turned_down: Sequence[Step], chosen: int | None) -> str:
        """What a person wants to know about a decision that was not made at once."""
        if self.constrained:
            return "" if chosen is not None else f"no option has a value of {self.min_value:g} or more"
        told = "; ".join(f"{step.skill.phrase!r} ({step.message})" for step in turned_down)
        if not told:
            return ""
        return f"proposed before: {told}" if chosen is not None else f"proposed, and not carried out: {told}"
