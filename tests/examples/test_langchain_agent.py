"""The example of a tool-calling model moves the world by its calls, and by nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from saycan import Agent
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.step import Outcome
from saycan.tools import skill_tools
from tests.planners.langchain.fake_models import ToolModel, tool_call

FILE = Path(__file__).parents[2] / "examples" / "langchain_agent.py"


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("langchain_agent", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def robot() -> FakeRobot:
    return FakeRobot()


def converse(example, robot: FakeRobot, *answers: Any, **options: Any) -> tuple[list, ToolModel]:
    left = list(answers)
    model = ToolModel(answer=lambda question: left.pop(0))
    tools = skill_tools(Agent(robot, llm=ScriptedLanguageModel(), record=None))
    return example.work(model, tools, "put the apple on the table", **options), model


def place_of(robot: FakeRobot, name: str) -> str | None:
    return next(thing.place for thing in robot.privileged_state().objects if thing.id == name)


def test_it_puts_the_apple_on_the_table(example, robot) -> None:
    messages, model = converse(
        example,
        robot,
        tool_call("pick_up", object="apple"),
        tool_call("find", object="apple"),
        tool_call("pick_up", object="apple"),
        tool_call("go_to", place="table"),
        tool_call("place", object="apple", place="table"),
        "The apple is on the table.",
    )
    assert place_of(robot, "apple") == "table"
    assert messages[-1].text == "The apple is on the table."
    outcomes = [message.artifact.outcome for message in messages if message.type == "tool"]
    assert outcomes == [Outcome.FAILED, *[Outcome.SUCCEEDED] * 4]
    # What a call came to is what the model reads next.
    assert "pick up the apple: failed" in model.asked[1]
    assert [tool["function"]["name"] for tool in model.given[0]["tools"]][:2] == ["find", "pick_up"]


def test_several_calls_in_one_answer_are_carried_out_in_order(example, robot) -> None:
    both = AIMessage("", tool_calls=[
        {"name": "find", "args": {"object": "apple"}, "id": "1"},
        {"name": "pick_up", "args": {"object": "apple"}, "id": "2"},
    ])  # fmt: skip
    messages, _ = converse(example, robot, both, "Done.")
    assert [message.tool_call_id for message in messages if message.type == "tool"] == ["1", "2"]
    assert robot.privileged_state().held == "apple"


def test_what_does_not_exist_moves_nothing(example, robot) -> None:
    messages, _ = converse(
        example, robot, tool_call("fly", to="moon"), tool_call("pick_up", object="moon"), "I cannot do that."
    )
    assert "There is no tool 'fly'; there is find, pick_up" in messages[3].text
    assert "Nothing was done. object: Input should be" in messages[5].text
    assert robot.actions == []


def test_it_gives_up_in_the_end(example, robot) -> None:
    messages, model = converse(example, robot, *[tool_call("pick_up", object="moon")] * 5, most=3)
    assert messages[-1].text == "I gave up after 3 answers."
    assert len(model.asked) == 3


def test_it_fits_on_a_page() -> None:
    code = [line for line in FILE.read_text().splitlines() if line.strip()]
    assert len(code) <= 45
