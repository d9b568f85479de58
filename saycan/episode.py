"""One run of an agent, as far as it has got: what was asked for, what was done, and how much of it is allowed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, field
from time import perf_counter

from saycan.decision import Decision
from saycan.errors import BadInputError
from saycan.skill import DONE
from saycan.step import EndState, Event, Memory, Outcome, Result, Step
from saycan.stopwatch import Stopwatch

STUCK_AFTER = 3
"""The same skill failing this many times in a row ends a run as stuck."""


@dataclass
class Episode:
    """What one run has seen so far.

    Attributes:
        instruction: What was asked for.
        max_steps: Skills after which it times out, at least 1.
        max_seconds: Wall-clock seconds after which it times out, without those of `stood`.
        steps: What was done, in order.
        memory: Steps and feedback, in order: what the planner reads.
        seconds_deciding: Wall-clock seconds spent in decisions.
        began: When, in s of `time.perf_counter`.
        stood: For how long whoever drains it has let it stand, as in a pause at the prompt.

    Raises:
        BadInputError: A limit that is not positive.
    """

    instruction: str
    max_steps: int
    max_seconds: float
    steps: list[Step] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    seconds_deciding: float = 0.0
    began: float = field(default_factory=perf_counter)
    stood: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        check_limits(self.max_steps, self.max_seconds)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds since it began."""
        return perf_counter() - self.began

    @property
    def is_out_of_time(self) -> bool:
        """Whether it has taken longer than it may."""
        return self.seconds - self.stood.seconds > self.max_seconds

    def ended(self) -> tuple[EndState, str] | None:
        """How and why it has to end before another decision; None when it may go on."""
        if self.is_out_of_time:
            return EndState.TIMED_OUT, f"not done after {self.max_seconds:g} s"
        if len(self.steps) >= self.max_steps:
            return EndState.TIMED_OUT, f"not done after {self.max_steps} steps"
        newest = self.steps[-STUCK_AFTER:]
        failed = all(step.outcome is not Outcome.SUCCEEDED for step in newest)
        if len(newest) == STUCK_AFTER and failed and len({step.skill.phrase for step in newest}) == 1:
            return EndState.STUCK, f"{newest[-1].skill.phrase!r} failed {STUCK_AFTER} times in a row"
        return None

    def result(self, end: EndState, message: str) -> Result:
        """The whole of it, at its end."""
        return Result(self.instruction, end, message, tuple(self.steps), self.seconds, self.seconds_deciding)


def ended_by(decision: Decision) -> tuple[EndState, str] | None:
    """How and why a run ends with a decision that leads to no step; None for one that does."""
    if decision.refusal:
        return EndState.STUCK, f"the language model declined: {decision.refusal}"
    if decision.skill is None:
        return EndState.STUCK, decision.note or "no skill is both useful and possible from here"
    return (EndState.FINISHED, "the planner chose done") if decision.skill.phrase == DONE.phrase else None


def check_limits(max_steps: int, max_seconds: float) -> None:
    """Raise BadInputError for a limit that is not positive."""
    if max_steps < 1 or not max_seconds > 0:
        raise BadInputError(f"max_steps and max_seconds must be positive, found {max_steps} and {max_seconds}")


def drained(events: Generator[Event, None, Result]) -> Result:
    """What a run comes to. Ctrl-C between two events is handed in, so that the run still ends in its own words."""
    while True:
        try:
            next(events)
        except StopIteration as finished:
            result: Result = finished.value
            return result
        except KeyboardInterrupt:
            with contextlib.suppress(StopIteration):
                events.throw(KeyboardInterrupt)
