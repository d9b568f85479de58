"""How one case went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saycan.step import EndState

VERSION = 1
"""Of the meaning of what is written; episodes of another version are not mixed with these."""


@dataclass(frozen=True)
class Record:
    """One case with one seed, judged by the simulator's own state.

    Attributes:
        id, family, instruction, seed: Which case.
        llm: Name of the language model (`Trial.llm_name`).
        success: The agent chose done, in time, the goal holds, and nothing was moved that the goal does not concern.
        steps: Phrases of the skills that were carried out, in order, without "done".
        outcomes: How the agent took each of them to have ended.
        end: How the run ended.
        message: Why it ended so.
        shortest: Skills of a shortest plan; `limit` of them are allowed.
        holds: Whether the goal holds at the end.
        reached: Share of the goal's top-level conjuncts that hold at the end.
        disturbed: Things that ended up elsewhere though the goal does not concern them.
        blame: Of a failure: "say", "can", "do" or "check" (`saycan.evaluation.blame`); empty after a success, and where
            it broke off.
        decisions: How many there were.
        seconds_deciding: Wall-clock seconds in them, and of these `seconds_say` and `seconds_can`.
        tokens: What the language model has read and written, where it counts.
        seconds: By the robot's clock.
        path: Way of the base, m.
        energy: Mechanical work of all motors, J.
        case: `Case.digest` of what was tried; empty where that was not written yet.
        commit: Of the source that it was made with, as of `Evaluation`; likewise.
    """

    id: str
    family: str
    instruction: str
    seed: int
    llm: str
    success: bool
    steps: tuple[str, ...]
    outcomes: tuple[str, ...]
    end: str
    message: str
    shortest: int
    limit: int
    holds: bool
    reached: float
    disturbed: tuple[str, ...] = ()
    blame: str = ""
    decisions: int = 0
    seconds_deciding: float = 0.0
    seconds_say: float = 0.0
    seconds_can: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    path: float = 0.0
    energy: float = 0.0
    case: str = ""
    commit: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What no two episodes of one evaluation share."""
        return self.llm, self.id, self.seed

    @property
    def broke_off(self) -> bool:
        """Whether it was stopped, or a part of the agent failed, such as a server that is away; it counts as a failure.

        A robot that failed while a skill was carried out is that skill's failure, and is blamed.
        """
        return self.end == EndState.STOPPED or (self.end == EndState.FAILED and not self.blame)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Record:
        """What `dataclasses.asdict` made, read back. Raises TypeError for anything else."""
        lists = {name: tuple(found[name]) for name in ("steps", "outcomes", "disturbed")}
        return cls(**{**found, **lists})


@dataclass(frozen=True)
class Evaluation:
    """Many episodes and what they were tried with.

    Attributes:
        suite: Its name or file.
        trial: What was tried, as plain data.
        commit: Of this project's source, where it runs from a checkout; else its version. Several, separated by commas,
            where episodes are older than others.
        records: The episodes, in the suite's order.
    """

    suite: str
    trial: Mapping[str, Any]
    commit: str
    records: tuple[Record, ...] = field(default=())
