"""The skills of a robot as LangChain tools: what a model asks for is carried out as a skill, or not at all.

One tool for each verb, its arguments the things and places that the verb goes with: `pick_up(object)`,
`place(object, place)`. Skills that are bare phrases share one tool, `do(phrase)`: a tool of its own for each would fill
a model's prompt and soon its provider's limit (128 tools for OpenAI) with tools that differ in a word.

Not imported by `import saycan`, for it needs langchain-core as soon as it is.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Literal

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field, ValidationError, create_model

from saycan.agent import Agent
from saycan.aside import aside
from saycan.errors import SayCanError
from saycan.skill import DONE, Skill
from saycan.step import Outcome, Step

_ARGUMENTS = ("object", "place", "phrase")
_POLL = 0.05
"""Seconds between two looks at whether a call that waits for its turn is still wanted."""


def skill_tools(agent: Agent) -> list[BaseTool]:
    """Tools for every skill of an agent's library but "done".

    A call goes through `Agent.perform`: the gate, the policy and the success detector that the agent has. It returns a
    line about the outcome, with the `saycan.step.Step` as the artifact of the tool message. Arguments that name no
    skill, and an agent that cannot act, give an error message for the model, and nothing moves. Ctrl-C holds the robot
    and is raised. Calls made at the same time wait for one another.
    """
    hands = _Hands(agent)
    tools: list[BaseTool] = []
    for verb, skills in _grouped(skill for skill in agent.library if skill.phrase != DONE.phrase):
        name = _name(verb, {tool.name for tool in tools})
        tools.append(_Verb(name, skills, hands).tool())
    return tools


class _Hands:
    """One robot, used by one call at a time."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.aside = ThreadPoolExecutor(1, "saycan-tools")  # one thread, so that drivers never see a change
        self._turn = threading.Lock()

    def perform(self, skill: Skill, given_up: threading.Event) -> Step:
        """Raises ToolException for what keeps the agent from acting, and when it is given up before its turn.

        Raises KeyboardInterrupt when Ctrl-C has ended the skill: a model that read of it might go on.
        """
        while not self._turn.acquire(timeout=_POLL):
            if given_up.is_set():
                raise ToolException(f"{skill.phrase!r} was given up before its turn")
        try:
            with closing(self.agent.perform(skill)) as events:  # closing it holds the robot
                for event in events:
                    if isinstance(event, Step):
                        if event.interrupted:
                            raise KeyboardInterrupt
                        return event
                    if given_up.is_set():
                        break
            raise ToolException(f"{skill.phrase!r} was given up; the robot is held")
        except SayCanError as error:
            raise ToolException(str(error)) from error
        finally:
            self._turn.release()


