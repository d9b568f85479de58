"""The agent as a Runnable: results, events, tracing, limits, cancelling, batches, and its place in a chain."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, PromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tracers.base import BaseTracer

from saycan import compose
from saycan.action import Action
from saycan.agent import Agent
from saycan.decision import Decision
from saycan.errors import BadInputError, InstructionError
from saycan.planners.langchain import LangChainModel
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.runnable import AgentRunnable, instruction_of
from saycan.step import EndState, Result, Step, Tick
from saycan.trace import read_trace
from tests.planners.langchain.fake_models import TextModel

SCRIPT = ["find the sponge", "pick up the sponge"]


def make(robot: FakeRobot | None = None, ticks: bool = False, **options: Any) -> AgentRunnable:
    parts: dict[str, Any] = {"llm": ScriptedLanguageModel(SCRIPT), "record": None}
    return AgentRunnable(Agent(robot or FakeRobot(), **(parts | options)), ticks=ticks)


def kinds(events) -> list[str]:
    return [type(event).__name__ for event in events]


def slow_policy(observation, skill) -> Action:
    time.sleep(0.005)
    return Action()


def slow(robot: FakeRobot | None = None, **options: Any) -> AgentRunnable:
    """One whose first skill goes on for half a minute."""
    return make(robot, policy=slow_policy, **options)


# Asking -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        "get the sponge",
        {"instruction": "get the sponge", "else": 1},
        HumanMessage("get the sponge"),
        [SystemMessage("You are a robot."), HumanMessage("get the sponge")],
        PromptTemplate.from_template("get the {thing}").invoke({"thing": "sponge"}),
        ChatPromptTemplate([("system", "You are a robot."), ("human", "get the {thing}")]).invoke({"thing": "sponge"}),
    ],
)
def test_an_instruction_is_taken_in_any_of_these_forms(request_) -> None:
    result = make().invoke(request_)
    assert isinstance(result, Result)
    assert result.instruction == "get the sponge"
    assert result.end is EndState.FINISHED
    assert result.plan == tuple(SCRIPT)


@pytest.mark.parametrize("request_", [{}, {"instruction": 7}, [], 7, None, ["words"]])
def test_what_holds_no_instruction_is_refused(request_) -> None:
    robot = FakeRobot()
    with pytest.raises(BadInputError, match="an instruction is a text"):
        make(robot).invoke(request_)
    assert robot.actions == []


def test_a_bad_instruction_is_refused_before_anything_moves() -> None:
    with pytest.raises(InstructionError):
        make().invoke("  ")
    with pytest.raises(InstructionError):
        next(iter(make().stream("")))


def test_it_is_a_runnable_with_schemas_and_a_graph() -> None:
    runnable = make()
    assert isinstance(runnable, Runnable)
    assert runnable.get_input_jsonschema()["anyOf"][0] == {"type": "string"}
    assert runnable.get_output_jsonschema()["title"] == "saycan_output"
    assert [node.name for node in runnable.get_graph().nodes.values()] == ["saycan_input", "saycan", "saycan_output"]


def test_instructions_in_blocks_of_content_are_read() -> None:
    assert instruction_of(HumanMessage([{"type": "text", "text": "wave"}])) == "wave"


# Streaming ----------------------------------------------------------------------------------------------------------

STEPS = ["Decision", "Step", "Decision", "Step", "Decision", "Result"]


def test_a_stream_has_decisions_steps_and_the_result() -> None:
    events = list(make().stream("get the sponge"))
    assert kinds(events) == STEPS
    assert events[-1].plan == tuple(SCRIPT)


def test_a_stream_has_every_control_period_when_asked_to() -> None:
    robot = FakeRobot()
    events = list(make(robot, ticks=True).stream("get the sponge"))
    assert sum(isinstance(event, Tick) for event in events) == len(robot.actions)


def test_whoever_drains_sets_the_pace_and_closing_holds_the_robot() -> None:
    robot = FakeRobot()
    stream = make(robot, ticks=True).stream("get the sponge")
    for event in stream:
        if isinstance(event, Tick) and event.index == 3:
            break
    assert len(robot.actions) == 3
    holds = robot.holds
    stream.close()
    assert robot.holds > holds
    assert len(robot.actions) == 3


async def test_an_async_stream_is_the_same() -> None:
    runnable = make()
    assert kinds([event async for event in runnable.astream("get the sponge")]) == STEPS
    assert runnable.agent.last_decision is not None


async def test_closing_an_async_stream_holds_the_robot_and_frees_the_agent() -> None:
    robot = FakeRobot()
    runnable = make(robot, ticks=True)
    async with aclosing(runnable.astream("get the sponge")) as stream:
        async for event in stream:
            if isinstance(event, Tick):
                break
    count = len(robot.actions)
    assert robot.holds >= 1
    robot.reset()
    assert (await runnable.ainvoke("get the sponge")).end is EndState.FINISHED
    assert count == 1


async def test_events_of_langchain_tell_of_the_run() -> None:
    names = [event["event"] async for event in make().astream_events("get the sponge", version="v2")]
    assert names[0] == "on_chain_start"
    assert names.count("on_chain_stream") == len(STEPS)
    assert names[-1] == "on_chain_end"


# Tracing ------------------------------------------------------------------------------------------------------------


class Tracer(BaseTracer):
    """Keeps whole runs."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Any] = []

    def _persist_run(self, run) -> None:
        self.runs.append(run)


