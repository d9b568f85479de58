"""Proofs that somebody's robot or policy keeps the contract, for use in their own tests.

    def test_my_robot():
        saycan.check_robot(MyRobot())

    def test_my_policy():
        saycan.check_policy(my_policy, MyRobot(), phrases=["wave", "pick up the cup"])

Both raise ConformanceError, an AssertionError, at the first clause that does not hold, and return what they checked.
`check_robot` moves the robot by millimetres and closes it at the end: on hardware, run it with room to move.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

import numpy as np

from saycan.action import Action
from saycan.adapters import PolicyFunction, as_policy
from saycan.errors import RobotError, SayCanError
from saycan.gate import Gate
from saycan.inspection import find_problem
from saycan.observation import Observation
from saycan.policy import Policy
from saycan.robot import Robot, RobotSpec
from saycan.skill import Skill

_TURN_TOLERANCE = 1e-3


class ConformanceError(AssertionError):
    """A clause of the contract does not hold; the message names the clause and what was found."""


def check_robot(robot: Robot, *, periods: int = 5) -> list[str]:
    """Prove a driver; it is closed afterwards.

    Args:
        robot: The driver itself, not a gate.
        periods: Control periods to stand still, and again to move by a millimetre each.

    Returns:
        The clauses that were checked, one line each.

    Raises:
        ConformanceError: The first clause that does not hold.
    """
    _require(not isinstance(robot, Gate), "pass the driver itself", "a Gate, which is proven already")
    checked = _Checked()

    with checked("has spec, observe(), apply(), hold() and close()"):
        _require(isinstance(robot, Robot), "a Robot", type(robot).__name__)
        spec = robot.spec
        _require(isinstance(spec, RobotSpec), "spec to be a RobotSpec", type(spec).__name__)
    with checked("its specification makes sense: positive rate, finite limits, workspace corners in order"):
        gate = Gate(robot)
    try:
        _prove(robot, gate, spec, periods, checked)
    finally:
        with suppress(Exception):  # what a clause has found is what counts
            gate.close()  # held, closed and its device free for others, whatever came of it
    return checked.lines


def _prove(robot: Robot, gate: Gate, spec: RobotSpec, periods: int, checked: _Checked) -> None:
    with checked("its specification names it, and stays as it is"):
        _require(robot.spec == spec, "spec to be constant", "another one at the second look")
        _require(bool(spec.name), "a name in its spec", repr(spec.name))

    with checked("observe() gives what its specification says, finite, with unit quaternions"):
        first = _observed(robot)
    with checked("observe() can be called again at once, and time does not run backwards"):
        _require(_observed(robot).time >= first.time, "time to stand or go on", "time that went back")
    before = copy.deepcopy(first)

    with checked("apply() of an action of zeros succeeds, returns an Action, and lets the clock go on"):
        times = [first.time]
        for _ in range(periods):
            sent = robot.apply(Action(gripper=first.gripper))
            _require(isinstance(sent, Action), "apply() to return the Action it sent", type(sent).__name__)
            _require(sent.is_finite(), "a finite action", str(sent))
            times.append(_observed(robot).time)
        _require(all(b > a for a, b in pairwise(times)), "time to go on with every apply()", str(times))
        span, expected = times[-1] - times[0], periods / spec.rate
        slack = 1e-6 if spec.simulated else expected + 1.0
        _require(abs(span - expected) <= slack, f"{periods} control periods to take {expected:g} s", f"{span:g} s")
    with checked("a millimetre's command is sent as it is, within limits"):
        small = Action([0.0, 0.0, 0.001, 0.0, 0.0, 0.0], gripper=first.gripper)
        for _ in range(periods):
            sent = robot.apply(gate.limit(small))
            _require(
                bool(np.all(np.abs(sent.to_vector()) <= np.abs(small.to_vector()) + 1e-9)),
                "what was sent not to exceed what was commanded",
                str(sent),
            )
    with checked("terminate is accepted and moves nothing"):
        here = _observed(robot)
        robot.apply(Action(gripper=first.gripper, terminate=True))
        moved = float(np.linalg.norm(_observed(robot).base_pose - here.base_pose))
        _require(moved < 0.01, "the base to stand still while terminate is sent", f"a move of {moved:.3f}")
    with checked("an observation stays as it was when the robot moves on"):
        _require(_same(first, before), "observations that stay as they are", "one that changed; hand out copies")

    with checked("hold() never raises, twice in a row"):
        robot.hold()
        robot.hold()
    with checked("close() can be called twice, and hold() after it"):
        robot.close()
        robot.close()
        robot.hold()
    with checked("after close(), observe() and apply() raise RobotError"):
        for verb, call in {"observe": robot.observe, "apply": lambda: robot.apply(Action())}.items():
            _require_robot_error(verb, call)


def check_policy(
    policy: Policy | PolicyFunction,
    robot: Robot | RobotSpec,
    phrases: Iterable[Skill | str] = ("wave",),
    *,
    periods: int = 20,
) -> list[str]:
    """Prove a policy on a robot, which it moves through the gate; or, given a specification, on made-up observations.

    Args:
        policy: A policy, or a function as one.
        robot: What it acts on; it is held, not closed, afterwards.
        phrases: Skills to ask of it, or their phrases.
        periods: Control periods for each.

    Returns:
        The clauses that were checked, one line each.

    Raises:
        ConformanceError: The first clause that does not hold.
    """
    checked = _Checked()
    with checked("has reset(skill) and act(observation, skill), or is a function of both"):
        proven = as_policy(policy)
    skills = [phrase if isinstance(phrase, Skill) else Skill(phrase, phrase) for phrase in phrases]
    _require(bool(skills), "at least one phrase to try it on", "none")
    gate = None if isinstance(robot, RobotSpec) else Gate(robot)
    spec = robot if isinstance(robot, RobotSpec) else robot.spec
    try:
        for skill in skills:
            with checked(f"{skill.phrase!r}: every action is an Action, finite, with the gripper in [0, 1]"):
                proven.reset(skill)
                for period in range(periods):
                    seen = _made_up(spec, period) if gate is None else gate.observe()
                    action = proven.act(seen, skill)
                    _require(isinstance(action, Action), "act() to return an Action", type(action).__name__)
                    _require(action.is_finite(), "a finite action", str(action))
                    _require(0.0 <= action.gripper <= 1.0, "a gripper command in [0, 1]", str(action.gripper))
                    if action.terminate:
                        break
                    if gate is not None:
                        gate.apply(action)
            with checked(f"{skill.phrase!r}: it does not change its observation"):
                seen = _made_up(spec, 0) if gate is None else gate.observe()
                before = copy.deepcopy(seen)
                proven.reset(skill)
                proven.act(seen, skill)
                _require(_same(seen, before), "observations to be left alone", "one that the policy wrote into")
    finally:
        if gate is not None:
            gate.hold()
            if gate is not robot:
                gate.leave()
    return checked.lines


class _Checked:
    """Collects the clauses that hold; whatever goes wrong inside one becomes a ConformanceError that names it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def __call__(self, clause: str) -> Iterator[None]:
        try:
            yield
        except ConformanceError as error:
            raise ConformanceError(f"the contract says: {clause}. {error}") from None
        except Exception as error:
            name = "" if isinstance(error, SayCanError) else f"{type(error).__name__}: "
            raise ConformanceError(f"the contract says: {clause}. It raised {name}{error}") from error
        self.lines.append(clause)


