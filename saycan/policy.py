"""The contract for whoever turns a skill into actions."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from saycan.action import Action
from saycan.observation import Observation
from saycan.skill import Skill


@runtime_checkable
class Policy(Protocol):
    """A closed-loop controller conditioned on vision and language: a = pi(observation, skill phrase).

    `saycan.check_policy` proves an implementation. A plain function `(observation, skill) -> Action` is accepted
    wherever a policy is.
    """

    def reset(self, skill: Skill) -> None:
        """Forget the last episode: the next `act` starts this skill."""
        ...

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action for the next control period; `terminate` when the skill has ended. Raises PolicyError."""
        ...


def close_policy(policy: object) -> None:
    """End what a policy holds open, such as a connection, by its `close()`; most hold nothing, and need none."""
    close = getattr(policy, "close", None)
    if callable(close):
        close()