def with_chat_model() -> AgentRunnable:
    answers = [*SCRIPT, "done"]
    return make(llm=LangChainModel(TextModel(answer=lambda question: answers.pop(0))))


CONFIG = {"tags": ["kitchen"], "metadata": {"robot": 7}, "run_name": "tidy up"}


def check_traced(tracer: Tracer) -> None:
    (run,) = tracer.runs
    assert run.name == "tidy up"
    assert run.tags == ["kitchen"]
    assert run.metadata["robot"] == 7
    assert run.error is None
    assert [child.run_type for child in run.child_runs] == ["llm", "llm", "llm"]
    assert "get the sponge" in str(run.child_runs[0].inputs)
    assert all("kitchen" in child.tags for child in run.child_runs)


def test_a_tracer_sees_the_run_and_the_chat_model_in_it() -> None:
    tracer = Tracer()
    result = with_chat_model().invoke("get the sponge", {"callbacks": [tracer], **CONFIG})
    check_traced(tracer)
    assert tracer.runs[0].outputs["output"] is result


async def test_a_tracer_sees_an_async_run_too() -> None:
    tracer = Tracer()
    await with_chat_model().ainvoke("get the sponge", {"callbacks": [tracer], **CONFIG})
    check_traced(tracer)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_tracer_sees_a_stream_too(asynchronous: bool) -> None:
    tracer, runnable = Tracer(), with_chat_model()
    config = {"callbacks": [tracer], **CONFIG}
    if asynchronous:
        events = [event async for event in runnable.astream("get the sponge", config)]
    else:
        events = list(runnable.stream("get the sponge", config))
    check_traced(tracer)
    assert tracer.runs[0].outputs["output"] is events[-1]


