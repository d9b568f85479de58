"""A chat model scores options in each of three ways, exactly or with an error."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage

from saycan.agent import Agent
from saycan.errors import (
    BadInputError,
    DecisionInterruptedError,
    LanguageModelError,
    ModelRefusalError,
    ModelUnavailableError,
)
from saycan.interruption import interruptible
from saycan.language import Approximate, LanguageModel, TextGenerator, approximation_of
from saycan.planners.langchain import LangChainModel
from saycan.robots.fake import FakeRobot
from saycan.step import EndState
from saycan.usage import Metered, Usage
from tests.planners.langchain.fake_models import LetterModel, TextModel, ToolModel, ranking

ROOT = Path(__file__).parents[3]
OPTIONS = [" wave.", " bow.", " go to the close counter.", " done."]
PROMPT = "A robot lists steps.\n\nRequest: be polite\nSteps:\n1."


def in_turn(*answers):
    left = list(answers)
    return lambda question: left.pop(0)


def text_model(*answers, **options) -> tuple[TextModel, object]:
    model = TextModel(answer=in_turn(*answers))
    return model, LangChainModel(model, **options)


# What it is ---------------------------------------------------------------------------------------------------------


def test_it_keeps_the_contracts() -> None:
    _, say = text_model("wave")
    for protocol in (LanguageModel, TextGenerator, Metered, Approximate):
        assert isinstance(say, protocol)
    assert say.name == "langchain:TextModel:fake"


def test_a_chain_is_not_a_model() -> None:
    model, _ = text_model()
    with pytest.raises(BadInputError, match=r"takes a BaseChatModel or a BaseDecisionModel .* found RunnableSequence"):
        LangChainModel(model | str)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="unknown method 'magic'; valid: auto, logprobs, structured, text"):
        LangChainModel(model, method="magic")


# Text ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["wave", " Wave.\n", '"wave"', "- wave", "**WAVE**", "`wave.`"])
def test_an_answer_is_an_option_but_for_case_and_marks(answer: str) -> None:
    _, say = text_model(answer)
    np.testing.assert_array_equal(say.score(PROMPT, OPTIONS), [0.0, -np.inf, -np.inf, -np.inf])


def test_lines_are_an_order_of_preference() -> None:
    model, say = text_model("bow\nsomersault\nGo to the  close counter.\nbow")
    scores = say.score(PROMPT, OPTIONS)
    np.testing.assert_allclose(np.exp(scores), [0.0, 2 / 3, 1 / 3, 0.0])
    assert "order of preference of up to 10 options only" in approximation_of(say)
    assert PROMPT in model.asked[0]
    assert "\nwave\nbow\ngo to the close counter\ndone\n" in model.asked[0]


@pytest.mark.parametrize("answer", ["waves", "wav", "I would wave", "wave and bow", "go to the counter", ""])
def test_nothing_is_mapped_that_is_only_similar(answer: str) -> None:
    model, say = text_model(answer, answer)
    with pytest.raises(LanguageModelError, match="answered twice with something that is not an option"):
        say.score(PROMPT, OPTIONS)
    assert len(model.asked) == 2


def test_a_second_try_is_told_what_was_wrong_with_the_first() -> None:
    model, say = text_model("I would wave", "wave")
    assert say.score(PROMPT, OPTIONS).argmax() == 0
    assert model.asked[1].startswith(model.asked[0])
    assert "Your answer was: I would wave" in model.asked[1]
    assert say.usage == Usage(requests=2, tokens_in=200, tokens_cached=120, tokens_out=6)


def test_options_that_differ_in_case_alone_have_the_same_score() -> None:
    _, say = text_model("bow")
    np.testing.assert_array_equal(say.score(PROMPT, [" Bow.", " bow.", " wave."]), [0.0, 0.0, -np.inf])


# Structured ---------------------------------------------------------------------------------------------------------


def test_a_tool_call_states_probabilities() -> None:
    model = ToolModel(answer=in_turn(ranking(("wave", 0.5), ("Bow", 0.25), ("jump", 0.2))))
    say = LangChainModel(model)
    np.testing.assert_allclose(np.exp(say.score(PROMPT, OPTIONS)), [0.5, 0.25, 0.0, 0.0])
    option = model.given[0]["tools"][0]["function"]["parameters"]["properties"]["ranking"]["items"]["properties"]
    assert option["option"]["enum"] == ["wave", "bow", "go to the close counter", "done"]
    assert "probabilities that the model states" in approximation_of(say)
    assert say.usage == Usage(1, 100, 60, 3)


def test_probabilities_that_add_up_to_more_than_one_are_scaled() -> None:
    model = ToolModel(answer=in_turn(ranking(("wave", 0.9), ("bow", 0.9), ("wave", 0.1))))
    np.testing.assert_allclose(np.exp(LangChainModel(model).score(PROMPT, OPTIONS)), [0.5, 0.5, 0.0, 0.0])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (ranking(("wave", 1.5)), "1.5 is not a probability"),
        (ranking(("wave", float("nan"))), "nan is not a probability"),
        (ranking(("leap", 0.5)), "nothing that it gives a probability to"),
        (ranking(("wave", 0.0)), "nothing that it gives a probability to"),
        (ranking(), "nothing that it gives a probability to"),
        ("I would wave", "no call of the tool"),
    ],
)
def test_what_cannot_be_used_is_asked_for_once_more(bad, reason: str) -> None:
    model = ToolModel(answer=in_turn(bad, ranking(("bow", 1.0))))
    assert LangChainModel(model).score(PROMPT, OPTIONS).argmax() == 1
    assert reason in model.asked[1]
    with pytest.raises(LanguageModelError, match="answered twice"):
        LangChainModel(ToolModel(answer=lambda _: bad)).score(PROMPT, OPTIONS)


def test_arguments_of_another_shape_are_asked_for_once_more() -> None:
    bad = AIMessage("", tool_calls=[{"name": "NextStep", "args": {"ranking": "wave"}, "id": "1"}])
    model = ToolModel(answer=in_turn(bad, ranking(("bow", 1.0))))
    assert LangChainModel(model).score(PROMPT, OPTIONS).argmax() == 1
    assert "valid list" in model.asked[1]


def test_a_very_long_list_is_not_written_into_the_schema() -> None:
    options = [f" do number {index}." for index in range(300)]
    model = ToolModel(answer=in_turn(ranking(("do number 299", 1.0))))
    assert LangChainModel(model).score(PROMPT, options).argmax() == 299
    assert "enum" not in str(model.given[0]["tools"])


def test_a_model_without_tools_is_asked_in_text() -> None:
    say = LangChainModel(FakeListChatModel(responses=["bow"]))
    assert say.score(PROMPT, OPTIONS).argmax() == 1
    with pytest.raises(LanguageModelError, match="has no structured output"):
        LangChainModel(FakeListChatModel(responses=["bow"]), method="structured").score(PROMPT, OPTIONS)


# Log-probabilities --------------------------------------------------------------------------------------------------


def letter_model(count: int, seed: int = 0, **options) -> tuple[LetterModel, list[str], np.ndarray]:
    weights = np.random.default_rng(seed).dirichlet(np.full(count, 0.3)) + 1e-9
    weights /= weights.sum()
    model = LetterModel(weights={f"skill {i}": float(w) for i, w in enumerate(weights)}, **options)
    return model, [f" skill {index}." for index in range(count)], np.log(weights)


@pytest.mark.parametrize("count", [1, 2, 20, 21, 47, 156, 401])
def test_letters_in_rounds_give_the_distribution_that_the_model_has(count: int) -> None:
    model, options, expected = letter_model(count)
    say = LangChainModel(model)
    np.testing.assert_allclose(say.score(PROMPT, options), expected, atol=1e-9)
    assert all(given == {"logprobs": True, "top_logprobs": 20} for given in model.given)
    assert "probabilities of the options' letters" in approximation_of(say)
    rounds = {1: 0, 2: 1, 20: 1, 21: 3, 47: 4, 156: 9, 401: 21 + 2 + 1}
    assert say.usage.requests == len(model.asked) == rounds[count]


def test_a_letter_that_was_not_returned_is_no_likelier_than_those_that_were() -> None:
    model, options, expected = letter_model(20, returned=5)
    scores = LangChainModel(model).score(PROMPT, options)
    returned = np.argsort(-expected)[:5]
    others = np.setdiff1d(np.arange(20), returned)
    assert np.isfinite(scores).all()
    assert scores[others].max() <= scores[returned].min()
    np.testing.assert_allclose(scores[returned] - scores[returned[0]], expected[returned] - expected[returned[0]])


class PlainLetters(LetterModel):
    """Takes the setting, and returns nothing of it."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return TextModel._generate(self, messages, **kwargs)


