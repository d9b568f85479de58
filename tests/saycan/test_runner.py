from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from saycan.action import Action
from saycan.agent import Agent
from saycan.errors import RobotError
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.runner import Runner
from saycan.step import EndState, Event, Result, Tick


class SlowRobot(FakeRobot):
    """Takes a hundredth of a second for each action, and knows which threads used it."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()

    def apply(self, action: Action) -> Action:
        self.threads.add(threading.current_thread().name)
        time.sleep(0.01)
        return super().apply(action)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


class Watched:
    """A runner with a slow robot, and what came out of it."""

    def __init__(self) -> None:
        self.robot = SlowRobot()
        self.events: list[Event] = []
        self.failures: list[BaseException | None] = []
        self.runner = Runner(self.open_agent)

    def open_agent(self) -> Agent:
        model = ScriptedLanguageModel(["go to the table", "pick up the sponge", "go to the far counter"])
        return Agent(self.robot, llm=model, record=None)

    def begin(self) -> None:
        self.runner.begin(lambda agent: agent.stream("clean the table"), self.events.append, self.failures.append)

    @property
    def result(self) -> Result:
        last = self.events[-1]
        assert isinstance(last, Result)
        return last


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.runner.open()
    yield watched
    watched.runner.close()
    assert watched.robot.closed


def test_one_thread_does_everything(watched: Watched) -> None:
    watched.begin()
    watched.runner.wait()
    assert watched.result.end is EndState.FINISHED
    assert watched.failures == [None]
    assert watched.robot.threads == {"saycan-robot"}
    assert watched.runner.ask(lambda agent: threading.current_thread().name).result() == "saycan-robot"


def test_questions_are_answered_in_mid_run(watched: Watched) -> None:
    watched.begin()
    until(lambda: len(watched.robot.actions) > 3)
    assert watched.runner.ask(lambda agent: agent.robot.spec.name).result(timeout=5) == "fake"
    assert watched.runner.busy
    with pytest.raises(RuntimeError, match="a run is going on"):
        watched.begin()


def test_a_question_that_fails_fails_alone(watched: Watched) -> None:
    future = watched.runner.ask(lambda agent: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        future.result(timeout=5)
    assert watched.runner.ask(lambda agent: 1).result(timeout=5) == 1


def test_a_pause_holds_the_robot_until_it_is_resumed(watched: Watched) -> None:
    watched.begin()
    until(lambda: len(watched.robot.actions) > 3)
    before, holds = len(watched.robot.actions), watched.robot.holds
    watched.runner.pause()
    until(lambda: watched.robot.holds > holds)
    assert len(watched.robot.actions) <= before + 2  # the period it was in, and one that had begun
    still = len(watched.robot.actions)
    assert watched.runner.ask(lambda agent: 7).result(timeout=5) == 7
    time.sleep(0.1)
    assert len(watched.robot.actions) == still
    assert watched.runner.paused
    watched.runner.resume()
    watched.runner.wait()
    assert watched.result.end is EndState.FINISHED


def test_stop_ends_a_run_also_out_of_a_pause_and_before_it_began(watched: Watched) -> None:
    for pause in (False, True):
        watched.begin()
        until(lambda: watched.runner.busy and len(watched.robot.actions) > 3)
        if pause:
            watched.runner.pause()
        watched.runner.stop()
        watched.runner.wait()
        assert watched.result.end is EndState.STOPPED
        watched.robot.reset()
    watched.begin()
    watched.runner.stop()
    watched.runner.wait()
    assert watched.result.end is EndState.STOPPED
    assert len(watched.robot.actions) <= 2


def test_a_run_begins_as_soon_as_the_one_that_was_stopped_has_ended(watched: Watched) -> None:
    watched.begin()
    until(lambda: len(watched.robot.actions) > 3)
    assert not watched.runner.ready
    watched.runner.stop()
    assert watched.runner.ready
    watched.begin()
    with pytest.raises(RuntimeError, match="a run is going on"):
        watched.begin()
    watched.runner.wait()
    ends = [event.end for event in watched.events if isinstance(event, Result)]
    assert ends == [EndState.STOPPED, EndState.FINISHED]
    assert watched.failures == [None, None]


@pytest.mark.parametrize("stop", [False, True])
def test_a_run_that_has_its_result_lets_another_wait(watched: Watched, stop: bool) -> None:
    recorded = threading.Event()

    def recording(agent: Agent) -> Iterator[Event]:
        watched.runner.conclude()
        recorded.wait(10)
        yield from ()

    watched.runner.begin(recording, watched.events.append, watched.failures.append)  # type: ignore[arg-type]
    until(lambda: watched.runner.ready)
    watched.begin()
    assert watched.runner.busy and not watched.runner.ready
    watched.runner.pause()
    assert not watched.runner.paused
    if stop:
        watched.runner.stop()
    recorded.set()
    watched.runner.wait()
    assert watched.failures == ([None] if stop else [None, None])
    assert [event.end for event in watched.events if isinstance(event, Result)] == [EndState.FINISHED][stop:]


def test_a_run_that_cannot_begin_is_told(watched: Watched) -> None:
    watched.runner.begin(lambda agent: agent.stream(""), watched.events.append, watched.failures.append)
    watched.runner.wait()
    assert "the instruction is empty" in str(watched.failures[0])
    assert not watched.runner.busy


@pytest.mark.parametrize("pause", [False, True])
def test_closing_in_mid_run_holds_and_closes_the_robot(pause: bool) -> None:
    watched = Watched()
    watched.runner.open()
    watched.begin()
    until(lambda: len(watched.robot.actions) > 3)
    if pause:
        watched.runner.pause()
    watched.runner.close()
    watched.runner.close()
    assert watched.robot.closed
    assert watched.result.end is EndState.STOPPED
    assert any(isinstance(event, Tick) for event in watched.events)


def test_an_agent_that_cannot_be_opened_is_told_where_it_was_asked_for() -> None:
    def fail() -> Agent:
        raise RobotError("no robot")

    runner = Runner(fail)
    with pytest.raises(RobotError, match="no robot"):
        runner.open()
    runner.close()
