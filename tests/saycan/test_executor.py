"""One skill: every way in which it can end, and the robot held after each."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from saycan.action import Action
from saycan.adapters import as_policy
from saycan.errors import PolicyError, RobotError
from saycan.executor import execute
from saycan.gate import Gate
from saycan.robot import Freshness
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill
from saycan.step import Outcome
from saycan.stopwatch import Stopwatch
from saycan.success import Detection

WAVE = Skill("wave", "wave", seconds=1.0)


def up(observation, skill) -> Action:
    """Ends in its third period, after which it is waited for five more."""
    return Action([0, 0, 0.01, 0, 0, 0], terminate=observation.time >= 0.2 - 1e-9)


def drain(generator):
    ticks = []
    while True:
        try:
            ticks.append(next(generator))
        except StopIteration as stopped:
            return ticks, *stopped.value


def run(policy=up, robot=None, **options):
    driver = robot or FakeRobot()
    ticks, step, fault = drain(execute(Gate(driver), as_policy(policy), WAVE, **options))
    assert driver.holds >= 1
    return SimpleNamespace(driver=driver, ticks=ticks, step=step, fault=fault)


class Detector:
    def __init__(self, answer) -> None:
        self.answer, self.times = answer, ()

    def detect(self, skill, before, after):
        self.times = before.time, after.time
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_skill_that_ends_by_itself() -> None:
    detector = Detector(Detection(True, message="seen"))
    done = run(detector=detector)
    assert (done.step.outcome, done.step.message, done.step.ticks, done.fault) == (Outcome.SUCCEEDED, "seen", 8, None)
    assert [tick.index for tick in done.ticks] == [*range(1, 9)] and {tick.limit for tick in done.ticks} == {10}
    assert [tick.observation.time for tick in done.ticks] == pytest.approx([0.1 * index for index in range(8)])
    assert [tick.index for tick in done.ticks if tick.action.terminate] == [3]
    assert detector.times == pytest.approx((0.0, 0.8))  # before the first action, after the last


def test_before_it_is_judged_the_robot_stands_still_for_half_a_second_and_keeps_its_fingers() -> None:
    class Falling(Detector):
        def detect(self, skill, before, after):
            return Detection(after.time - before.time >= 0.5)  # what was let go of has arrived

    done = run(lambda seen, skill: Action(gripper=0.3, terminate=True), detector=Falling(None))
    assert done.step.outcome is Outcome.SUCCEEDED
    waiting = [tick.action for tick in done.ticks[1:]]
    assert [action.gripper for action in waiting] == pytest.approx([0.3] * 5)
    assert not any(action.ee_delta.any() or action.base_delta.any() for action in waiting)


def test_what_ends_at_the_last_moment_is_judged_all_the_same() -> None:
    done = run(lambda seen, skill: Action(terminate=seen.time >= 0.9 - 1e-9), detector=Detector(Detection(True)))
    assert (done.step.outcome, done.step.ticks) == (Outcome.SUCCEEDED, 15)


def test_stop_is_heard_while_things_come_to_rest() -> None:
    driver = FakeRobot()
    done = run(lambda seen, skill: Action(terminate=True), driver, should_stop=lambda: len(driver.actions) >= 3)
    assert (done.step.outcome, done.step.ticks) == (Outcome.STOPPED, 3)


def test_ticks_hold_what_was_really_sent() -> None:
    done = run(lambda seen, skill: Action([9, 0, 0, 0, 0, 0], terminate=seen.time > 0))
    assert done.ticks[0].action.ee_delta[0] == pytest.approx(0.05)


def test_without_a_detector_the_policy_is_believed_and_that_is_said() -> None:
    assert run().step.outcome is Outcome.SUCCEEDED
    assert run().step.message.startswith("unchecked")


def test_the_detector_has_the_last_word() -> None:
    done = run(detector=Detector(Detection(False, message="nothing moved")))
    assert (done.step.outcome, done.step.message) == (Outcome.FAILED, "nothing moved")


def test_a_detector_that_wants_to_is_told_when_a_skill_begins() -> None:
    told = []

    class Telling(Detector):
        def begin(self, skill):
            told.append((skill, driver.actions[:]))

        def detect(self, skill, before, after):
            assert len(told) == 1
            return Detection(True)

    driver = FakeRobot()
    assert run(robot=driver, detector=Telling(None)).step.outcome is Outcome.SUCCEEDED
    assert told == [(WAVE, [])]


@pytest.mark.parametrize("error", [ValueError("blind"), RobotError("away")])
def test_a_detector_that_fails_at_the_beginning_makes_a_failed_step(error: Exception) -> None:
    class Failing(Detector):
        def begin(self, skill):
            raise error

    done = run(detector=Failing(Detection(True)))
    assert done.step.outcome is Outcome.FAILED and done.driver.actions == []
    failed = "the robot failed: away" if isinstance(error, RobotError) else "success detector failed: ValueError: blind"
    assert failed in done.step.message and (done.fault is error) == isinstance(error, RobotError)


@pytest.mark.parametrize("answer", [OSError("blind"), None])
def test_a_detector_that_fails_makes_a_failed_step(answer) -> None:
    done = run(detector=Detector(answer))
    assert done.step.outcome is Outcome.FAILED and "success detector failed" in done.step.message
    assert done.fault is None


def test_the_time_limit_is_the_skills_own() -> None:
    done = run(lambda seen, skill: Action())
    assert (done.step.outcome, done.step.ticks) == (Outcome.TIMED_OUT, 10)
    assert done.step.message == "not done after 1 s"
    done = run(lambda seen, skill: Action(), detector=Detector(Detection(False, message="half done")))
    assert done.step.message == "not done after 1 s: half done"
    done = run(lambda seen, skill: Action(), detector=Detector(Detection(True)))
    assert done.step.outcome is Outcome.TIMED_OUT and "looks done" in done.step.message


def test_a_robot_that_does_not_keep_its_rate_does_not_stretch_the_limit() -> None:
    class Slow(FakeRobot):
        time = property(lambda self: 0.5 * len(self.actions))

    assert run(lambda seen, skill: Action(), Slow()).step.ticks == 3


def test_a_robot_that_is_closed_by_who_stops_it_is_no_failure() -> None:
    robot, stopped = Gate(FakeRobot()), []

    def act(seen, skill) -> Action:
        if len(robot.driver.actions) == 2:
            stopped.append(True)
            robot.leave()
        return Action()

    _, step, fault = drain(execute(robot, as_policy(act), WAVE, should_stop=lambda: bool(stopped)))
    assert (step.outcome, step.ticks, fault) == (Outcome.STOPPED, 2, None) and robot.driver.holds > 0


@pytest.mark.parametrize("simulated", [False, True])
def test_a_pause_between_two_periods_does_not_count(simulated) -> None:
    class Real(FakeRobot):
        time = property(lambda self: time.monotonic())

    robot = FakeRobot() if simulated else Real()
    robot.spec = replace(robot.spec, simulated=simulated)
    watch = Stopwatch()

    def act(seen, skill) -> Action:
        return Action(terminate=len(robot.actions) == 3)

    events = execute(Gate(robot), as_policy(act), replace(WAVE, seconds=1.5), stood=watch)
    next(events)
    time.sleep(1.8)
    _, step, _ = drain(events)
    assert step.outcome is Outcome.SUCCEEDED and watch.seconds >= 1.8


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Action([math.nan, 0, 0, 0, 0, 0]), "not finite: ee x = nan"),
        (Action(gripper=math.inf), "gripper = inf"),
        (Action([math.nan, 0, 0, 0, 0, 0], terminate=True), "not finite"),
        (None, "expected an Action, found NoneType"),
        ([0] * 11, "expected an Action, found list"),
    ],
)
def test_a_policy_that_returns_nonsense_makes_a_failed_step(action, message) -> None:
    done = run(lambda seen, skill: action)
    assert done.step.outcome is Outcome.FAILED and message in done.step.message
    assert done.fault is None and done.driver.actions == []


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), PolicyError("oh")])
@pytest.mark.parametrize("verb", ["act", "reset"])
def test_a_policy_that_raises_makes_a_failed_step(error, verb) -> None:
    def fail(*_):
        raise error

    policy = SimpleNamespace(reset=lambda skill: None, act=up)
    setattr(policy, verb, fail)
    done = run(policy)
    assert done.step.outcome is Outcome.FAILED and "oh" in done.step.message and done.fault is None


@pytest.mark.parametrize("after", [0, 2])
def test_a_robot_that_fails_is_reported_as_such(after) -> None:
    done = run(robot=FakeRobot(fail_after=after))
    assert done.step.outcome is Outcome.FAILED and "the robot failed" in done.step.message
    assert done.step.ticks == after == len(done.ticks)
    assert isinstance(done.fault, RobotError) and isinstance(done.fault.__cause__, RuntimeError)


def test_stop_is_asked_for_in_every_period() -> None:
    driver = FakeRobot()
    done = run(lambda seen, skill: Action(), driver, should_stop=lambda: len(driver.actions) >= 4)
    assert (done.step.outcome, done.step.message, len(driver.actions)) == (Outcome.STOPPED, "stopped", 4)


def test_ctrl_c_in_the_policy_stops_the_step() -> None:
    def interrupted(seen, skill):
        raise KeyboardInterrupt

    done = run(interrupted)
    assert (done.step.outcome, done.step.message) == (Outcome.STOPPED, "interrupted")


def test_the_robot_is_held_when_nobody_drains_the_rest() -> None:
    driver = FakeRobot()
    generator = execute(Gate(driver), as_policy(up), WAVE)
    next(generator)
    assert driver.holds == 0
    generator.close()
    assert driver.holds == 1


def test_the_robot_is_held_when_something_unforeseen_is_raised() -> None:
    driver = FakeRobot()

    def fail() -> bool:
        raise MemoryError

    with pytest.raises(MemoryError):
        drain(execute(Gate(driver), as_policy(up), WAVE, should_stop=fail))
    assert driver.holds == 1


def test_the_policy_is_reset_before_each_skill() -> None:
    seen = []
    run(SimpleNamespace(reset=seen.append, act=up))
    assert seen == [WAVE]


def test_a_policy_may_take_its_time_to_reset() -> None:
    robot = FakeRobot()
    robot.spec = replace(robot.spec, simulated=False, freshness=Freshness(observation=0.05))
    seen = []

    def act(observation, skill) -> Action:
        seen.append(observation)
        return Action(terminate=True)

    ticks = execute(Gate(robot), SimpleNamespace(reset=lambda skill: time.sleep(0.1), act=act), WAVE)
    assert next(ticks).observation is seen[0], "the first action follows from what was seen after the reset"
    ticks.close()
    assert len(robot.actions) == 1
