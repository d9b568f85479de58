"""The snippets of docs/langchain.md run, and do what the text says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "langchain.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)

PRINTED = [
    """\
finished: the planner chose done
1. find the sponge: succeeded
2. pick up the sponge: succeeded
1 request, 0 tokens in, 0 out
""",
    """\
finished: find the apple
Decision
Step
Decision
Result
""",
    """\
find the apple: succeeded
pick up the apple: succeeded
Nothing was done. object: Input should be 'coke can',""",
]


@pytest.mark.parametrize(("snippet", "printed"), zip(SNIPPETS, PRINTED, strict=True))
def test_a_snippet_runs(snippet: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippet, "docs/langchain.md", "exec"), {"__name__": "snippet"})
    assert capsys.readouterr().out.startswith(printed)


def test_the_files_that_it_names_exist() -> None:
    for name in re.findall(r"`((?:examples|docs)/\S+)`", TEXT):
        assert (Path(__file__).parents[2] / name).is_file()
