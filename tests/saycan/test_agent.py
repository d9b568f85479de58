"""The loop, with a scripted language model and the fake robot."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from saycan import goals
from saycan.action import Action
from saycan.agent import Agent
from saycan.decision import Decision
from saycan.episode import STUCK_AFTER
from saycan.errors import (
    BadInputError,
    HaltedError,
    InstructionError,
    MissingPartError,
    PolicyError,
    RobotError,
    SayCanError,
    UnknownNameError,
    ValueFunctionError,
)
from saycan.gate import Gate
from saycan.halt import Severity
from saycan.interruption import check_interruption, interruptible
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.step import EndState, Feedback, Outcome, Result, Step, Tick
from saycan.success import Detection
from saycan.trace import read_trace

SCRIPT = ["wave", "bow"]

TICKS = 8
"""Of a skill of `brief`: three of its own, and five until it is judged."""


class Bare:
    """The fake robot without its privileged side, as hardware is."""

    def __init__(self, **options) -> None:
        self._robot = FakeRobot(**options)
        for verb in ("spec", "observe", "apply", "hold", "close"):
            setattr(self, verb, getattr(self._robot, verb))

    def __getattr__(self, name):
        if name in ("actions", "holds", "closed"):
            return getattr(self._robot, name)
        raise AttributeError(name)


def brief(observation, skill) -> Action:
    return Action(terminate=round(observation.time * 10) % TICKS == 2)


def make(script=SCRIPT, robot=None, **options) -> Agent:
    parts = {
        "llm": ScriptedLanguageModel(script),
        "library": ["wave", "bow", "nod"],
        "policy": brief,
        "values": lambda observation, skill: 0.9,
        "record": None,
    }
    return Agent(robot or Bare(), **(parts | options))


class Planner:
    """Decides by a list of phrases; None is stuck."""

    def __init__(self, phrases) -> None:
        self.phrases, self.memories = list(phrases), []

    def decide(self, instruction, memory, observation) -> Decision:
        self.memories.append(memory)
        found = self.phrases.pop(0)
        if isinstance(found, BaseException):
            raise found
        library = make().library
        ones = np.ones(len(library))
        chosen = None if found is None else library.phrases.index(found)
        return Decision(tuple(library), ones / len(ones), ones, ones / len(ones), -ones, chosen)


def drain(events):
    found = []
    while True:
        try:
            found.append(next(events))
        except StopIteration as stopped:
            return found, stopped.value


# The whole line ------------------------------------------------------------------------------------------------------


def test_one_sentence_cleans_the_counter_of_the_fake_kitchen() -> None:
    script = "find the sponge|pick up the sponge|wipe the close counter with the sponge"
    with Agent("fake", llm=f"scripted:{script}", record=None) as agent:
        result = agent.run("clean the counter")
        assert result.end is EndState.FINISHED
        assert result.plan == tuple(script.split("|"))
        assert all(step.outcome is Outcome.SUCCEEDED for step in result.steps)
        assert goals.parse('clean("close counter")').holds(agent.robot.driver.privileged_state())
    assert agent.robot.closed


def test_events_come_in_the_order_that_is_promised() -> None:
    agent = make()
    events, result = drain(agent.stream("greet"))
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Decision", *["Tick"] * TICKS, "Step"] * 2 + ["Decision", "Result"]
    assert events[-1] is result and isinstance(result, Result)
    assert result.steps == tuple(event for event in events if isinstance(event, Step))
    assert [step.index for step in result.steps] == [1, 2]
    assert result.steps[0].decision is events[0]
    assert agent.last_decision is events[-2]
    assert 0 < result.seconds_deciding < result.seconds


def test_every_decision_has_a_fresh_observation_and_fresh_values() -> None:
    seen = []

    def value(observation, skill) -> float:
        seen.append(observation.time)
        return 0.9

    make(values=value).run("greet")
    assert sorted(set(seen)) == pytest.approx([0.0, 0.1 * TICKS, 0.2 * TICKS])


def test_an_agent_runs_again_and_again() -> None:
    agent = make()
    assert [agent.run("greet").plan for _ in range(3)] == [("wave", "bow")] * 3


def test_a_run_that_nobody_drains_to_the_end_does_not_block_the_next() -> None:
    agent = make()
    left = agent.stream("greet")
    for event in left:
        if isinstance(event, Result):
            break
    assert agent.run("greet").end is EndState.FINISHED
    left.close()


def test_a_pause_between_two_events_does_not_count_against_the_run() -> None:
    agent = make(max_seconds=1.5)
    agent.tell("gently")
    paused = set()
    for event in agent.stream("greet"):
        if type(event) not in paused:
            paused.add(type(event))
            time.sleep(1.6)
    assert paused == {Feedback, Decision, Tick, Step, Result} and event.end is EndState.FINISHED
    assert event.seconds > 6.4


def test_the_time_before_the_first_event_does_not_count_against_the_run() -> None:
    events = make(max_seconds=1.0).stream("greet")
    time.sleep(1.1)
    _, result = drain(events)
    assert result.end is EndState.FINISHED and result.seconds < 1.0


# Ends ----------------------------------------------------------------------------------------------------------------


def test_stuck_when_nothing_can_be_done() -> None:
    result = make(values=lambda observation, skill: 0.0).run("greet")
    assert (result.end, result.steps) == (EndState.STUCK, ())


def test_a_failed_skill_is_reported_scored_again_and_in_the_end_stuck() -> None:
    planner = Planner(["wave"] * 9)
    agent = make(planner=planner, detector=SimpleNamespace(detect=lambda *_: Detection(False, message="too low")))
    result = agent.run("greet")
    assert (result.end, len(result.steps)) == (EndState.STUCK, STUCK_AFTER)
    assert "'wave' failed 3 times in a row" in result.message
    assert [len(memory) for memory in planner.memories] == [0, 1, 2]
    assert planner.memories[1][0].message == "too low"


def test_failures_of_different_skills_in_turn_are_not_stuck() -> None:
    agent = make(planner=Planner(["wave", "bow", "wave", "bow", "done"]), policy=lambda o, s: None)
    result = agent.run("greet")
    assert result.end is EndState.FINISHED and {step.outcome for step in result.steps} == {Outcome.FAILED}


def test_steps_run_out() -> None:
    result = make(["wave", "bow", "wave", "bow"], max_steps=3).run("greet")
    assert (result.end, result.message, len(result.steps)) == (EndState.TIMED_OUT, "not done after 3 steps", 3)


def test_seconds_run_out_in_the_middle_of_a_skill() -> None:
    def slow(observation, skill) -> Action:
        time.sleep(0.01)
        return Action()

    began = time.perf_counter()
    result = make(policy=slow, max_seconds=0.05).run("greet")
    assert (result.end, result.message) == (EndState.TIMED_OUT, "not done after 0.05 s")
    assert result.steps[-1].outcome is Outcome.STOPPED
    assert time.perf_counter() - began < 1.0


def test_stop_from_another_thread_takes_effect_within_a_period() -> None:
    agent = make(policy=lambda observation, skill: Action())
    after_stop = []
    for event in agent.stream("greet"):
        if isinstance(event, Tick) and event.index == 5:
            thread = threading.Thread(target=agent.stop)
            thread.start()
            thread.join()
        elif agent._stop.is_set():
            after_stop.append(event)
    assert [type(event) for event in after_stop] == [Step, Result]
    assert after_stop[0].outcome is Outcome.STOPPED and after_stop[1].end is EndState.STOPPED
    assert agent.robot.driver.holds
    assert make().run("greet").end is EndState.FINISHED


def test_an_emergency_stop_ends_the_run_and_outlasts_it() -> None:
    robot = FakeRobot()
    agent = make(robot=robot, policy=lambda observation, skill: Action())
    for event in agent.stream("x"):
        if isinstance(event, Tick) and event.index == 3:
            threading.Thread(target=agent.emergency_stop, args=("smoke",)).start()
    assert isinstance(event, Result) and event.end in (EndState.STOPPED, EndState.FAILED)
    actions = len(robot.actions)
    for begin in (agent.run, agent.stream, agent.perform):
        with pytest.raises(HaltedError, match="an emergency stop: smoke"):
            begin("wave")
    assert len(robot.actions) == actions
    agent.robot.recover()
    assert agent.run("x", max_steps=1).steps and len(robot.actions) > actions


def test_a_stop_by_the_gate_ends_the_run_and_the_next_run_begins_afresh() -> None:
    agent = make(robot=Bare(), policy=brief)
    for event in agent.stream("x"):
        if isinstance(event, Tick) and event.index == 2:
            agent.robot.halt(Severity.STOP, "the camera is frozen")
    assert isinstance(event, Result) and event.end is EndState.FAILED
    assert "the camera is frozen" in event.message
    assert agent.run("x").end is EndState.FINISHED


def test_stop_while_the_planner_thinks_begins_no_skill() -> None:
    agent = make()
    agent._planner = SimpleNamespace(decide=lambda *_: (agent.stop(), Planner(["wave"]).decide(*_))[1])
    result = agent.run("greet")
    assert (result.end, result.steps) == (EndState.STOPPED, ())
    assert agent.robot.driver.actions == []


@pytest.mark.parametrize("where", ["policy", "planner"])
def test_ctrl_c_holds_the_robot_and_ends_the_run_as_stopped(where) -> None:
    def interrupted(observation, skill):
        raise KeyboardInterrupt

    parts = {"policy": interrupted} if where == "policy" else {"planner": Planner([KeyboardInterrupt()])}
    agent = make(**parts)
    result = agent.run("greet")
    assert (result.end, result.message) == (EndState.STOPPED, "interrupted")
    assert agent.robot.driver.holds


def test_ctrl_c_counts_though_the_time_has_run_out_too() -> None:
    def interrupted(observation, skill):
        time.sleep(0.1)
        raise KeyboardInterrupt

    result = make(policy=interrupted, max_seconds=0.05).run("greet")
    assert result.interrupted and result.steps[-1].interrupted


def test_ctrl_c_between_two_events_is_handed_in() -> None:
    agent = make(policy=lambda observation, skill: Action())
    events = agent.stream("greet")
    while not isinstance(next(events), Tick):
        pass
    step = events.throw(KeyboardInterrupt)
    assert isinstance(step, Step) and step.outcome is Outcome.STOPPED
    assert next(events).end is EndState.STOPPED


def test_ctrl_c_while_a_picture_is_taken_ends_the_run_as_stopped(tmp_path) -> None:
    class Filmed(FakeRobot):
        def view(self, width, height):
            raise KeyboardInterrupt

    robot = Filmed()
    result = make(robot=robot, record=tmp_path).run("greet")
    assert result.end is EndState.STOPPED and robot.holds
    assert read_trace(f"{result.folder}/trace.jsonl").result.end is EndState.STOPPED


def test_closing_a_stream_holds_the_robot_and_frees_the_agent() -> None:
    agent = make()
    events = agent.stream("greet")
    while not isinstance(next(events), Tick):
        pass
    held = agent.robot.driver.holds
    events.close()
    assert agent.robot.driver.holds > held
    assert agent.run("greet").end is EndState.FINISHED


# What goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"llm": ScriptedLanguageModel(SCRIPT, scores={"wave": math.nan})}, "nan for 'wave"),
        ({"llm": ScriptedLanguageModel(error=OSError("no model"))}, "no model"),
        ({"values": lambda observation, skill: math.nan}, r"must lie in \[0, 1\], found nan for 'wave'"),
        ({"values": lambda observation, skill: 1 / 0}, "value function failed for 'wave': ZeroDivisionError"),
        ({"planner": Planner([ZeroDivisionError("oops")])}, "planner failed: ZeroDivisionError: oops"),
        ({"planner": SimpleNamespace(decide=lambda *_: "wave")}, "must return a Decision, found str"),
        (
            {"planner": SimpleNamespace(decide=lambda *_: replace(Planner(["wave"]).decide(*_), chosen=9))},
            "planner chose option 9 of 4",
        ),
    ],
)
def test_a_planner_whose_half_fails_ends_the_run_in_its_own_words(options, message) -> None:
    agent = make(**options)
    result = agent.run("greet")
    assert result.end is EndState.FAILED
    with pytest.raises(SayCanError, match=message):
        raise SayCanError(result.message)
    assert agent.robot.driver.holds


def test_a_policy_that_returns_nan_fails_its_steps_and_the_loop_goes_on() -> None:
    bad = {"wave": math.nan, "bow": 0.0}
    agent = make(
        planner=Planner(["wave", "bow", "done"]),
        policy=lambda observation, skill: Action([bad[skill.phrase]] + [0] * 5, terminate=True),
    )
    result = agent.run("greet")
    assert result.end is EndState.FINISHED
    assert [step.outcome for step in result.steps] == [Outcome.FAILED, Outcome.SUCCEEDED]
    assert "not finite" in result.steps[0].message


def test_a_robot_that_fails_in_mid_run_ends_it_and_the_trace_is_whole(tmp_path) -> None:
    robot = Bare(fail_after=TICKS + 1)
    result = make(robot=robot, record=tmp_path).run("greet")
    assert result.end is EndState.FAILED and f"fails after {TICKS + 1} actions" in result.message
    assert [step.outcome for step in result.steps] == [Outcome.SUCCEEDED, Outcome.FAILED]
    assert robot.holds
    trace = read_trace(f"{result.folder}/trace.jsonl")
    assert trace.whole and trace.result.end is EndState.FAILED and trace.result.plan == result.plan
    assert sum(isinstance(event, Tick) for event in trace.events) == TICKS + 1


def test_a_robot_that_fails_before_the_first_decision() -> None:
    result = make(robot=Bare(fail_after=0)).run("greet")
    assert (result.end, result.steps) == (EndState.FAILED, ())


@pytest.mark.parametrize("text", ["", "x" * 10_000, "a\x07b"])
def test_a_bad_instruction_is_refused_before_anything_moves(text) -> None:
    agent = make()
    for verb in (agent.run, agent.stream, agent.plan, agent.tell):
        with pytest.raises(InstructionError):
            verb(text)
    assert agent.robot.driver.actions == [] and agent.last_decision is None


def test_two_runs_at_once_are_one_too_many() -> None:
    agent = make()
    first = agent.stream("greet")
    next(first)
    second = agent.run("greet")
    assert second.end is EndState.FAILED and "carrying out something already" in second.message
    with pytest.raises(RobotError, match="already"):
        next(agent.perform("wave"))
    agent.stop()
    agent.stream("greet")  # asking for another run does not undo the stop of this one
    assert drain(first)[1].end is EndState.STOPPED


# Talking to it -------------------------------------------------------------------------------------------------------


def test_feedback_is_heard_before_the_next_decision() -> None:
    planner = Planner(["wave", "bow", "done"])
    agent = make(planner=planner)
    events = []
    for event in agent.stream("greet"):
        if isinstance(event, Tick) and event.index == 1 and not planner.memories[0] and len(events) < 3:
            agent.tell("  bow as well ")
        events.append(event)
    feedback = Feedback("human", "bow as well")
    index = events.index(feedback)
    assert isinstance(events[index - 1], Step) and isinstance(events[index + 1], Decision)
    assert feedback in planner.memories[1] and feedback in planner.memories[2]


def test_who_speaks_while_it_is_being_decided_that_all_is_done_is_heard() -> None:
    planner = Planner(["done", "wave", "done"])
    agent = make(planner=planner)
    events = []
    for event in agent.stream("greet"):
        if isinstance(event, Decision) and not events:
            agent.tell("wave, please")
        events.append(event)
    heard = Feedback("human", "wave, please")
    assert events[1] == heard and [heard in memory for memory in planner.memories] == [False, True, True]
    assert [step.skill.phrase for step in events[-1].steps] == ["wave"]


@pytest.mark.parametrize("way", ["stopped", "closed"])
def test_what_a_run_is_told_too_late_is_not_heard_by_the_next(way: str) -> None:
    planner = Planner(["wave", "done", "done"])
    agent = make(planner=planner)
    run = agent.stream("greet")
    for event in run:
        if isinstance(event, Decision) and event.skill.phrase == "wave":
            agent.tell("to this one")
            if way == "closed":
                run.close()
            else:
                agent.stop()
    planner.phrases, planner.memories = ["done"], []
    agent.tell("to the next one")
    assert agent.run("greet").end is EndState.FINISHED
    assert planner.memories == [(Feedback("human", "to the next one"),)]


def test_what_a_run_is_told_is_not_taken_from_it_by_one_that_cannot_begin() -> None:
    planner = Planner(["wave", "done"])
    agent = make(planner=planner)
    first = agent.stream("greet")
    while not isinstance(next(first), Tick):
        pass
    agent.tell("gently")
    assert agent.run("greet").end is EndState.FAILED
    assert Feedback("human", "gently") in drain(first)[0]


def test_plan_decides_and_moves_nothing() -> None:
    agent = make()
    decision = agent.plan("greet")
    assert decision.skill.phrase == "wave" and decision is agent.last_decision
    assert agent.robot.driver.actions == []


def test_perform_does_one_skill_without_a_decision() -> None:
    agent = make(llm=ScriptedLanguageModel(error=OSError("not to be asked")))
    events, step = drain(agent.perform("bow"))
    assert [type(event) for event in events] == [Tick] * TICKS + [Step]
    assert events[-1] is step and step.skill.phrase == "bow" and step.decision is None
    assert drain(agent.perform(agent.library.find("nod")))[1].outcome is Outcome.SUCCEEDED
    with pytest.raises(UnknownNameError, match="Did you mean 'wave'"):
        agent.perform("wav")


def test_perform_can_be_stopped() -> None:
    agent = make(policy=lambda observation, skill: Action())
    events = agent.perform("wave")
    next(events)
    agent.stop()
    assert drain(events)[1].outcome is Outcome.STOPPED


# Parts ---------------------------------------------------------------------------------------------------------------


def test_a_robot_of_ones_own_is_told_which_argument_is_missing() -> None:
    with pytest.raises(MissingPartError, match=r"Agent needs library=\[...\] for fake"):
        Agent(Bare())
    with pytest.raises(MissingPartError, match=r"Agent needs policy=... for fake"):
        Agent(Bare(), library=["wave"], values=lambda o, s: 1.0).run("greet")
    with pytest.raises(MissingPartError, match=r"Agent needs policy=..."):
        Agent(Bare(), library=["wave"]).perform("wave")
    with pytest.raises(MissingPartError, match=r"Agent needs values=..."):
        Agent(Bare(), library=["wave"], policy=brief).run("greet")
    with pytest.raises(MissingPartError, match=r"Agent needs values=..."):
        Agent(Bare(), library=["wave"]).plan("greet")


def test_a_simulator_gets_the_privileged_parts_and_any_can_be_replaced() -> None:
    agent = Agent(FakeRobot(), record=None)
    names = [type(part).__name__ for part in (agent.robot, agent.policy, agent.values, agent.detector)]
    assert names == ["Gate", "PrivilegedExperts", "PrivilegedGeometricValues", "PrivilegedDetector"]
    assert len(agent.library) >= 150
    assert Agent(FakeRobot(), policy="saycan.skills.experts:PrivilegedExperts").policy.name == "privileged experts"
    assert Agent(FakeRobot(), policy=brief).policy.function is brief


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"policy": "experts"}, MissingPartError),
        ({"policy": "expert"}, UnknownNameError),
        ({"policy": 3}, PolicyError),
        ({"policy": type("P", (), {"reset": None, "act": None})}, PolicyError),
        ({"values": 0.5}, ValueFunctionError),
        ({"llm": 3}, BadInputError),
        ({"llm": ScriptedLanguageModel}, BadInputError),
        ({"detector": True}, BadInputError),
        ({"planner": Planner}, BadInputError),
        ({"values": {}}, ValueFunctionError),
        ({"robot": "kichen"}, UnknownNameError),
        ({"robot": object()}, RobotError),
        ({"library": []}, BadInputError),
        ({"max_steps": 0}, BadInputError),
        ({"max_seconds": math.nan}, BadInputError),
    ],
)
def test_parts_that_cannot_be_used_are_refused_at_once(options, error) -> None:
    with pytest.raises(error):
        make(**options)


def test_an_unknown_model_is_told_before_anything_moves() -> None:
    robot = Bare()
    agent = make(robot=robot, llm="gema")
    for verb in (agent.plan, agent.run, agent.stream):
        with pytest.raises(UnknownNameError, match="Did you mean 'gemma'"):
            verb("greet")
    assert robot.actions == []


def test_a_robot_that_was_passed_in_stays_its_owners() -> None:
    robot = FakeRobot()
    with Agent(robot, record=None) as agent:
        pass
    assert not robot.closed and robot.holds
    gate = Gate(robot)
    assert Agent(gate, record=None).robot is gate
    with Agent("fake", record=None) as agent:
        pass
    assert agent.robot.closed


def real(**options) -> Bare:
    """Hardware, which one program at a time drives."""
    robot = Bare(**options)
    robot.spec = replace(robot.spec, simulated=False, device="arm 7")
    return robot


def watchdogs() -> int:
    return sum(thread.name == "watchdog" for thread in threading.enumerate())


def test_a_robot_that_was_passed_in_can_be_given_to_the_next_agent(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    robot, before = real(), watchdogs()
    for _ in range(2):
        with make(robot=robot) as agent:
            assert agent.run("greet").end is EndState.FINISHED
            assert watchdogs() == before + 1
        assert watchdogs() == before and not robot.closed
    agent.robot.observe()
    with pytest.raises(RobotError, match="left to its driver; make a new gate or agent"):
        agent.robot.apply(Action())
    agent.robot.close()
    assert robot.closed
    with Gate(real()) as gate:
        with make(robot=gate):
            pass
        gate.apply(Action())  # a gate that was passed in stays its owner's, too


class Opened(Bare):
    """Made by name, and what was made."""

    made: ClassVar[list[Bare]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)


class Connected:
    """A policy that holds something open."""

    closed = 0

    def __init__(self, robot) -> None: ...

    def reset(self, skill) -> None: ...

    def act(self, observation, skill) -> Action:
        return Action(terminate=True)

    def close(self) -> None:
        type(self).closed += 1


def test_an_agent_that_cannot_be_made_leaves_nothing_open(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    with pytest.raises(MissingPartError, match="Agent needs library") as failed:
        Agent(f"{__name__}:Opened")
    assert Opened.made.pop().closed
    with pytest.raises(BadInputError, match="llm= takes"):
        make(robot=f"{__name__}:Opened", policy=f"{__name__}:Connected", llm=3)
    assert Opened.made.pop().closed and Connected.closed == 1
    robot = real()
    with pytest.raises(MissingPartError, match="Agent needs library") as failed:
        Agent(robot)
    with make(robot=robot):
        pass
    assert not robot.closed and failed.tb is not None


class Jammed(Connected):
    """A policy whose connection does not end well."""

    def close(self) -> None:
        raise OSError("no answer")


def test_a_part_that_does_not_close_leaves_none_of_the_others_open() -> None:
    agent = make(robot=f"{__name__}:Opened", policy=f"{__name__}:Jammed")
    with pytest.raises(OSError, match="no answer"):
        agent.close()
    assert Opened.made.pop().closed
    assert agent.robot.closed  # type: ignore[attr-defined]


def test_a_decision_that_somebody_else_gives_up_ends_the_run() -> None:
    class Asking(ScriptedLanguageModel):
        def score(self, prompt, options):
            check_interruption()
            return super().score(prompt, options)

    agent = make(llm=Asking(SCRIPT))
    with interruptible(lambda: True):
        result = agent.run("greet", max_seconds=5.0)
    assert result.end is EndState.FAILED and "given up" in result.message
    assert agent.run("greet").end is EndState.FINISHED
