from __future__ import annotations

import pytest

from saycan.errors import UnknownNameError
from saycan.vocabulary import KITCHEN, normalise


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("coke", "coke can"), ("Cokes", "coke can"), ("a red bull", "redbull can"), ("rxbar chocolate", "energy bar"),
        ("green can", "lime soda"), ("grapefruit lacroix", "grapefruit soda"), ("blue chip bag", "kettle chips"),
        ("the apple", "apple"), ("multgrain chips", "multigrain chips"), ("7 up", "7up can"), ("water", "water bottle"),
    ],
)  # fmt: skip
def test_objects_go_by_several_names(text: str, name: str) -> None:
    assert KITCHEN.object(text) == name


def test_places_go_by_several_names() -> None:
    assert KITCHEN.place("near counter") == "close counter"
    assert KITCHEN.place("the trash") == "trash can"
    assert KITCHEN.place("user") == "operator"


def test_categories_have_members() -> None:
    assert set(KITCHEN.members("fruits")) == {"apple", "orange"}
    assert len(KITCHEN.members("chips")) == 4
    assert "redbull can" in KITCHEN.members("drink")
    assert "redbull can" not in KITCHEN.members("sodas")
    assert KITCHEN.members("sponge") == ("sponge",)


def test_no_name_means_two_things() -> None:
    for nouns in (KITCHEN.objects, KITCHEN.places):
        names = [normalise(name) for noun in nouns for name in (noun.name, *noun.aliases)]
        assert len(names) == len(set(names))


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'apple'.*coke can"):
        KITCHEN.object("appel")
    with pytest.raises(UnknownNameError, match="fruit"):
        KITCHEN.members("gadget")


def test_synonyms_are_the_aliases_by_name() -> None:
    assert KITCHEN.synonyms["coke can"] == ("coke", "coca cola", "cola")
    assert "me" in KITCHEN.synonyms["operator"]
    assert "apple" not in KITCHEN.synonyms  # it has none
    assert all(KITCHEN.object(other) == "tea" for other in KITCHEN.synonyms["tea"])
