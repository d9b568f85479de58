"""What a run yields: every event of it, typed. These are at once the live view, the planner's memory and the trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from saycan.action import Action
from saycan.decision import Decision
from saycan.observation import Observation
from saycan.skill import Skill

INTERRUPTED = "interrupted"
"""What the message of a step or run says that Ctrl-C has ended; one that `Agent.stop` has ended says something else."""


class Outcome(StrEnum):
    """How one skill ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the success detector says so, or the policy or the robot raised
    TIMED_OUT = "timed out"  # the skill's own time limit
    STOPPED = "stopped"  # somebody stopped the run


class EndState(StrEnum):
    """How a run ended."""

    FINISHED = "finished"  # the planner chose done
    STUCK = "stuck"  # no option is worth trying, or the same skill keeps failing
    STOPPED = "stopped"  # stop() or Ctrl-C
    TIMED_OUT = "timed out"  # the run's limit of steps or seconds
    FAILED = "failed"  # the robot, the language model or a value function raised


@dataclass(frozen=True)
class Feedback:
    """Something the planner is told between steps (Huang et al. 2022, arXiv:2207.05608).

    Attributes:
        source: "human", "scene" or "success".
        text: One line.
    """

    source: str
    text: str


@dataclass(frozen=True, eq=False)
class Tick:
    """One control period of a skill.

    Attributes:
        skill: What is being carried out.
        index: Control periods since the skill began, from 1.
        limit: Control periods after which the skill times out.
        observation: What the policy saw.
        action: What the driver says it sent.
    """

    skill: Skill
    index: int
    limit: int
    observation: Observation
    action: Action


@dataclass(frozen=True, eq=False)
class Step:
    """One decision carried out.

    Attributes:
        index: From 1.
        skill: What was done.
        outcome: How it ended.
        message: One line: what went wrong, or what the success detector saw.
        ticks: Control periods it took.
        seconds: Wall-clock seconds it took.
        decision: The decision behind it, or None where a person named the skill.
    """

    index: int
    skill: Skill
    outcome: Outcome
    message: str = ""
    ticks: int = 0
    seconds: float = 0.0
    decision: Decision | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended it."""
        return self.outcome is Outcome.STOPPED and self.message == INTERRUPTED


@dataclass(frozen=True, eq=False)
class Result:
    """How a whole run went.

    Attributes:
        instruction: What was asked for.
        end: Its end state.
        message: One line: why it ended so.
        steps: What was done, in order.
        seconds: Wall-clock seconds in all.
        seconds_deciding: Wall-clock seconds of it spent in decisions.
        folder: The run folder, as a string, when one was recorded.
    """

    instruction: str
    end: EndState
    message: str = ""
    steps: tuple[Step, ...] = field(default=())
    seconds: float = 0.0
    seconds_deciding: float = 0.0
    folder: str | None = None

    def __str__(self) -> str:
        head = f"{self.end.value}: {self.message}" if self.message else self.end.value
        lines = (f"{step.index}. {step.skill.phrase}: {step.outcome.value}" for step in self.steps)
        return "\n".join((head, *lines))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended it."""
        return self.end is EndState.STOPPED and self.message == INTERRUPTED

    @property
    def plan(self) -> tuple[str, ...]:
        """The phrases that were carried out, in order."""
        return tuple(step.skill.phrase for step in self.steps)


Event = Decision | Tick | Step | Feedback | Result
"""What `Agent.stream` yields, in this order: (Feedback* Decision (Tick* Step)?)* Result."""

Memory = Step | Feedback
"""What a planner remembers of the run so far."""