def test_a_model_that_returns_none_is_asked_in_the_next_way_from_then_on() -> None:
    model = PlainLetters(answer=lambda question: "A" if "letter" in question else "bow")
    say = LangChainModel(model)
    assert "letters" in approximation_of(say)
    assert say.score(PROMPT, OPTIONS).argmax() == 1
    assert "order of preference" in approximation_of(say)
    say.score(PROMPT, OPTIONS)
    assert [("letter" in question) for question in model.asked] == [True, False, False]
    with pytest.raises(LanguageModelError, match="returned no log-probabilities"):
        LangChainModel(model, method="logprobs").score(PROMPT, OPTIONS)


class Chatty(LetterModel):
    """Returns log-probabilities, of words."""

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        result = TextModel._generate(self, messages, **kwargs)
        entry = {"token": "Sure", "logprob": -0.1, "top_logprobs": [{"token": "Sure", "logprob": -0.1}]}
        result.generations[0].message.response_metadata = {"logprobs": {"content": [entry]}}
        return result


def test_one_option_says_nothing_about_how_a_model_is_asked() -> None:
    asked = LangChainModel(PlainLetters(answer=lambda question: "A" if "letter" in question else "bow"))
    np.testing.assert_array_equal(asked.score(PROMPT, OPTIONS[:1]), [0.0])
    assert asked.score(PROMPT, OPTIONS).argmax() == 1


