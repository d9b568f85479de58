"""Skills as tools: they pass the standard tests, and nothing moves but what was asked for by name."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from saycan.action import Action
from saycan.agent import Agent
from saycan.library import SkillLibrary
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill
from saycan.step import Outcome
from saycan.success import Detection
from saycan.tools import skill_tools


def make(robot: FakeRobot | None = None, **options: Any) -> Agent:
    return Agent(robot or FakeRobot(), llm=ScriptedLanguageModel(), record=None, **options)


def tools_of(agent: Agent) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in skill_tools(agent)}


def call(tool: BaseTool, **arguments: Any) -> Any:
    return tool.invoke({"type": "tool_call", "name": tool.name, "args": arguments, "id": "7"})


class OnePickUp:
    """What the standard tests are given: a tool with an argument, on a fresh robot each time."""

    @property
    def tool_constructor(self) -> BaseTool:
        return tools_of(make())["pick_up"]

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"object": "apple"}


class TestPickUpUnit(OnePickUp, ToolsUnitTests):
    pass


class TestPickUpIntegration(OnePickUp, ToolsIntegrationTests):
    pass


class OnePlace:
    @property
    def tool_constructor(self) -> BaseTool:
        return tools_of(make())["place"]

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"object": "apple", "place": "table"}


class TestPlaceUnit(OnePlace, ToolsUnitTests):
    pass


class TestPlaceIntegration(OnePlace, ToolsIntegrationTests):
    pass


class OnePhrase:
    @property
    def tool_constructor(self) -> BaseTool:
        return tools_of(bare())["do"]

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"phrase": "wave"}


class TestPhraseUnit(OnePhrase, ToolsUnitTests):
    pass


class TestPhraseIntegration(OnePhrase, ToolsIntegrationTests):
    pass


class NoArguments:
    @property
    def tool_constructor(self) -> BaseTool:
        return tools_of(make())["open"]


class TestOpenUnit(NoArguments, ToolsUnitTests):
    pass


class TestOpenIntegration(NoArguments, ToolsIntegrationTests):
    pass


class Content:
    """A success detector that always is."""

    def detect(self, skill, before, after) -> Detection:
        return Detection(True, message="done well")


def bare(**options: Any) -> Agent:
    parts = {"library": ["wave", "bow"], "policy": lambda o, s: Action(terminate=True), "values": lambda o, s: 0.9}
    return make(**(parts | {"detector": Content()} | options))


# What there is ------------------------------------------------------------------------------------------------------


def test_the_kitchen_has_a_tool_for_each_verb() -> None:
    tools = tools_of(make())
    arguments = {name: set(tool.args) for name, tool in tools.items()}
    assert arguments == {
        "find": {"object"}, "pick_up": {"object"}, "place": {"object", "place"}, "put_down": {"object"},
        "go_to": {"place"}, "wipe": {"place"}, "trash": {"object"}, "bring": {"object"}, "open": set(), "close": set(),
    }  # fmt: skip
    assert tools["place"].args["place"]["enum"] == ["close counter", "far counter", "table", "drawer"]
    assert '"place the OBJECT on the PLACE" or "place the OBJECT in the PLACE"' in tools["place"].description


def test_every_skill_but_done_can_be_asked_for_once() -> None:
    agent = make()
    reached = [
        verb.find(dict(zip(verb.values, found, strict=True))).phrase
        for tool in skill_tools(agent)
        for verb in [tool.func.__self__]
        for found in verb.by_values
    ]
    assert sorted(reached) == sorted(set(agent.library.phrases) - {"done"})


def test_bare_phrases_share_one_tool() -> None:
    (tool,) = skill_tools(bare())
    assert (tool.name, tool.args["phrase"]["enum"]) == ("do", ["wave", "bow"])
    assert skill_tools(bare(library=["wave"]))[0].args["phrase"]["const"] == "wave"


def test_names_are_such_as_providers_take() -> None:
    library = SkillLibrary([
        Skill("gib dem Gast die Hand", "Hand geben!", "Gast"),
        Skill("挥手", "挥", "手"),
        Skill("鞠躬", "躬", "身"),
        "wave",
        Skill("do it", "do", "it"),
        Skill("x" * 80, "x" * 79),
    ])  # fmt: skip
    names = [tool.name for tool in skill_tools(bare(library=library))]
    assert names == ["hand_geben", "skill", "skill_2", "do", "do_2", "x" * 56]
    assert all(convert_to_openai_tool(tool)["function"]["name"] in names for tool in skill_tools(bare(library=library)))


def test_two_phrases_for_the_same_thing_are_two_tools() -> None:
    library = [Skill("lift the cup", "lift", "cup"), Skill("lift the cup slowly", "lift", "cup"), Skill("lift", "lift")]
    agent = bare(library=library)
    tools = tools_of(agent)
    assert set(tools) == {"lift", "lift_2", "do"}
    assert call(tools["lift_2"]).artifact.skill.phrase == "lift the cup slowly"
    assert call(tools["do"], phrase="lift").artifact.skill.phrase == "lift"


def test_an_argument_that_some_skills_lack_may_be_left_out() -> None:
    tools = tools_of(bare(library=[Skill("wave to all", "wave"), Skill("wave to Ann", "wave", "Ann")]))
    assert call(tools["wave"]).artifact.skill.phrase == "wave to all"
    assert call(tools["wave"], object="Ann").artifact.skill.phrase == "wave to Ann"


# What they do -------------------------------------------------------------------------------------------------------


def test_a_call_moves_the_world_and_brings_the_step() -> None:
    agent = make()
    tools = tools_of(agent)
    for name in ("find", "pick_up"):
        message = call(tools[name], object="apple")
        assert message.status == "success"
        assert message.artifact.outcome is Outcome.SUCCEEDED
        assert message.content == f"{message.artifact.skill.phrase}: succeeded"
    call(tools["go_to"], place="table")
    call(tools["place"], object="apple", place="table")
    (apple,) = (thing for thing in agent.robot.driver.privileged_state().objects if thing.id == "apple")
    assert apple.place == "table"
    assert not apple.held


def test_a_skill_that_fails_says_why() -> None:
    message = call(tools_of(make())["pick_up"], object="apple")  # it is at the other counter
    assert message.artifact.outcome is not Outcome.SUCCEEDED
    assert message.content.startswith("pick up the apple: failed: ")
    assert len(message.content) > 30


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pick_up", {"object": "aple"}, "object: Input should be"),
        ("pick_up", {}, "object: Field required"),
        ("pick_up", {"object": "Apple"}, "found 'Apple'"),
        ("place", {"object": "apple", "place": "roof"}, "place: Input should be"),
        ("go_to", {"place": 7}, "place: Input should be"),
    ],
)
def test_arguments_that_name_nothing_move_nothing(name: str, arguments: dict, words: str) -> None:
    robot = FakeRobot()
    message = call(tools_of(make(robot))[name], **arguments)
    assert message.status == "error"
    assert message.content.startswith("Nothing was done. ")
    assert words in message.content
    assert robot.actions == []


def test_a_combination_that_does_not_exist_moves_nothing() -> None:
    robot = FakeRobot()
    library = [
        Skill("put the cup on the shelf", "put", "cup", "shelf"),
        Skill("put the pan on the hob", "put", "pan", "hob"),
    ]
    tool = tools_of(bare(robot=robot, library=library))["put"]
    message = call(tool, object="cup", place="hob")
    assert message.status == "error"
    assert "no skill put(object='cup', place='hob'). Nearest: put the cup on the shelf" in message.content
    assert robot.actions == []


def test_an_agent_that_cannot_act_tells_the_model() -> None:
    class Bare:
        def __init__(self) -> None:
            robot = FakeRobot()
            self.spec, self.observe, self.apply = robot.spec, robot.observe, robot.apply
            self.hold, self.close = robot.hold, robot.close

    agent = Agent(Bare(), llm=ScriptedLanguageModel(), library=["wave"], record=None)
    message = call(tools_of(agent)["do"], phrase="wave")
    assert message.status == "error"
    assert "needs policy=" in message.content


def test_a_robot_that_fails_is_told_as_a_failed_step() -> None:
    message = call(tools_of(make(FakeRobot(fail_after=3)))["find"], object="apple")
    assert message.artifact.outcome is Outcome.FAILED
    assert "the robot failed" in message.content


def test_the_gate_is_in_force() -> None:
    robot = FakeRobot()
    wild = bare(robot=robot, policy=lambda o, s: Action([float("inf"), 0, 0, 0, 0, 0]))
    message = call(tools_of(wild)["do"], phrase="wave")
    assert message.artifact.outcome is Outcome.FAILED
    assert robot.actions == []


class Seen(BaseCallbackHandler):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_tool_start(self, serialized, input_str, **kwargs) -> None:
        self.calls.append(f"{serialized['name']} {kwargs['tags']}")

    def on_tool_end(self, output, **kwargs) -> None:
        self.calls.append(str(output.content))


def test_callbacks_see_a_call() -> None:
    seen = Seen()
    tool = tools_of(bare())["do"]
    request = {"type": "tool_call", "name": "do", "args": {"phrase": "wave"}, "id": "7"}
    tool.invoke(request, {"callbacks": [seen], "tags": ["kitchen"]})
    assert seen.calls[0] == "do ['kitchen']"
    assert seen.calls[1].startswith("wave: succeeded: done well")


# Several at once, and giving up -------------------------------------------------------------------------------------


def slow(seconds: float = 2.0, **options: Any) -> tuple[Agent, list[Skill]]:
    """An agent whose skills take a while, and what it does."""
    doing: list[Skill] = []

    def policy(observation, skill) -> Action:
        doing.append(skill)
        time.sleep(0.005)
        return Action(terminate=sum(one is skill for one in doing) >= seconds / 0.005)

    return bare(policy=policy, **options), doing


async def test_calls_at_the_same_time_wait_for_one_another() -> None:
    agent, doing = slow(0.05)
    tool = tools_of(agent)["do"]
    first, second = await asyncio.gather(tool.ainvoke({"phrase": "wave"}), tool.ainvoke({"phrase": "bow"}))
    assert first.startswith("wave: succeeded")
    assert second.startswith("bow: succeeded")
    assert [skill.phrase for skill in doing] == ["wave"] * 10 + ["bow"] * 10


def test_calls_from_two_threads_wait_for_one_another() -> None:
    agent, doing = slow(0.05)
    tool = tools_of(agent)["do"]
    found: list[str] = []
    threads = [threading.Thread(target=lambda p=p: found.append(tool.invoke({"phrase": p}))) for p in ("wave", "bow")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert len(found) == 2
    assert all("succeeded" in text for text in found)
    assert [skill.phrase for skill in doing] in (["wave"] * 10 + ["bow"] * 10, ["bow"] * 10 + ["wave"] * 10)


async def test_cancelling_holds_the_robot_at_once() -> None:
    robot = FakeRobot()
    agent, doing = slow(30.0, robot=robot)
    task = asyncio.create_task(tools_of(agent)["do"].ainvoke({"phrase": "wave"}))
    while not doing:
        await asyncio.sleep(0.01)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 1.0
    count, holds = len(robot.actions), robot.holds
    await asyncio.sleep(0.05)
    assert len(robot.actions) == count
    assert holds >= 1


def test_ctrl_c_is_not_for_the_model_to_read() -> None:
    def pressed(observation, skill) -> Action:
        raise KeyboardInterrupt

    robot = FakeRobot()
    tool = tools_of(bare(robot=robot, policy=pressed))["do"]
    for _ in range(2):  # it leaves the hands free
        with pytest.raises(KeyboardInterrupt):
            tool.invoke({"phrase": "wave"})
    assert robot.holds and not robot.actions


async def test_a_call_that_is_cancelled_in_the_queue_does_not_disturb_the_other() -> None:
    agent, doing = slow(0.2)
    tool = tools_of(agent)["do"]
    first = asyncio.create_task(tool.ainvoke({"phrase": "wave"}))
    while not doing:
        await asyncio.sleep(0.01)
    second = asyncio.create_task(tool.ainvoke({"phrase": "bow"}))
    await asyncio.sleep(0.02)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert (await first).startswith("wave: succeeded")
    assert {skill.phrase for skill in doing} == {"wave"}


def test_a_run_that_goes_on_is_not_joined_by_a_tool() -> None:
    agent = bare(policy=lambda o, s: Action(terminate=True), library=["wave", "bow"])
    events = Agent.perform(agent, "bow")
    next(events)
    message = call(tools_of(agent)["do"], phrase="wave")
    events.close()
    assert message.status == "error"
    assert "carrying out something already" in message.content


def test_an_error_can_be_raised_instead() -> None:
    tool = tools_of(bare(library=[Skill("a", "v", "x", "p"), Skill("b", "v", "y", "q")]))["v"]
    tool.handle_tool_error = False
    with pytest.raises(ToolException, match="has no skill"):
        tool.invoke({"object": "x", "place": "q"})