class _Verb:
    """The skills of one tool."""

    def __init__(self, name: str, skills: Sequence[Skill], hands: _Hands) -> None:
        self.name, self.hands = name, hands
        self.values: dict[str, list[str | None]] = {}
        for argument in _ARGUMENTS:
            found = list(dict.fromkeys(_arguments(skill).get(argument) for skill in skills))
            # What is the same for every skill need not be said: "open the drawer" takes no argument.
            if len(found) > 1 or (argument == "phrase" and found != [None]):
                self.values[argument] = found
        self.by_values = {tuple(_arguments(skill).get(name) for name in self.values): skill for skill in skills}

    def tool(self) -> BaseTool:
        kinds = dict.fromkeys(self.folded(skill) for skill in self.by_values.values())
        what = "what a phrase says" if "phrase" in self.values else " or ".join(f'"{kind}"' for kind in list(kinds)[:5])
        return StructuredTool.from_function(
            self.do,
            self.do_aside,
            name=self.name,
            description=f"Make the robot do one thing and wait until it is done or has failed: {what}.",
            args_schema=self.schema(),
            response_format="content_and_artifact",
            handle_tool_error=True,
            handle_validation_error=self.explain,
        )

    def folded(self, skill: Skill) -> str:
        """The phrase of a skill, its arguments replaced by their names."""
        text = skill.phrase
        for argument, name in (("object", skill.object), ("place", skill.place)):
            if argument in self.values and name:
                text = text.replace(name, argument.upper())
        return text

    def schema(self) -> type[BaseModel]:
        """Pydantic arguments, each one of the names that it may be."""
        fields: dict[str, Any] = {}
        for argument, found in self.values.items():
            names: Any = Literal[tuple(name for name in found if name is not None)]
            what = {"object": "The thing.", "place": "The place.", "phrase": "What to do."}[argument]
            fields[argument] = (
                (names | None, Field(None, description=what)) if None in found else (names, Field(description=what))
            )
        return create_model(self.name, **fields)

    def do(self, **arguments: str | None) -> tuple[str, Step]:
        """Carry out the skill that the arguments name."""
        return self._done(self.find(arguments), threading.Event())

    async def do_aside(self, **arguments: str | None) -> tuple[str, Step]:
        """The same without blocking the event loop; cancelling the task holds the robot."""
        skill, given_up = self.find(arguments), threading.Event()
        return await aside(self.hands.aside, lambda: self._done(skill, given_up), given_up.set)

    def find(self, arguments: dict[str, str | None]) -> Skill:
        """Raises ToolException with what would be valid."""
        wanted = tuple(arguments.get(name) for name in self.values)
        if wanted in self.by_values:
            return self.by_values[wanted]
        near = [
            skill.phrase
            for found, skill in self.by_values.items()
            if any(one is not None and one == other for one, other in zip(found, wanted, strict=True))
        ]
        raise ToolException(
            f"the robot has no skill {self.name}({_shown(arguments)}). Nearest: "
            f"{'; '.join((near or [skill.phrase for skill in self.by_values.values()])[:10])}"
        )

    def explain(self, error: Any) -> str:
        """What is wrong with arguments that do not fit the schema, for the model to read."""
        problems = error.errors() if isinstance(error, ValidationError) else []
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}, found {str(one['input'])[:80]!r}"
            for one in problems
        ]
        return f"Nothing was done. {'; '.join(lines) or error}"

    def _done(self, skill: Skill, given_up: threading.Event) -> tuple[str, Step]:
        step = self.hands.perform(skill, given_up)
        outcome = "" if step.message == step.outcome.value else step.message
        text = f"{skill.phrase}: {step.outcome.value}" + (f": {outcome}" if outcome else "")
        return text if step.outcome is Outcome.SUCCEEDED else f"{text}. The robot is held.", step


def _grouped(skills: Iterable[Skill]) -> list[tuple[str, list[Skill]]]:
    """Skills by verb, bare phrases together; a verb that has the same object and place twice gets a group for each."""
    groups: dict[tuple[str | None, int], list[Skill]] = {}
    seen: Counter[tuple[str | None, str | None, str | None]] = Counter()
    for skill in skills:
        if "phrase" in _arguments(skill):
            groups.setdefault((None, 0), []).append(skill)
            continue
        key = (skill.verb, skill.object, skill.place)
        groups.setdefault((skill.verb, seen[key]), []).append(skill)
        seen[key] += 1
    return [(verb or "do", found) for (verb, _), found in groups.items()]


def _arguments(skill: Skill) -> dict[str, str | None]:
    """What tells a skill from others of its verb."""
    if skill.object is None and skill.place is None and skill.verb == skill.phrase:
        return {"phrase": skill.phrase}
    return {"object": skill.object, "place": skill.place}


def _name(verb: str, taken: set[str]) -> str:
    """A name that every provider takes: letters, digits and underscores, at most 60 of them."""
    plain = re.sub(r"[^a-z0-9]+", "_", verb.lower()).strip("_")[:56] or "skill"
    name, count = plain, 2
    while name in taken:
        name, count = f"{plain}_{count}", count + 1
    return name


def _shown(arguments: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items() if value is not None)
