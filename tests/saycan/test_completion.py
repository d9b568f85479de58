from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from saycan.completion import PromptCompleter
from saycan.repl import COMMANDS
from tests.saycan.events import SKILLS


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("/re", {"/reset", "/recover"}),
        ("wh", {"why"}),
        ("pick", {"pick up the sponge"}),
        ("/do wipe", {"wipe the table with the sponge"}),
        ("bring me the spo", {"sponge"}),
        ("/reset sponge on ta", {"table"}),
        ("", set()),
        ("/why 3", set()),
        ("xyz", set()),
    ],
)
def test_what_is_offered(line: str, offered: set[str]) -> None:
    completer = PromptCompleter(COMMANDS, SKILLS)
    found = list(completer.get_completions(Document(line), CompleteEvent()))
    assert {completion.text for completion in found} == offered
    for completion in found:
        begun = line[completion.start_position :] if completion.start_position else ""
        assert completion.text.startswith(begun)
