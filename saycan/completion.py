"""What the prompt offers while somebody types: commands, whole skill phrases, names of objects and places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from saycan.skill import Skill


class PromptCompleter(Completer):
    """Completes from the line so far.

    Args:
        commands: Command to its help.
        skills: The robot's library.
    """

    def __init__(self, commands: Mapping[str, str], skills: Iterable[Skill] = ()) -> None:
        self._commands = commands
        self.learn(skills)

    def learn(self, skills: Iterable[Skill]) -> None:
        """Offer these skills and their names from now on."""
        known = list(skills)
        self._phrases = [skill.phrase for skill in known]
        names = [name for skill in known for name in (skill.object, skill.place) if name]
        self._names = list(dict.fromkeys(names))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Completions for the text before the cursor."""
        line = document.text_before_cursor.lstrip()
        if line.startswith("/") and " " not in line:
            for name, meaning in self._commands.items():
                if name.startswith(line[1:]):
                    yield Completion(f"/{name}", -len(line), display_meta=meaning)
            return
        text = line.removeprefix("/do ").lstrip() if line.startswith("/do ") else line
        if not text:
            return
        if not line.startswith("/"):
            yield from (
                Completion(name, -len(line), display_meta=meaning)
                for name, meaning in self._commands.items()
                if name.startswith(line)
            )
        if not line.startswith("/") or line.startswith("/do "):
            yield from (Completion(phrase, -len(text)) for phrase in self._phrases if phrase.startswith(text))
        yield from self._name_completions(text)

    def _name_completions(self, text: str) -> Iterable[Completion]:
        """Names that begin with the last words, the most words first: "put the coke" offers "coke can"."""
        words = text.split(" ")
        for count in (3, 2, 1):
            begun = " ".join(words[-count:])
            if len(words) > count and begun.strip():
                yield from (Completion(name, -len(begun)) for name in self._names if name.startswith(begun))
