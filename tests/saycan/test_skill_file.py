"""A user's skills in one file, and the line of every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from saycan.errors import BadInputError
from saycan.skill_file import read_skills

GOOD = """
policy = "my:Policy"
objects = ["cup", "plate"]
places = ["table", "sink"]

[[skill]]
verb = "place"
phrase = "put the {object} on the {place}"
seconds = 45

[[skill]]
verb = "wash"
phrase = "wash the {object}"
objects = ["cup"]

[[skill]]
phrase = "wave hello"
"""


def test_phrases_are_templates_times_names(tmp_path: Path) -> None:
    file = tmp_path / "skills.toml"
    file.write_text(GOOD)
    found = read_skills(file)
    assert found.library is not None
    assert found.library.phrases == (
        "put the cup on the table", "put the cup on the sink", "put the plate on the table",
        "put the plate on the sink", "wash the cup", "wave hello", "done",
    )  # fmt: skip
    first, *_ = found.library
    assert (first.verb, first.object, first.place, first.seconds) == ("place", "cup", "table", 45.0)
    assert found.library.find("wave hello").verb == "wave hello"
    assert (found.policy, found.values, found.detector) == ("my:Policy", None, None)


@pytest.mark.parametrize(
    ("line", "instead", "problem"),
    [
        (3, "objects = 'cup'", "line 3: objects is a list, found 'cup'"),
        (3, "things = ['cup']", "line 3: unknown key 'things'; valid: policy, "),
        (3, "objects = ['cup', 3]", "line 3: objects are names, found 3"),
        (3, "objects = []", "line 8: template .* needs at least one object"),
        (7, "verbs = 'place'", "line 7: unknown key 'verbs'; valid: verb, phrase"),
        (8, "", "line 6: a skill needs a phrase"),
        (8, "phrase = 'put the {thing} down'", "line 8: .*unknown hole"),
        (8, "phrase = 'put the {object on'", "line 8: "),
        (9, "seconds = 'long'", "line 9: seconds is a number, found 'long'"),
        (9, "seconds = 0", "line 9: seconds is a time limit above 0"),
        (9, "seconds = ", "line 9"),
        (14, "objects = [' ']", "line 14: objects are names, found ' '"),
        (17, "phrase = 'wash the cup'", "two skills share the phrase 'wash the cup'"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, line: int, instead: str, problem: str) -> None:
    lines = GOOD.splitlines()
    lines[line - 1] = instead
    file = tmp_path / "skills.toml"
    file.write_text("\n".join(lines))
    with pytest.raises(BadInputError, match=f"skills.toml.*{problem}"):
        read_skills(file)


def test_a_file_without_skills_or_none_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere.toml cannot be read"):
        read_skills(tmp_path / "nowhere.toml")
    file = tmp_path / "empty.toml"
    file.write_text("")
    with pytest.raises(BadInputError, match=r"at least one skill.*\[\[skill\]\] tables with a phrase"):
        read_skills(file)
    file.write_text("skill = [{phrase = 'wave'}, 3]")
    with pytest.raises(BadInputError, match=r"empty.toml: skills are \[\[skill\]\] tables, found 3"):
        read_skills(file)
