from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import (
    DecisionInterruptedError,
    LanguageModelError,
    MissingPartError,
    ModelRefusalError,
    ModelUnavailableError,
)
from saycan.language import Approximate, LanguageModel
from saycan.planners import fallback
from saycan.planners.fallback import FallbackModel
from saycan.usage import Metered, Usage


class Model:
    def __init__(self, name: str, answer: float, error: Exception | None = None) -> None:
        self.name, self.answer, self.error = name, answer, error
        self.usage, self.closed = Usage(), False
        self.approximation = f"{name} is a guess"

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.usage += Usage(requests=1)
        if self.error is not None:
            raise self.error
        return np.full(len(options), self.answer)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(fallback.time, "monotonic", lambda: now[0])
    return now


def test_the_second_stands_in_until_the_first_is_asked_again(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    first, second, made = Model("first", -1.0), Model("second", -2.0), []
    model = FallbackModel(first, lambda: made.append(1) or second)  # type: ignore[func-returns-value]
    assert isinstance(model, LanguageModel)
    assert isinstance(model, Metered)
    assert isinstance(model, Approximate)
    assert model.score("", ["a", "b"]).tolist() == [-1.0, -1.0]
    assert (model.name, made) == ("first", [])

    first.error = ModelUnavailableError("first does not answer")
    assert model.score("", ["a"]).tolist() == [-2.0]
    assert (model.name, model.approximation, made) == ("second", "second is a guess", [1])
    assert "first does not answer; for 60 s second stands in" in caplog.text
    first.error = None
    assert model.score("", ["a"]).tolist() == [-2.0], "not asked again so soon"
    clock[0] += 61.0
    assert model.score("", ["a"]).tolist() == [-1.0]
    assert (model.name, made) == ("first", [1])
    assert model.usage == Usage(requests=5)
    model.close()
    assert first.closed
    assert second.closed


@pytest.mark.parametrize("error", [ModelRefusalError("no"), LanguageModelError("nan"), KeyboardInterrupt()])
def test_an_answer_is_not_shopped_around(error: BaseException) -> None:
    def never() -> LanguageModel:
        raise AssertionError

    first = Model("first", 0.0)
    first.error = error  # type: ignore[assignment]
    with pytest.raises(type(error)):
        FallbackModel(first, never).score("", ["a"])


@pytest.mark.parametrize("error", [MissingPartError("install it"), RuntimeError("install it")])
def test_a_second_that_cannot_be_made_is_told_with_the_reason_of_the_first_and_tried_again(
    clock: list[float], error: Exception
) -> None:
    first, second = Model("first", 0.0, ModelUnavailableError("first is gone")), Model("second", -2.0)
    makers: list[Exception | Model] = [error, error, second]

    def make() -> LanguageModel:
        made = makers.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    model = FallbackModel(first, make)
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match=r"first is gone; and .* cannot be had: install it") as caught:
            model.score("", ["a"])
        assert caught.value.__cause__ is error
        assert model.name == "first"
    assert model.score("", ["a"]).tolist() == [-2.0]
    assert (model.name, first.usage) == ("second", Usage(requests=3))


@pytest.mark.parametrize("error", [DecisionInterruptedError("stopped"), KeyboardInterrupt()])
def test_an_interruption_while_the_second_is_made_stays_one(error: BaseException) -> None:
    def interrupted() -> LanguageModel:
        raise error

    first = Model("first", 0.0, ModelUnavailableError("first is gone"))
    with pytest.raises(type(error)):
        FallbackModel(first, interrupted).score("", ["a"])


def test_when_both_are_gone_the_second_says_so() -> None:
    first = Model("first", 0.0, ModelUnavailableError("first is gone"))
    second = Model("second", 0.0, ModelUnavailableError("second is gone"))
    model = FallbackModel(first, lambda: second)
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match="second is gone"):
            model.score("", ["a"])
    assert first.usage == Usage(requests=1)
