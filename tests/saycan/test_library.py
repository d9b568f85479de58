from __future__ import annotations

import pytest

from saycan.errors import BadInputError, UnknownNameError
from saycan.library import SkillLibrary, Template
from saycan.skill import DONE, Skill


def test_templates_times_objects_times_places() -> None:
    library = SkillLibrary([Template("move", "move the {object} to the {place}", ("cup", "pan"), ("sink", "shelf"))])
    assert library.phrases == (
        "move the cup to the sink",
        "move the cup to the shelf",
        "move the pan to the sink",
        "move the pan to the shelf",
        "done",
    )
    assert library[1] == Skill("move the cup to the shelf", "move", "cup", "shelf")


def test_bare_phrases_are_skills_and_done_is_always_last() -> None:
    library = SkillLibrary(["done", "wave", " nod "])
    assert library.phrases == ("wave", "nod", "done")
    assert library[-1] == DONE
    assert "wave" in library
    assert library.find("nod").verb == "nod"
    assert library[:2] == (Skill("wave", "wave"), Skill("nod", "nod"))


def test_a_phrase_said_twice_is_one_skill_unless_it_means_two_things() -> None:
    assert len(SkillLibrary(["wave", "wave"])) == 2
    with pytest.raises(BadInputError, match="share the phrase 'wave'"):
        SkillLibrary(["wave", Skill("wave", "greet")])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "at least one skill"),
        (["done"], "at least one skill"),
        ([" "], "phrase is empty"),
        ([Template("go", "go to the {planet}")], r"unknown hole {planet}; valid: {object}, {place}"),
        ([Template("go", "go to the {}", places=("sink",))], r"unknown hole {}; valid: {object}, {place}"),
        ([Template("go", "go to the {0}", places=("sink",))], "unknown hole {0}"),
        ([Template("go", "go to the {place", places=("sink",))], "holes are {object} and {place}"),
        ([Template("take", "take the {object}")], "needs at least one object"),
        ([Template("open", "open it", places=("box", "door"))], "no hole for its 2 places"),
    ],
)
def test_what_makes_no_library(entries: list[str | Template], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        SkillLibrary(entries)


def test_an_unknown_phrase_gets_its_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'wave'"):
        SkillLibrary(["wave", "nod"]).find("wafe")