def _require(holds: bool, expected: str, found: str) -> None:
    if not holds:
        raise ConformanceError(f"Expected {expected}, found {found}")


def _observed(robot: Robot) -> Observation:
    observation = robot.observe()
    problem = find_problem(observation, robot.spec)
    _require(problem is None, "a sound observation", str(problem))
    length = float(np.linalg.norm(observation.ee_quaternion))
    _require(abs(length - 1.0) < _TURN_TOLERANCE, "ee_quaternion of length 1, (w, x, y, z)", f"length {length:.4f}")
    _require(-0.05 <= observation.gripper <= 1.05, "gripper as a fraction in [0, 1]", str(observation.gripper))
    return observation


def _same(one: Observation, other: Observation) -> bool:
    images = all(np.array_equal(one.images[name], image) for name, image in other.images.items())
    return images and np.array_equal(one.proprioception(), other.proprioception())


def _require_robot_error(verb: str, call: Callable[[], object]) -> None:
    try:
        call()
    except RobotError:
        return
    except Exception as error:
        raise ConformanceError(f"Expected RobotError from {verb}(), found {type(error).__name__}") from error
    raise ConformanceError(f"Expected RobotError from {verb}(), found that it works")


def _made_up(spec: RobotSpec, seed: int) -> Observation:
    """An observation of the right shapes, with noise for pictures."""
    rng = np.random.default_rng(seed)
    middle = 0.5 * (np.array(spec.limits.workspace_low) + np.array(spec.limits.workspace_high))
    return Observation(
        time=seed / spec.rate,
        images={name: rng.integers(0, 256, shape, dtype=np.uint8) for name, shape in spec.cameras.items()},
        joints=rng.normal(0.0, 0.1, spec.joints),
        gripper=1.0,
        ee_position=middle,
        ee_quaternion=np.array([1.0, 0.0, 0.0, 0.0]),
        base_pose=np.zeros(3),
    )
