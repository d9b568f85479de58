"""The agent and its language model: every spelling, switching, falling back, refusing, and not being waited for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from numpy.typing import NDArray

from saycan import compose
from saycan.agent import Agent
from saycan.errors import BadInputError, LanguageModelError, ModelRefusalError, RobotError, UnknownNameError
from saycan.interruption import check_interruption
from saycan.planners.fallback import FallbackModel
from saycan.planners.generative import GenerativePlanner
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.planners.shortlist import ShortlistPlanner
from saycan.robots.fake import FakeRobot
from saycan.step import EndState

SCRIPT = "scripted:go to the table|pick up the sponge"


@pytest.fixture
def nobody() -> str:
    """A server's URL at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1#model"


def make(llm: object = SCRIPT, robot: FakeRobot | None = None, **options: object) -> Agent:
    return Agent(robot or FakeRobot(), llm=llm, record=None, **options)  # type: ignore[arg-type]


class Waiting:
    """Waits like a model whose server does not answer."""

    name = "waiting"

    def __init__(self) -> None:
        self.asked = threading.Event()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.asked.set()
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            check_interruption()
            time.sleep(0.01)
        raise AssertionError("nobody interrupted it")


def test_stop_ends_a_decision_that_is_being_waited_for() -> None:
    robot, model = FakeRobot(), Waiting()
    agent = make(model, robot)
    threading.Thread(target=lambda: (model.asked.wait(10.0), agent.stop())).start()
    began = time.monotonic()
    result = agent.run("clean the table")
    assert result.end is EndState.STOPPED
    assert time.monotonic() - began < 5.0
    assert robot.actions == []
    assert robot.holds


def test_the_time_limit_of_a_run_holds_for_its_decisions() -> None:
    result = make(Waiting(), max_seconds=0.2).run("clean the table")
    assert result.end is EndState.TIMED_OUT
    assert result.seconds < 5.0


def test_limits_may_be_those_of_one_run() -> None:
    agent = make()
    assert agent.run("clean the table", max_steps=1).plan == ("go to the table",)
    assert agent.run("clean the table").end is EndState.FINISHED
    for limits in ({"max_steps": 0}, {"max_seconds": -1.0}):
        with pytest.raises(BadInputError, match="must be positive"):
            agent.run("clean the table", **limits)  # type: ignore[arg-type]


def test_a_refusal_is_an_outcome_with_the_models_words() -> None:
    robot = FakeRobot()
    result = make(ScriptedLanguageModel(error=ModelRefusalError("I will not")), robot).run("clean the table")
    assert result.end is EndState.STUCK
    assert result.message == "the language model declined: I will not"
    assert robot.actions == []


def test_a_server_that_is_not_there_ends_the_run_in_words(nobody: str) -> None:
    robot = FakeRobot()
    agent = make(compose.make_language_model(nobody, deadline=1.0), robot)
    began = time.monotonic()
    result = agent.run("clean the table")
    assert time.monotonic() - began < 5.0
    assert result.end is EndState.FAILED
    assert nobody in result.message
    assert robot.actions == []
    assert robot.holds


def test_a_model_that_was_named_for_it_stands_in(nobody: str) -> None:
    agent = make(compose.make_language_model(nobody, deadline=1.0), fallback=SCRIPT)
    result = agent.run("clean the table")
    assert result.end is EndState.FINISHED
    assert result.plan == ("go to the table", "pick up the sponge")
    assert {step.decision.model for step in result.steps if step.decision} == {"scripted"}
    assert agent.last_decision is not None
    assert agent.last_decision.usage.requests == 0, "not asked again at every step"


def test_another_model_decides_from_now_on_and_a_bad_name_changes_nothing() -> None:
    agent = make("scripted:go to the table")
    assert agent.run("go").plan == ("go to the table",)
    agent.use("scripted:find the sponge")
    assert agent.run("go").plan == ("find the sponge",)
    with pytest.raises(UnknownNameError, match="unknown language model 'gemini'"):
        agent.use("gemini")
    with pytest.raises(BadInputError, match="llm= takes a name"):
        agent.use(3)  # type: ignore[arg-type]
    assert agent.run("go").plan == ("find the sponge",)
    events = agent.stream("go")
    next(events)
    with pytest.raises(RobotError, match="while a run goes on"):
        agent.use(SCRIPT)
    events.close()
    with pytest.raises(BadInputError, match="a planner of its own"):
        make(planner=agent.planner).use(SCRIPT)


def test_another_model_decides_even_where_the_one_before_does_not_close() -> None:
    def close() -> None:
        raise OSError("no answer")

    agent = make("scripted:go to the table")
    agent.planner.language_model.close = close  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no answer"):
        agent.use("scripted:find the sponge")
    assert agent.run("go").plan == ("find the sponge",)


def test_a_planner_by_name_and_a_scoring() -> None:
    assert isinstance(make(planner="shortlist").planner, ShortlistPlanner)
    generative = make(planner="generative")
    assert isinstance(generative.planner, GenerativePlanner)
    assert generative.run("clean the table").plan == ("go to the table", "pick up the sponge")
    assert make(scoring="prior").run("clean the table").end is not EndState.FAILED
    with pytest.raises(UnknownNameError, match="unknown planner 'reactive'"):
        make(planner="reactive")
    with pytest.raises(BadInputError, match="unknown scoring 'max'"):
        _ = make(scoring="max").planner
    with pytest.raises(BadInputError, match="'mean' divides"):
        make(scoring="mean").run("clean the table")


def test_a_langchain_model_is_a_language_model() -> None:
    chat = GenericFakeChatModel(messages=iter([AIMessage("bow")] * 2))
    agent = Agent(FakeRobot(), llm=chat, library=["wave", "bow"], values=lambda *_: 0.5, record=None)
    decision = agent.plan("greet the guests")
    assert decision.model.startswith("langchain:GenericFakeChatModel")
    assert decision.skill is not None
    assert decision.skill.phrase == "bow"
    assert decision.usage.requests >= 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai:gpt-6-luna", "DecisionsModel"),
        ("openai:other", "AutomaticModel"),
        ("openai-completions:http://127.0.0.1:9/v1#m", "CompletionsModel"),
        ("openai-chat:m", "ChatModel"),
        ("openai-structured:m", "StructuredModel"),
        ("http://127.0.0.1:9/v1#m", "AutomaticModel"),
        ("https://models.example/v1#m", "AutomaticModel"),
    ],
)
def test_every_spelling_of_a_server(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key")
    model = compose.make_language_model(name)
    assert type(model).__name__ == kind
    assert model.name.removeprefix("openai-decisions:").removeprefix("openai:") in name
    assert "secret" not in f"{model.name}{model!r}"


def test_a_password_in_a_url_is_not_shown(nobody: str) -> None:
    address = nobody.replace("http://", "http://me:open-sesame@")
    model = compose.make_language_model(address, deadline=0.5)
    with pytest.raises(LanguageModelError) as caught:
        FallbackModel(model, lambda: model).score("a", ["b", "c"])
    assert "sesame" not in f"{caught.value}{model.name}"
