"""Carrying out one skill in closed loop: observe, ask the policy, pass the gate, once each control period."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from time import perf_counter

from saycan.action import Action
from saycan.decision import Decision
from saycan.errors import PolicyError, RobotError, UnsafeActionError
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.policy import Policy
from saycan.skill import Skill
from saycan.step import INTERRUPTED, Outcome, Step, Tick
from saycan.stopwatch import Stopwatch
from saycan.success import SuccessDetector, begin_detection

SETTLE = 0.5
"""Seconds between a policy's end and the detector's look: what was let go of may still be falling or rolling."""


class _DetectorError(Exception):
    """Args: the error that a success detector raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the success detector failed: {type(error).__name__}: {error}")


def execute(
    robot: Gate,
    policy: Policy,
    skill: Skill,
    *,
    detector: SuccessDetector | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    index: int = 1,
    decision: Decision | None = None,
    stood: Stopwatch | None = None,
) -> Generator[Tick, None, tuple[Step, RobotError | None]]:
    """Carry out one skill, yielding a Tick for every control period.

    It ends when the policy terminates and things have come to rest (`SETTLE`), at the skill's time limit (by the
    robot's clock, on which a pause between two periods does not count), when `should_stop` says so (asked before every
    period), on Ctrl-C, or when something fails. The robot is held however it ends.

    Args:
        robot: The gated robot.
        policy: What turns observations into actions.
        skill: What to do.
        detector: Decides whether it succeeded; without one the policy's own word is taken and called "unchecked".
        should_stop: Whether to break off.
        index: Number of the step.
        decision: What led to it.
        stood: Counts for how long whoever drains it has let it stand.

    Returns:
        The step, and the robot's error if it was the robot that failed: nothing more can be done with it then. A policy
        or a detector that fails makes a failed step and no more.
    """
    began, ticks, fault = perf_counter(), 0, None
    stood = Stopwatch() if stood is None else stood
    stood_before = stood.seconds
    try:
        _reset(policy, skill)  # may load or connect: what the first action follows from is seen afterwards
        _begin(detector, skill)
        before = observation = robot.observe()
        limit = max(1, math.ceil(skill.seconds * robot.spec.rate - 1e-9))
        still: list[Action] | None = None  # what is left to be waited for, once the policy has ended
        while True:
            if should_stop():
                outcome, message = Outcome.STOPPED, "stopped"
                break
            if still == []:
                outcome, message = _judge(skill, before, observation, detector)
                break
            # The second clause is for hardware that does not keep its rate. A simulator's clock stands in a pause.
            paused = 0.0 if robot.spec.simulated else stood.seconds - stood_before
            taken = observation.time - before.time - paused
            late = ticks >= limit or taken > skill.seconds + 1.0 / robot.spec.rate
            if still is None and late:
                outcome, message = Outcome.TIMED_OUT, _time_out(skill, before, robot, detector)
                break
            action = still.pop() if still else _act(policy, observation, skill)
            sent = robot.apply(action)
            ticks += 1
            with stood:
                yield Tick(skill, ticks, limit, observation, sent)
            if action.terminate:
                still = standing(action, robot.spec.rate)
            observation = robot.observe()
    except (PolicyError, UnsafeActionError, _DetectorError) as error:
        outcome, message = Outcome.FAILED, str(error)
    except RobotError as error:
        if should_stop():  # whoever stops may also close, so that nothing moves any more
            outcome, message = Outcome.STOPPED, f"stopped: {error}"
        else:
            outcome, message, fault = Outcome.FAILED, f"the robot failed: {error}", error
    except KeyboardInterrupt:
        outcome, message = Outcome.STOPPED, INTERRUPTED
    finally:
        robot.hold()
    return Step(index, skill, outcome, message, ticks, perf_counter() - began, decision), fault


def standing(last: Action, rate: float) -> list[Action]:
    """What is sent after a policy's last action, at `rate` Hz, until things have come to rest: the fingers stay."""
    return [Action(gripper=last.gripper)] * round(SETTLE * rate)


def _reset(policy: Policy, skill: Skill) -> None:
    try:
        policy.reset(skill)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"the policy failed to reset: {type(error).__name__}: {error}") from error


def _begin(detector: SuccessDetector | None, skill: Skill) -> None:
    try:
        begin_detection(detector, skill)
    except RobotError:
        raise
    except Exception as error:
        raise _DetectorError(error) from error


def _act(policy: Policy, observation: Observation, skill: Skill) -> Action:
    try:
        return policy.act(observation, skill)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"the policy failed: {type(error).__name__}: {error}") from error


def _judge(
    skill: Skill, before: Observation, after: Observation, detector: SuccessDetector | None
) -> tuple[Outcome, str]:
    if detector is None:
        return Outcome.SUCCEEDED, "unchecked: the policy says that it is done, and there is no success detector"
    try:
        detection = detector.detect(skill, before, after)
        return Outcome.SUCCEEDED if detection.success else Outcome.FAILED, detection.message
    except RobotError:
        raise
    except Exception as error:
        return Outcome.FAILED, str(_DetectorError(error))


def _time_out(skill: Skill, before: Observation, robot: Gate, detector: SuccessDetector | None) -> str:
    message = f"not done after {skill.seconds:g} s"
    if detector is None:
        return message
    outcome, seen = _judge(skill, before, robot.observe(), detector)
    if outcome is Outcome.SUCCEEDED:
        return f"{message}: it looks done, but the policy did not say so"
    return f"{message}: {seen}" if seen else message
