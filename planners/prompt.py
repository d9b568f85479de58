"""What the language model reads: few-shot examples, the instruction, and the steps taken so far."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError
from saycan.language import prompt_of
from saycan.skill import DONE, Skill
from saycan.step import Feedback, Memory, Outcome

_MESSAGE_LENGTH = 120


@dataclass(frozen=True)
class Prompt:
    """Words around a task; data, not code (`prompts/kitchen.toml` says what each field is for).

    A prompt only ever grows at its end while a run goes on, so that a language model can keep what it has computed.

    Attributes:
        header: First line.
        library: Tells of the robot's skills after it; {skills}, {things} and {places}, or "" to leave that to examples.
        task: Introduces an instruction; {instruction}.
        number: Begins a step; {number}.
        option: A phrase as it follows the number, and as it is scored; {phrase}.
        end: Closes a step. Scored only with a phrase that begins another one: it would else win for being short.
        failure: Follows a step that did not work; {message}.
        feedback: A line between two steps; {speaker} and {text}.
        speakers: `Feedback.source` to the name that speaks.
        wordings: Part of a phrase to other words for it, under which the same skill is scored too.
        examples: Pairs of an instruction and its steps.
    """

    header: str
    task: str
    number: str
    option: str
    end: str
    failure: str
    feedback: str
    speakers: Mapping[str, str]
    wordings: Mapping[str, tuple[str, ...]]
    examples: tuple[tuple[str, tuple[str, ...]], ...]
    library: str = ""

    @classmethod
    def of(cls, model: object, library: Sequence[Skill]) -> Prompt:
        """The prompt that a model works best with, about a robot's skills; the packaged kitchen's for most models."""
        return cls.load(prompt_of(model)).about(library)

    @classmethod
    def load(cls, name: str | Path = "kitchen") -> Prompt:
        """A packaged prompt by its name, or a TOML file by its path. Raises BadInputError."""
        packaged = files("saycan.prompts") / f"{name}.toml"
        source = packaged if packaged.is_file() else Path(name)
        try:
            data = tomllib.loads(source.read_text(encoding="utf-8"))
        except OSError as error:
            words = (entry for entry in files("saycan.prompts").iterdir() if entry.name.endswith(".toml"))
            known = sorted(entry.name[:-5] for entry in words if "\nheader =" in entry.read_text(encoding="utf-8"))
            raise BadInputError(f"no prompt {str(name)!r}: it is neither a file nor one of {known}") from error
        except tomllib.TOMLDecodeError as error:
            raise BadInputError(f"prompt file {str(name)!r} is not TOML: {error}") from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prompt:
        """From the fields of a TOML file. Raises BadInputError when one is missing, unknown or has the wrong hole."""
        try:
            examples = tuple((one["instruction"], tuple(one["steps"])) for one in data["examples"])
            wordings = {part: tuple(others) for part, others in data["wordings"].items()}
            prompt = cls(**{**data, "examples": examples, "wordings": wordings})
            prompt.render("a request", (Feedback("human", "a word"),))
            prompt.options([DONE])
            prompt.about([DONE])
            prompt.failure.format(message="a reason")
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise BadInputError(
                f"a prompt file has a wrong field ({type(error).__name__}: {error}); "
                f"valid fields: {', '.join(cls.__dataclass_fields__)}"
            ) from error
        return prompt

    def about(self, library: Sequence[Skill]) -> Prompt:
        """The same, with what the robot can do written out, if this prompt tells that at all."""
        if not self.library:
            return self
        things = [*dict.fromkeys(skill.object for skill in library if skill.object)]
        places = [*dict.fromkeys(skill.place for skill in library if skill.place)]
        told = self.library.format(
            skills="; ".join(patterns(library)), things=", ".join(things) or "none", places=", ".join(places) or "none"
        )
        return replace(self, header=f"{self.header}\n{told}", library="")

    def render(self, instruction: str, memory: Sequence[Memory] = ()) -> str:
        """The whole prompt, ending with the number of the step to come."""
        parts = [self.header, ""]
        for example, steps in self.examples:
            parts.append(self.task.format(instruction=example))
            parts += [self._step(number, phrase) for number, phrase in enumerate(steps, start=1)]
            parts.append("")
        parts.append(self.task.format(instruction=_one_line(instruction)))
        number = 1
        for event in memory:
            if isinstance(event, Feedback):
                speaker = self.speakers.get(event.source, event.source.capitalize())
                parts.append(self.feedback.format(speaker=speaker, text=_one_line(event.text)))
                continue
            line = self._step(number, event.skill.phrase)
            if event.outcome is not Outcome.SUCCEEDED:
                message = _one_line(event.message)[:_MESSAGE_LENGTH] or event.outcome.value
                line += self.failure.format(message=message)
            parts.append(line)
            number += 1
        return "\n".join([*parts, self.number.format(number=number)])

    def options(self, skills: Sequence[Skill]) -> tuple[list[str], NDArray[np.int64]]:
        """What is scored: (M,) texts, and for each the index of its skill, M >= N.

        A skill has a second text where its phrase can be worded otherwise: people say "the counter", and to a language
        model every wording is an event of its own, whose probability the skill would lose. No text begins another:
        where a phrase does, it is scored with the end of its step. Elsewhere that end is as good as certain, and
        leaving it out saves a third of the work, since it would have to be read from every last word.
        """
        texts, owners = [], []
        for index, skill in enumerate(skills):
            phrases = [skill.phrase]
            for part, others in self.wordings.items():
                phrases += [skill.phrase.replace(part, other) for other in others if part in skill.phrase]
            texts += [self.option.format(phrase=phrase) for phrase in phrases]
            owners += [index] * len(phrases)
        # In this order, what a text begins comes right after it.
        order = sorted(set(texts))
        begun = {text for text, following in itertools.pairwise(order) if following.startswith(text)}
        return [text + self.end if text in begun else text for text in texts], np.array(owners, dtype=np.int64)

    def _step(self, number: int, phrase: str) -> str:
        return self.number.format(number=number) + self.option.format(phrase=phrase) + self.end


def patterns(library: Sequence[Skill]) -> list[str]:
    """What a library's phrases have in common, in order: "place the THING on the PLACE", once for all its phrases.

    A phrase that names its thing or place as no other does stays as it is.
    """
    found: dict[str, list[Skill]] = {}
    for skill in library:
        found.setdefault(_pattern(skill, "THING", "PLACE"), []).append(skill)
    result = []
    for skills in found.values():
        things, places = ({getattr(skill, part) for skill in skills} for part in ("object", "place"))
        result.append(
            _pattern(skills[0], "THING" if len(things) > 1 else None, "PLACE" if len(places) > 1 else None)
            if len(skills) > 1
            else skills[0].phrase
        )
    return [*dict.fromkeys(result)]


def _pattern(skill: Skill, thing: str | None, place: str | None) -> str:
    """The phrase with its object and its place replaced, where there is something to replace them with."""
    text = skill.phrase
    for name, hole in ((skill.object, thing), (skill.place, place)):
        if name and hole:
            text = re.sub(rf"\b{re.escape(name)}\b", hole, text, count=1)
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
