"""The agent: told something in words, it decides, acts, checks and decides afresh until "done" wins."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, cast

from saycan import compose
from saycan.adapters import PolicyFunction, ValueOfSkill, as_policy, as_success_detector, as_value_function
from saycan.decision import Decision
from saycan.episode import Episode, check_limits, drained, ended_by
from saycan.errors import (
    BadInputError,
    DecisionInterruptedError,
    MissingPartError,
    RobotError,
    SayCanError,
    UnknownNameError,
)
from saycan.executor import execute
from saycan.gate import Gate
from saycan.instruction import check_instruction
from saycan.interruption import interruptible
from saycan.language import LanguageModel
from saycan.library import SkillLibrary, Template
from saycan.planner import Planner
from saycan.policy import Policy, close_policy
from saycan.robot import Robot
from saycan.skill import Skill
from saycan.step import INTERRUPTED, EndState, Event, Feedback, Memory, Outcome, Result, Step
from saycan.success import SuccessDetector
from saycan.value import ValueFunction

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from saycan.observation import Observation


class Agent:
    """Carries out instructions with a robot, by SayCan (Ahn et al. 2022, arXiv:2204.01691).

    >>> Agent("kitchen").run("clean the counter")  # doctest: +SKIP

    Every part has a default and can be replaced by an argument. The defaults are looked up by what the robot can do:
    the simulated kitchen gets the shipped networks, another simulator that gives its privileged state away privileged
    experts, values and success checks; any other robot needs `library`, `policy` and `values` passed in, and without a
    `detector` its policy's word counts.

    Args:
        robot: A driver, or a name ("kitchen", "fake", "module:attribute"). Whatever it is stands behind a `Gate`.
        llm: A language model (LangChain's too), or a name as in `saycan.compose.make_language_model`: "gemma",
            "transformers:PATH", "openai:MODEL", "http://127.0.0.1:8000/v1#MODEL"; loaded when first needed.
        fallback: Name of a language model that stands in while `llm` does not answer.
        library: Skills, templates or bare phrases.
        policy: A policy, a function (observation, skill) -> Action, or a name ("learned", "learned:FILE", "experts").
        values: A value function, a function (observation, skill) -> probability of success, or a name ("learned",
            "geometric").
        detector: Decides after each skill whether it succeeded; or a name ("learned", "privileged").
        planner: How a decision is made over `llm` and `values`: "saycan", "shortlist" for thousands of skills, or
            "generative" (docs/planners.md). A planner of one's own replaces all of it.
        scoring: How the probabilities of a phrase's tokens become one number: "sum", "mean" or "prior".
        max_steps: Skills after which a run times out.
        max_seconds: Wall-clock seconds after which a run times out; pauses before and between its events do not count.
        record: Where `run` makes its run folders; None records nothing.

    Attributes:
        last_decision: The newest decision of any run or plan; None before the first.
    """

    def __init__(
        self,
        robot: Robot | str = "kitchen",
        *,
        llm: LanguageModel | BaseChatModel | str = "gemma",
        fallback: str | None = None,
        library: Iterable[Skill | Template | str] | None = None,
        policy: Policy | PolicyFunction | str | None = None,
        values: ValueFunction | ValueOfSkill | str | None = None,
        detector: SuccessDetector | str | None = None,
        planner: Planner | str = "saycan",
        scoring: str = "sum",
        max_steps: int = 20,
        max_seconds: float = 600.0,
        record: str | Path | None = "runs",
    ) -> None:
        check_limits(max_steps, max_seconds)
        self._owns_robot, self._owns_gate = isinstance(robot, str), not isinstance(robot, Gate)
        self._owns_policy = policy is None or isinstance(policy, str)
        with contextlib.ExitStack() as undo:
            opened = compose.make_robot(robot) if isinstance(robot, str) else robot
            if self._owns_robot and isinstance(opened, Robot):  # the gate says so where it is none
                undo.callback(opened.close)
            self.robot = Gate(opened)
            if self._owns_gate:
                undo.callback(self.robot.leave)
            driver = self.robot.driver
            if library is None:
                library = compose.default_library(driver)
            if library is None:
                raise MissingPartError(
                    f"Agent needs library=[...] for {self.robot.spec.name}: the phrases of what it can do, such as "
                    "['pick up the cup', 'wave hello']"
                )
            self.library = library if isinstance(library, SkillLibrary) else SkillLibrary(library)
            if policy is None or isinstance(policy, str):
                self.policy = compose.make_policy(policy, driver) if policy else compose.default_policy(driver)
                undo.callback(close_policy, self.policy)
            else:
                self.policy = as_policy(policy)
            if values is None or isinstance(values, str):
                self.values = compose.make_values(values, driver) if values else compose.default_values(driver)
            else:
                self.values = as_value_function(values)
            if detector is None or isinstance(detector, str):
                detector = compose.make_detector(detector, driver) if detector else compose.default_detector(driver)
            self.detector = None if detector is None else as_success_detector(detector)
            self.max_steps, self.max_seconds, self.record = max_steps, max_seconds, record
            self.last_decision: Decision | None = None
            _require("planner", planner, Planner | str, "a name, or an object with decide(instruction, memory, seen)")
            self._kind = planner if isinstance(planner, str) else ""
            if self._kind and self._kind not in compose.PLANNERS:
                raise UnknownNameError("planner", self._kind, compose.PLANNERS)
            self._fallback, self._scoring = fallback, scoring
            self._llm = _as_language_model(llm)
            self._planner = None if isinstance(planner, str) else planner
            undo.pop_all()
        self._told: queue.SimpleQueue[Feedback] = queue.SimpleQueue()
        self._stop, self._busy = threading.Event(), threading.Lock()

    @property
    def planner(self) -> Planner:
        """What decides; made when first needed, since a model takes seconds to load. Raises MissingPartError."""
        if self._planner is None:
            self._planner = self._make_planner(self._llm)
        return self._planner

    def use(self, llm: LanguageModel | BaseChatModel | str) -> None:
        """Decide with another language model from now on; where it cannot be had, the old one stays.

        Not while a run goes on. Raises RobotError then, BadInputError where a planner of one's own decides, and what
        making the model raises.
        """
        if not self._kind:
            raise BadInputError("this agent was given a planner of its own, which decides without llm=")
        new = _as_language_model(llm)
        if not self._busy.acquire(blocking=False):
            raise RobotError("the language model cannot be changed while a run goes on; stop() it first")
        try:
            before = self._llm, self._planner
            self._llm, self._planner = new, self._make_planner(new)
            _close_model(*before)
        finally:
            self._busy.release()

    def _make_planner(self, llm: LanguageModel | str) -> Planner:
        if self.values is None:
            raise self._missing("values", "a function (observation, skill) -> probability that it succeeds now")
        model = compose.make_language_model(llm) if isinstance(llm, str) else llm
        if self._fallback is not None:
            model = compose.with_fallback(model, self._fallback)
        return compose.make_planner(self._kind, model, self.values, self.library, self._scoring)

    def run(self, instruction: str, *, max_steps: int | None = None, max_seconds: float | None = None) -> Result:
        """Carry out an instruction and say how it went; records a run folder unless `record` is None.

        `max_steps` and `max_seconds` hold for this run in place of the agent's own.

        Ctrl-C holds the robot and ends the run as stopped. A bad instruction, and a part that is missing or cannot be
        loaded, raise an error before anything moves; whatever goes wrong later is in the result.
        """
        events = self.stream(instruction, max_steps=max_steps, max_seconds=max_seconds)
        if self.record is None:
            return drained(events)
        from saycan.recorder import Recorder

        return drained(Recorder(self.record, instruction, self).watch(events))

    def stream(
        self, instruction: str, *, max_steps: int | None = None, max_seconds: float | None = None
    ) -> Generator[Event, None, Result]:
        """The same as a generator of typed events, in this order: (Feedback* Decision (Tick* Step)?)* Result.

        Whoever drains it sets the pace; closing it holds the robot. The last event is the result, which is also the
        generator's return value. A bad instruction, and a part that is missing or cannot be loaded, raise at once.
        """
        instruction = check_instruction(instruction)
        policy = self.require_policy()
        self._forget_stop()
        planner = self.planner  # loaded before the clock of the run starts
        steps = self.max_steps if max_steps is None else max_steps
        seconds = self.max_seconds if max_seconds is None else max_seconds
        return self._events(Episode(instruction, steps, seconds), policy, planner)

    def plan(self, instruction: str) -> Decision:
        """Decide once, from a fresh observation, without moving."""
        instruction = check_instruction(instruction)
        return self._decide(self.planner, instruction, (), self.robot.observe())

    def perform(self, skill: Skill | str) -> Generator[Event, None, Step]:
        """Carry out one skill by itself or by its phrase, without deciding anything: Tick* Step.

        Raises UnknownNameError or MissingPartError at once.
        """
        chosen = self.library.find(skill) if isinstance(skill, str) else skill
        policy = self.require_policy()
        self._forget_stop()
        return self._perform(chosen, policy)

    def require_policy(self) -> Policy:
        """What turns observations into actions. Raises MissingPartError when there is none."""
        if self.policy is None:
            raise self._missing("policy", "a function (observation, skill) -> Action, or an object with reset and act")
        return self.policy

    def tell(self, text: str) -> None:
        """Tell a run something: the planner takes it in before its next decision. From any thread.

        What an idle robot is told is for its next run. A run does not end on a decision during which it was told
        something; it decides afresh.
        """
        self._told.put(Feedback("human", check_instruction(text)))

    def stop(self) -> None:
        """End the run within one control period. From any thread."""
        self._stop.set()

    def emergency_stop(self, reason: str = "somebody said so") -> None:
        """Halt everything at once; nothing moves until a person calls `robot.recover()`. From any thread."""
        self.robot.emergency_stop(reason)
        self._stop.set()

    def close(self) -> None:
        """Stop and hold; robot and policy that were made by name are closed, what was passed in stays its owner's.

        A driver that was passed in can be given to another agent then, or be closed.
        """
        self.stop()
        self.robot.hold()
        with contextlib.ExitStack() as parts:  # what fails to close leaves none of the others open
            if self._owns_robot or self._owns_gate:
                parts.callback(self.robot.close if self._owns_robot else self.robot.leave)
            if self._owns_policy:
                parts.callback(close_policy, self.policy)
            parts.callback(_close_model, self._llm, self._planner)

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _events(self, run: Episode, policy: Policy, planner: Planner) -> Generator[Event, None, Result]:
        run.began = perf_counter()
        try:
            with self._alone():
                try:
                    end, message = yield from self._loop(run, policy, planner)
                finally:
                    while not self._told.empty():
                        self._told.get()
        except KeyboardInterrupt:
            end, message = EndState.STOPPED, INTERRUPTED
        except SayCanError as error:
            end, message = EndState.FAILED, str(error)
        # The robot is free for the next run before the last event is out: nobody has to drain a generator to its end.
        result = run.result(end, message)
        with contextlib.suppress(KeyboardInterrupt):  # there is nothing left to interrupt
            yield result
        return result

    def _loop(self, run: Episode, policy: Policy, planner: Planner) -> Generator[Event, None, tuple[EndState, str]]:
        """The loop of SayCan: observe, decide, act, remember. Returns how it ended and why."""
        while True:
            while not self._told.empty():
                feedback = self._told.get()
                run.memory.append(feedback)
                with run.stood:
                    yield feedback
            if self._stop.is_set():
                return EndState.STOPPED, "stopped"
            if (ended := run.ended()) is not None:
                return ended

            began = perf_counter()
            observation = self.robot.observe()
            try:
                with interruptible(lambda: self._stop.is_set() or run.is_out_of_time):
                    decision = self._decide(planner, run.instruction, tuple(run.memory), observation)
            except DecisionInterruptedError:
                if not (self._stop.is_set() or run.is_out_of_time):
                    raise  # it was not this run that gave it up
                continue
            finally:
                run.seconds_deciding += perf_counter() - began
            with run.stood:
                yield decision
            if (ended := ended_by(decision)) is not None:
                if not self._told.empty():
                    continue  # somebody spoke while it was being decided that there is nothing more to do
                return ended
            if self._stop.is_set():
                return EndState.STOPPED, "stopped"
            assert decision.skill is not None

            step, fault = yield from execute(
                self.robot,
                policy,
                decision.skill,
                detector=self.detector,
                should_stop=lambda: self._stop.is_set() or run.is_out_of_time,
                index=len(run.steps) + 1,
                decision=decision,
                stood=run.stood,
            )
            run.steps.append(step)
            run.memory.append(step)
            with run.stood:
                yield step
            if fault is not None:
                return EndState.FAILED, step.message
            if step.interrupted or (step.outcome is Outcome.STOPPED and not run.is_out_of_time):
                return EndState.STOPPED, step.message

    def _perform(self, skill: Skill, policy: Policy) -> Generator[Event, None, Step]:
        with self._alone():
            step, _ = yield from execute(
                self.robot, policy, skill, detector=self.detector, should_stop=self._stop.is_set
            )
        yield step
        return step

    def _decide(
        self, planner: Planner, instruction: str, memory: Sequence[Memory], observation: Observation
    ) -> Decision:
        try:
            decision = planner.decide(instruction, memory, observation)
        except SayCanError:
            raise
        except Exception as error:
            raise SayCanError(f"the planner failed: {type(error).__name__}: {error}") from error
        if not isinstance(decision, Decision):
            raise SayCanError(f"the planner must return a Decision, found {type(decision).__name__}")
        if decision.chosen is not None and not 0 <= decision.chosen < len(decision.skills):
            raise SayCanError(f"the planner chose option {decision.chosen} of {len(decision.skills)}")
        self.last_decision = decision
        return decision

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """One run at a time moves the robot, and it is held at the end, whatever the end."""
        if not self._busy.acquire(blocking=False):
            raise RobotError("this agent is carrying out something already; stop() it, or make a second agent")
        try:
            yield
        finally:
            self.robot.hold()
            self._busy.release()

    def _forget_stop(self) -> None:
        """An old stop is not meant for a new run, but one that a run still has to see, and an emergency's, stay."""
        if not self._busy.locked():
            self._stop.clear()
            self.robot.release()
        self.robot.require_free()

    def _missing(self, argument: str, what: str) -> MissingPartError:
        return MissingPartError(
            f"Agent needs {argument}=... for {self.robot.spec.name}: {what}. There is a default only for simulators "
            "that implement saycan.PrivilegedWorld"
        )


def _as_language_model(llm: object) -> LanguageModel | str:
    """The model itself, its name, or a LangChain model made one. Raises BadInputError for anything else."""
    model = compose.as_language_model(llm)
    _require("llm", model, LanguageModel | str, "a name, or an object with name and score(prompt, options)")
    return cast(LanguageModel | str, model)


def _close_model(llm: LanguageModel | str, planner: Planner | None) -> None:
    """Close the connections of a model that was made by name; one that was passed in stays its owner's."""
    close = getattr(getattr(planner, "language_model", None), "close", None)
    if isinstance(llm, str) and callable(close):
        close()


def _require(argument: str, found: object, kind: object, what: str) -> None:
    """Raise BadInputError unless an argument keeps its protocol; a class is not an instance of what it makes."""
    if isinstance(found, type) or not isinstance(found, kind):  # type: ignore[arg-type]  # a union is fine at run time
        raise BadInputError(f"{argument}= takes {what}; found {found!r}")
