"""What an agent is made of, in words for a person: above all, which of its parts read the simulator's own state."""

from __future__ import annotations

from dataclasses import dataclass

from saycan.language import approximation_of


@dataclass(frozen=True)
class Part:
    """One part of an agent.

    Attributes:
        role: "robot", "say", "can", "do" or "check".
        name: What it is called.
        privileged: Whether it reads the simulator's own state, which no real robot has.
        approximation: What is lost in a language model's scores; empty for exact ones.
    """

    role: str
    name: str
    privileged: bool = False
    approximation: str = ""


def describe_parts(agent: object) -> tuple[Part, ...]:
    """The parts of an agent (or of a bare robot), as far as they are known; nothing is loaded for it.

    Privileged classes carry the word in their name, so the name is what is asked.
    """
    robot = getattr(agent, "robot", agent)
    spec = getattr(robot, "spec", None)
    kind = " (simulated)" if getattr(spec, "simulated", False) else ""
    parts = [Part("robot", getattr(spec, "name", type(robot).__name__) + kind)]
    planner = getattr(agent, "_planner", None)  # the public `planner` would load the language model
    say = getattr(planner, "language_model", planner or getattr(agent, "_llm", None))
    for role, part in (
        ("say", say),
        ("can", getattr(agent, "values", None)),
        ("do", getattr(agent, "policy", None)),
        ("check", getattr(agent, "detector", None)),
    ):
        if part is not None:
            privileged = type(part).__name__.startswith("Privileged")
            parts.append(Part(role, _name(part), privileged, approximation_of(part) if role == "say" else ""))
    return tuple(parts)


def privileged_notice(parts: tuple[Part, ...]) -> str:
    """One line that names the privileged parts; empty when there are none."""
    names = [part.name for part in parts if part.privileged]
    return f"privileged: {', '.join(names)} read the simulator's own state" if names else ""


def approximation_notice(parts: tuple[Part, ...]) -> str:
    """One line on what is lost in the language model's scores; empty when nothing is, or nothing is known yet."""
    lost = [f"{part.name}: {part.approximation}" for part in parts if part.approximation]
    return f"approximate: {'; '.join(lost)}" if lost else ""


def _name(part: object) -> str:
    if isinstance(part, str):
        return part
    function = getattr(part, "function", None)  # a plain function behind an adapter
    name = getattr(function, "__name__", None) or getattr(part, "name", None)
    return name if isinstance(name, str) else type(part).__name__