def test_a_model_that_answers_with_no_letters_is_asked_in_the_next_way_from_then_on() -> None:
    model = Chatty(answer=lambda question: "Sure" if "letter" in question else "bow")
    say = LangChainModel(model)
    for _ in range(2):
        assert say.score(PROMPT, OPTIONS).argmax() == 1
        assert "order of preference" in approximation_of(say)
    assert [("letter" in question) for question in model.asked] == [True, True, False, False]
    with pytest.raises(LanguageModelError, match="answered twice with something that is not an option: 'Sure'"):
        LangChainModel(model, method="logprobs").score(PROMPT, OPTIONS)


class BadRequestError(Exception):
    status_code = 400


def test_a_provider_that_refuses_the_setting_is_asked_in_the_next_way() -> None:
    answer = lambda question: BadRequestError("logprobs unsupported") if "letter" in question else "bow"  # noqa: E731
    assert LangChainModel(PlainLetters(answer=answer)).score(PROMPT, OPTIONS).argmax() == 1


def test_one_bad_prompt_does_not_settle_how_a_model_is_asked() -> None:
    working, bad = LetterModel(weights={"a": 0.75, "b": 0.25}), BadRequestError("too long")
    model = PlainLetters(answer=lambda _: bad)
    say = LangChainModel(model)
    with pytest.raises(LanguageModelError, match="does not take such a request: BadRequestError: too long"):
        say.score(PROMPT, OPTIONS)
    say._model = working
    np.testing.assert_allclose(np.exp(say.score(PROMPT, [" a.", " b."])), [0.75, 0.25])


# Refusals, errors, deadlines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (AIMessage([{"type": "refusal", "refusal": "I will not."}]), "I will not"),
        (AIMessage("", additional_kwargs={"refusal": "No knives."}), "No knives"),
        (AIMessage("", response_metadata={"stop_reason": "refusal"}), "withheld"),
        (AIMessage("", response_metadata={"finish_reason": "content_filter"}), "withheld"),
        (AIMessage("", response_metadata={"finish_reason": "SAFETY"}), "withheld"),
    ],
)
@pytest.mark.parametrize("kind", [TextModel, ToolModel, PlainLetters])
def test_a_refusal_is_one(kind, message: AIMessage, words: str) -> None:
    with pytest.raises(ModelRefusalError, match=words):
        LangChainModel(kind(answer=lambda _: message)).score(PROMPT, OPTIONS)


