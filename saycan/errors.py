"""Every error that SayCan raises on purpose.

SayCanError
 ├─ BadInputError            what a person or a program passed in cannot be used (also a ValueError)
 │   ├─ InstructionError     an instruction that is empty, too long or holds control characters
 │   ├─ UnknownNameError     a robot, model, object, place or skill that does not exist
 │   ├─ SceneError           a scene that cannot be built from these words
 │   ├─ GoalError            a goal that does not parse
 │   └─ SuiteError           a suite of instructions that cannot be read
 ├─ MissingPartError         something that must be installed, downloaded or passed in is absent
 ├─ RobotError               the robot's driver failed or was used after close()
 │   ├─ UnsafeActionError    an action was refused by the gate
 │   ├─ HaltedError          the robot is stopped, and somebody has to let it move again
 │   └─ LeaseError           another program drives the robot
 ├─ PolicyError              a policy failed or returned something that is not an action
 ├─ LanguageModelError       a language model failed or returned scores that are not numbers
 │   ├─ ModelUnavailableError   no answer came in time: unreachable, overloaded, over its limits, key refused
 │   └─ ModelRefusalError       the model declined to answer
 ├─ ValueFunctionError       a value function failed or returned something outside [0, 1]
 ├─ DecisionInterruptedError  somebody stopped waiting for a decision
 └─ TraceError               a run folder or trace that cannot be read or written

A message says what was wrong, what was found, what would be valid, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SayCanError(Exception):
    """Root of the tree; catch this to catch everything that SayCan raises on purpose."""


class BadInputError(SayCanError, ValueError):
    """What was passed in cannot be used."""


class InstructionError(BadInputError):
    """An instruction that is empty, too long or holds control characters."""


class UnknownNameError(BadInputError):
    """A name that is not among the valid ones.

    Args:
        kind: What was named, in the singular: "robot", "object", "place".
        found: The name as given.
        valid: The names that would have been accepted.
    """

    def __init__(self, kind: str, found: str, valid: Iterable[str]) -> None:
        self.kind, self.found, self.valid = kind, found, tuple(valid)
        near = difflib.get_close_matches(found, self.valid, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(self.valid[:40]) + (f", ... ({len(self.valid)} in all)" if len(self.valid) > 40 else "")
        super().__init__(f"unknown {kind} {found[:80]!r}.{hint} Valid: {shown or 'none'}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, tuple[str, ...]]]:
        """How another process makes it again; an exception's own way knows the message alone."""
        return type(self), (self.kind, self.found, self.valid)


class SceneError(BadInputError):
    """A scene that cannot be built."""


class GoalError(BadInputError):
    """A goal that does not parse."""


class SuiteError(BadInputError):
    """A suite of instructions that cannot be read, or is not the one that it should be."""


class MissingPartError(SayCanError):
    """Something must be installed, downloaded or passed in first; the message holds the one thing to do."""


class RobotError(SayCanError):
    """The robot's driver failed, or the robot was used after close()."""


class UnsafeActionError(RobotError):
    """The gate refused an action; nothing of it reached the robot."""


class HaltedError(RobotError):
    """The robot is stopped, or under an emergency stop; the message says why, and what lets it move again."""


class LeaseError(RobotError):
    """Another program drives the robot, and the message says which, and since when; or that cannot be told."""


class PolicyError(SayCanError):
    """A policy failed or returned something that is not an action."""


class LanguageModelError(SayCanError):
    """A language model failed or returned scores that are not numbers."""


class ModelUnavailableError(LanguageModelError):
    """No answer came in time: the server is unreachable, overloaded or over its limits, or it refused the key."""


class ModelRefusalError(LanguageModelError):
    """The model declined to answer; the message holds its words, where it gave any."""


class DecisionInterruptedError(SayCanError):
    """Somebody stopped waiting for a decision."""


class ValueFunctionError(SayCanError):
    """A value function failed or returned something that is not a probability."""


class TraceError(SayCanError):
    """A run folder or trace that cannot be read or written."""