class Ends(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chain_start(self, serialized, inputs, **kwargs) -> None:
        self.seen.append(f"start {inputs}")

    def on_chain_end(self, outputs, **kwargs) -> None:
        self.seen.append(f"end {outputs.end.value}")

    def on_chain_error(self, error, **kwargs) -> None:
        self.seen.append(f"error {type(error).__name__}")


def test_callbacks_hear_of_the_end_and_of_errors() -> None:
    ends = Ends()
    make().invoke("get the sponge", {"callbacks": [ends]})
    with pytest.raises(InstructionError):
        make().invoke("", {"callbacks": [ends]})
    assert ends.seen == ["start get the sponge", "end finished", "start ", "error InstructionError"]


class AsyncEnds(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.ends: list[str] = []

    async def on_chain_end(self, outputs, **kwargs) -> None:
        self.ends.append(outputs.end.value)


async def test_async_callbacks_are_awaited() -> None:
    ends = AsyncEnds()
    await make().ainvoke("get the sponge", {"callbacks": [ends]})
    assert ends.ends == ["finished"]


# In a chain ---------------------------------------------------------------------------------------------------------


def chain(runnable: AgentRunnable) -> Runnable:
    prompt = ChatPromptTemplate([("human", "Please get the {thing}.")])
    return prompt | runnable | RunnableLambda(str) | StrOutputParser()


SAID = "finished: the planner chose done\n1. find the sponge: succeeded\n2. pick up the sponge: succeeded"


async def test_it_stands_in_a_pipe() -> None:
    assert chain(make()).invoke({"thing": "sponge"}) == SAID
    assert await chain(make()).ainvoke({"thing": "sponge"}) == SAID
    assert list(chain(make()).stream({"thing": "sponge"})) == [SAID]
    assert [text async for text in chain(make()).astream({"thing": "sponge"})] == [SAID]


def test_a_config_goes_through_a_pipe() -> None:
    tracer = Tracer()
    chain(with_chat_model()).invoke({"thing": "sponge"}, {"callbacks": [tracer], "run_name": "chain"})
    (run,) = tracer.runs
    (robot,) = (child for child in run.child_runs if child.name == "saycan")
    assert [child.run_type for child in robot.child_runs] == ["llm"] * 3


def test_a_function_takes_the_plan_of_a_result() -> None:
    assert (make() | (lambda result: result.plan)).invoke("get the sponge") == tuple(SCRIPT)


# Limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_config_limits_one_run(asynchronous: bool) -> None:
    runnable = make()
    config = {"configurable": {"max_steps": 1, "thread_id": "x"}}
    result = await runnable.ainvoke("get it", config) if asynchronous else runnable.invoke("get it", config)
    assert result.end is EndState.TIMED_OUT
    assert len(result.steps) == 1
    assert runnable.agent.max_steps == 20
    assert isinstance(runnable.agent.last_decision, Decision)
    assert runnable.invoke("get it").end is EndState.FINISHED


def test_a_config_limits_the_seconds_of_a_run() -> None:
    began = time.monotonic()
    result = slow().invoke("get it", {"configurable": {"max_seconds": 0.2}})
    assert result.end is EndState.TIMED_OUT
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("value", [0, -1, "many", None, 1.5])
def test_a_limit_that_is_none_is_refused(value) -> None:
    with pytest.raises(BadInputError, match="configurable 'max_steps' must be a positive number"):
        make().invoke("get it", {"configurable": {"max_steps": value}})


# Stopping -----------------------------------------------------------------------------------------------------------


async def test_the_event_loop_goes_on_while_the_robot_moves() -> None:
    runnable = slow()
    running = asyncio.create_task(runnable.ainvoke("get the sponge", {"configurable": {"max_seconds": 0.3}}))
    turns = 0
    while not running.done():
        turns += 1
        await asyncio.sleep(0.01)
    assert turns > 10
    assert running.result().end is EndState.TIMED_OUT


async def cancel(task: asyncio.Task) -> float:
    """Seconds until a cancelled task has ended."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


@pytest.mark.parametrize("after", [0.0, 0.001, 0.1])
async def test_cancelling_stops_the_robot(after: float) -> None:
    robot = FakeRobot()
    runnable = slow(robot)
    task = asyncio.create_task(runnable.ainvoke("get the sponge"))
    await asyncio.sleep(after)
    assert await cancel(task) < 1.0
    count = len(robot.actions)
    await asyncio.sleep(0.05)
    assert len(robot.actions) == count
    assert not runnable.agent._busy.locked()


async def test_cancelling_a_stream_stops_the_robot() -> None:
    robot = FakeRobot()
    runnable = slow(robot)

    async def drain() -> None:
        async for _ in runnable.astream("get the sponge"):
            pass

    task = asyncio.create_task(drain())
    while not robot.actions:
        await asyncio.sleep(0.01)
    assert await cancel(task) < 1.0
    count = len(robot.actions)
    await asyncio.sleep(0.05)
    assert len(robot.actions) == count
    assert not runnable.agent._busy.locked()


async def test_cancelling_ends_a_decision_that_waits_for_a_model() -> None:
    release = threading.Event()
    runnable = make(llm=LangChainModel(TextModel(answer=lambda _: release.wait(10.0) or "done")))
    task = asyncio.create_task(runnable.ainvoke("get the sponge"))
    await asyncio.sleep(0.1)
    assert await cancel(task) < 1.0
    release.set()


async def test_a_timeout_of_asyncio_stops_the_robot() -> None:
    robot = FakeRobot()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await slow(robot).ainvoke("get the sponge")
    count = len(robot.actions)
    await asyncio.sleep(0.05)
    assert len(robot.actions) == count


# Several ------------------------------------------------------------------------------------------------------------


class Once(FakeRobot):
    """Notices when two runs use it at the same time."""

    inside = 0
    most = 0

    def apply(self, action: Action) -> Action:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.0005)
        self.inside -= 1
        return super().apply(action)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_batch_is_carried_out_one_after_another(asynchronous: bool) -> None:
    robot = Once()
    runnable = make(robot)
    inputs: list = ["get the sponge", {"instruction": "fetch the sponge"}, "bring the sponge"]
    configs: Any = [{"run_name": str(index)} for index in range(3)]
    results = await runnable.abatch(inputs, configs) if asynchronous else runnable.batch(inputs, configs)
    assert [result.instruction for result in results] == ["get the sponge", "fetch the sponge", "bring the sponge"]
    assert [result.end for result in results] == [EndState.FINISHED] * 3
    assert robot.most == 1
    assert (await runnable.abatch([]) if asynchronous else runnable.batch([])) == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_results_of_a_batch_come_as_they_are_ready(asynchronous: bool) -> None:
    runnable = make()
    if asynchronous:
        found = [
            pair async for pair in runnable.abatch_as_completed(["get it", "", "fetch it"], return_exceptions=True)
        ]
    else:
        found = list(runnable.batch_as_completed(["get it", "", "fetch it"], return_exceptions=True))
    assert [(place, type(result)) for place, result in found] == [(0, Result), (1, InstructionError), (2, Result)]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_error_ends_a_batch_unless_it_is_to_be_returned(asynchronous: bool) -> None:
    runnable = make()
    with pytest.raises(InstructionError):
        await runnable.abatch(["", "get it"]) if asynchronous else runnable.batch(["", "get it"])
    assert runnable.agent.last_decision is None  # the second one was not begun
    inputs = ["", "get it"]
    if asynchronous:
        found = await runnable.abatch(inputs, return_exceptions=True)
    else:
        found = runnable.batch(inputs, return_exceptions=True)
    assert [type(one) for one in found] == [InstructionError, Result]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_ctrl_c_ends_a_batch(asynchronous: bool) -> None:
    begun = []

    def pressed(observation, skill) -> Action:
        begun.append(skill)
        raise KeyboardInterrupt

    runnable, inputs = make(policy=pressed), ["get the sponge", "fetch the sponge"]
    with pytest.raises(KeyboardInterrupt):
        if asynchronous:
            asyncio.run(runnable.abatch(inputs, return_exceptions=True))
        else:
            runnable.batch(inputs, return_exceptions=True)
    assert len(begun) == 1


def test_a_stop_ends_one_run_of_a_batch() -> None:
    def stopping(observation, skill) -> Action:
        runnable.agent.stop()
        return Action()

    runnable = make(policy=stopping)
    assert [result.end for result in runnable.batch(["get it", "fetch it"])] == [EndState.STOPPED] * 2


async def test_async_runs_at_the_same_time_wait_for_one_another() -> None:
    robot = Once()
    runnable = make(robot)
    results = await asyncio.gather(*(runnable.ainvoke("get the sponge") for _ in range(3)))
    assert [result.end for result in results] == [EndState.FINISHED] * 3
    assert robot.most == 1


def test_a_run_within_a_run_fails_and_does_not_hang() -> None:
    runnable = make(ticks=True)
    stream = runnable.stream("get the sponge")
    while not isinstance(next(stream), Tick):
        pass
    inner = runnable.invoke("get the sponge")
    assert inner.end is EndState.FAILED
    assert "carrying out something already" in inner.message
    assert isinstance([*stream][-1], Result)


# Recording ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
def test_runs_are_recorded_where_the_agent_says(tmp_path, streamed: bool) -> None:
    runnable = make(record=tmp_path)
    result = list(runnable.stream("get the sponge"))[-1] if streamed else runnable.invoke("get the sponge")
    assert isinstance(result, Result)
    assert result.folder is not None
    trace = read_trace(f"{result.folder}/trace.jsonl")
    assert [event.skill.phrase for event in trace.events if isinstance(event, Step)] == SCRIPT


async def test_a_stream_that_is_cancelled_while_the_model_loads_leaves_nothing(tmp_path, monkeypatch) -> None:
    loading, loaded = threading.Event(), threading.Event()

    def load(name: str) -> ScriptedLanguageModel:
        loading.set()
        loaded.wait(10.0)
        return ScriptedLanguageModel(SCRIPT)

    monkeypatch.setattr(compose, "make_language_model", load)
    runnable = make(llm="slow", record=tmp_path)

    async def drain() -> None:
        async for _ in runnable.astream("get the sponge"):
            pass

    task = asyncio.create_task(drain())
    assert await asyncio.to_thread(loading.wait, 10.0)
    asyncio.get_running_loop().call_later(0.1, loaded.set)
    await cancel(task)
    assert list(tmp_path.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread.name == "saycan-recorder"]
    assert (await runnable.ainvoke("get the sponge")).folder is not None


def test_a_recorded_stream_that_is_left_is_ended(tmp_path) -> None:
    robot = FakeRobot()
    stream = make(robot, ticks=True, record=tmp_path).stream("get the sponge")
    while not isinstance(next(stream), Tick):
        pass
    stream.close()
    assert robot.holds >= 1
    (folder,) = tmp_path.iterdir()
    assert [type(event) for event in read_trace(folder / "trace.jsonl").events] == [Decision, Tick]
    assert not [thread for thread in threading.enumerate() if thread.name == "saycan-recorder"]