def named(name: str, base: type = Exception, **attributes) -> type[Exception]:
    return type(name, (base,), attributes)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (named("OpenAIRefusalError")("no"), ModelRefusalError),
        (named("RateLimitError")("slow down"), ModelUnavailableError),
        (named("Overloaded", status_code=529)("busy"), ModelUnavailableError),
        (named("MyTimeout", TimeoutError)("late"), ModelUnavailableError),
        (ConnectionRefusedError("nobody there"), ModelUnavailableError),
        (named("AuthenticationError", status_code=401)("key sk-secret-1234"), ModelUnavailableError),
        (named("HTTPStatusError", response=SimpleNamespace(status_code=403))("sk-secret-1234"), ModelUnavailableError),
        (named("HTTPStatusError", response=SimpleNamespace(status_code=503))("busy"), ModelUnavailableError),
        (named("HTTPStatusError", response=SimpleNamespace(status_code=404))("nothing here"), LanguageModelError),
        (named("HTTPStatusError", response=None)("nothing here"), LanguageModelError),
        (named("ContextOverflowError", BadRequestError)("too long"), LanguageModelError),
        (RuntimeError("broken"), LanguageModelError),
    ],
)
def test_errors_of_providers_become_ours(error: Exception, kind: type[Exception]) -> None:
    model, say = text_model(error)
    with pytest.raises(kind) as caught:
        say.score(PROMPT, OPTIONS)
    assert type(caught.value) is kind
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))
    assert say.usage.requests == len(model.asked) == 1


def test_an_overflow_is_not_tried_in_another_way() -> None:
    model = PlainLetters(answer=lambda _: named("ContextOverflowError", BadRequestError)("too long"))
    with pytest.raises(LanguageModelError, match="too long"):
        LangChainModel(model).score(PROMPT, OPTIONS)
    assert len(model.asked) == 1


def test_a_deadline_holds_for_all_requests_together() -> None:
    release = threading.Event()
    say = LangChainModel(TextModel(answer=lambda _: release.wait(5.0) or "wave"), seconds=0.2)
    began = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="no answer within"):
        say.score(PROMPT, OPTIONS)
    assert time.monotonic() - began < 1.0
    release.set()


def test_an_interruption_ends_the_wait() -> None:
    release = threading.Event()
    say = LangChainModel(TextModel(answer=lambda _: release.wait(5.0) or "wave"))
    began = time.monotonic()
    with interruptible(lambda: time.monotonic() - began > 0.1), pytest.raises(DecisionInterruptedError):
        say.score(PROMPT, OPTIONS)
    assert time.monotonic() - began < 1.0
    release.set()


# Generating ---------------------------------------------------------------------------------------------------------


def test_it_generates_up_to_the_first_stop_text() -> None:
    model, say = text_model(" find the sponge.\n2. done.", "one|two;three")
    assert say.generate(PROMPT) == "find the sponge."
    assert say.generate(PROMPT, stop=[";", "|"]) == "one"
    assert PROMPT in model.asked[0]
    assert say.usage.requests == 2


class Limited(TextModel):
    max_tokens: int | None = None


def test_a_limit_of_tokens_reaches_a_model_that_has_one() -> None:
    model = Limited(answer=lambda _: "wave")
    LangChainModel(model).generate(PROMPT, max_tokens=5)
    assert model.given == [{"max_tokens": 5}]


def test_a_refusal_to_generate_is_one() -> None:
    _, say = text_model(AIMessage("", additional_kwargs={"refusal": "no"}))
    with pytest.raises(ModelRefusalError):
        say.generate(PROMPT)


# In an agent --------------------------------------------------------------------------------------------------------


class Seen(BaseCallbackHandler):
    def __init__(self) -> None:
        self.models = 0

    def on_chat_model_start(self, serialized, messages, **kwargs) -> None:
        self.models += 1


def test_an_agent_plans_with_it() -> None:
    steps = in_turn("find the sponge", "pick up the sponge\ndone", "done")
    seen = Seen()
    say = LangChainModel(TextModel(answer=steps, callbacks=[seen]))
    result = Agent(FakeRobot(), llm=say, record=None).run("bring me something to wipe with")
    assert result.end is EndState.FINISHED
    assert result.plan == ("find the sponge", "pick up the sponge")
    assert seen.models == 3


def test_an_agent_whose_model_refuses_does_not_move() -> None:
    robot = FakeRobot()
    say = LangChainModel(TextModel(answer=lambda _: AIMessage("", additional_kwargs={"refusal": "Not with knives."})))
    result = Agent(robot, llm=say, record=None).run("juggle the knives")
    assert result.end is EndState.STUCK
    assert "Not with knives." in result.message
    assert robot.actions == []


def test_naming_it_does_not_load_langchain() -> None:
    script = "import sys, saycan.planners.langchain; print('langchain_core' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False False\n"
