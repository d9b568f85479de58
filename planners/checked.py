"""What language models and value functions return, checked before anything is decided by it.

Both may be somebody else's code or somebody else's server: whatever they raise, and numbers that are none, become one
error that names the part and the option.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, SayCanError, ValueFunctionError
from saycan.language import LanguageModel, Shortlister, TextGenerator
from saycan.observation import Observation
from saycan.planners.stops import before
from saycan.skill import Skill
from saycan.value import ValueFunction


def checked_scores(model: LanguageModel, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
    """(N,) float64 log-probabilities in nats, at least one of them above minus infinity. Raises LanguageModelError."""
    source = f"language model {model.name!r}"
    with _failing_as(LanguageModelError, source):
        raw = model.score(prompt, options)
    scores = _numbers(raw, options, source, LanguageModelError)
    # Minus infinity is an honest answer, "never"; NaN and positive log-probabilities are not.
    _refuse(np.isnan(scores) | (scores > 1e-6), scores, options, source, LanguageModelError)
    if np.isneginf(scores).all():
        raise LanguageModelError(f"{source} finds all {len(options)} options impossible")
    return scores


def checked_text(model: TextGenerator, prompt: str, max_tokens: int, stop: Sequence[str]) -> str:
    """What the model would write next, up to the first stop text. Raises LanguageModelError."""
    source = f"language model {getattr(model, 'name', type(model).__name__)!r}"
    with _failing_as(LanguageModelError, source):
        raw: object = model.generate(prompt, max_tokens=max_tokens, stop=tuple(stop))
    if not isinstance(raw, str):
        raise LanguageModelError(f"{source} generated {type(raw).__name__}; it must be a string")
    return before(raw.lstrip(), stop)


def checked_shortlist(shortlister: Shortlister, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
    """(K,) int64, indices of different options, best first, 1 <= K <= count. Raises LanguageModelError."""
    source = f"shortlister {getattr(shortlister, 'name', type(shortlister).__name__)!r}"
    with _failing_as(LanguageModelError, source):
        raw = np.asarray(shortlister.shortlist(prompt, options, count))
    if raw.ndim != 1 or not 1 <= len(raw) <= count or not np.issubdtype(raw.dtype, np.integer):
        raise LanguageModelError(
            f"{source} returned shape {raw.shape} of {raw.dtype}; it must be 1 to {count} whole numbers, one a row"
        )
    if raw.min() < 0 or raw.max() >= len(options) or len(np.unique(raw)) < len(raw):
        raise LanguageModelError(
            f"{source} returned {raw[:8]}...; valid: different indices from 0 to {len(options) - 1}"
        )
    return raw.astype(np.int64)


def checked_values(function: ValueFunction, observation: Observation, skills: Sequence[Skill]) -> NDArray[np.float64]:
    """(N,) float64 in [0, 1], one for each skill. Raises ValueFunctionError."""
    source = f"value function {type(function).__name__}"
    with _failing_as(ValueFunctionError, source):
        raw = function.values(observation, skills)
    phrases = [skill.phrase for skill in skills]
    values = _numbers(raw, phrases, source, ValueFunctionError)
    _refuse(~((values >= 0) & (values <= 1)), values, phrases, source, ValueFunctionError)
    return values


@contextmanager
def _failing_as(kind: type[SayCanError], source: str) -> Iterator[None]:
    """Whatever is raised within, but for our own errors, becomes one that names the source."""
    try:
        yield
    except SayCanError:
        raise
    except Exception as error:
        raise kind(f"{source} failed: {type(error).__name__}: {error}") from error


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
