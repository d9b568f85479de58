from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.library import SkillLibrary
from saycan.planners.phrasebook import Phrasebook
from saycan.planners.prompt import Prompt
from saycan.skills.kitchen import kitchen_library
from saycan.vocabulary import KITCHEN

LIBRARY = kitchen_library()
BOOK = Phrasebook(LIBRARY, Prompt.load(), KITCHEN.synonyms)


def found(text: str, book: Phrasebook = BOOK) -> str | None:
    index = book.find(text)
    return None if index is None else LIBRARY[index].phrase


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        (" pick up the sponge.", "pick up the sponge"),
        ("Pick  up a SPONGE!", "pick up the sponge"),
        ('"Pick up sponge."', "pick up the sponge"),
        ("go to the counter", "go to the close counter"),  # the prompt's wording
        ("pick up the coke", "pick up the coke can"),  # the vocabulary's alias
        ("Bring me", None),
        ("bring the iced tea to me.", "bring the tea to the operator"),  # two aliases in one phrase
        ("place an RX bar on the near counter", "place the energy bar on the close counter"),
        ("put the trash can in the trash can", None),
        ("Done.", "done"),
    ],
)
def test_what_differs_in_form_only_is_the_same_phrase(text: str, phrase: str | None) -> None:
    assert found(text) == phrase


@pytest.mark.parametrize(
    "text",
    ["", ".", "the", "pick up the spong", "pick up the sponges", "pick the sponge up", "pick up the sponge and wave",
     "find the sponge, pick up the sponge", "pick up", "sponge", "do not pick up the sponge", "donee", "not done"],
)  # fmt: skip
def test_what_is_merely_near_names_nothing(text: str) -> None:
    assert found(text) is None


@given(st.data())
def test_one_letter_changed_never_finds_another_skill(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(LIBRARY) - 1))
    phrase = LIBRARY[index].phrase
    where = data.draw(st.sampled_from([i for i, letter in enumerate(phrase) if letter.isalpha()]))
    letter = data.draw(st.sampled_from("bcdefghjkmnopqrtuvwxyz"))
    changed = phrase[:where] + letter + phrase[where + 1 :]
    assert BOOK.find(changed) in (None, index)  # an article may change: "pick up thr" is not one
    assert BOOK.find(phrase) == index


@given(st.text(max_size=60))
def test_any_text_names_one_skill_or_none(text: str) -> None:
    index = BOOK.find(text)
    assert index is None or LIBRARY[index].phrase in LIBRARY


def test_what_names_two_skills_names_none_unless_it_is_the_very_phrase() -> None:
    library = SkillLibrary(["take a break", "take the break", "Wave", "wave", "press lime", "press lemon"])
    book = Phrasebook(library, Prompt.load(), {"lime": ("citrus",), "lemon": ("citrus", "lime")})
    assert book.find("take break") is None
    assert book.find("take a break.") == 0
    assert book.find("take the break.") == 1
    assert book.find("WAVE") is None
    assert book.find("wave") == library.phrases.index("wave")
    assert book.find("press citrus") is None
    assert book.find("press lime") == library.phrases.index("press lime")  # its own name, not a synonym of lemon


def test_the_nearest_phrases_are_a_hint() -> None:
    assert BOOK.nearest("pick the sponge up")[0] == "pick up the sponge"
    assert BOOK.nearest("pick up the spong", 1) == ["pick up the sponge"]
    assert BOOK.nearest("grab the coke")[0] in ("find the coke can", "pick up the coke can")  # by its synonym
    assert BOOK.nearest("xylophone") == []
    assert set(BOOK.nearest("wipe the table")) <= set(LIBRARY.phrases)
