from __future__ import annotations

from saycan.skills.kitchen import STRESS, kitchen_library
from saycan.vocabulary import KITCHEN


def test_sizes() -> None:
    assert len(kitchen_library()) == 156
    assert len(kitchen_library(STRESS)) == 551
    assert len(set(kitchen_library(STRESS).phrases)) == 551


def test_every_phrase_names_what_its_skill_is_about() -> None:
    for skill in kitchen_library():
        assert skill.object is None or skill.object in skill.phrase
        assert skill.place is None or skill.place in skill.phrase
        assert skill.object is None or skill.object in {noun.name for noun in KITCHEN.objects}
    assert kitchen_library()[-1].phrase == "done"


def test_a_sentence_is_a_skill() -> None:
    skill = kitchen_library().find("place the tea on the far counter")
    assert (skill.verb, skill.object, skill.place) == ("place", "tea", "far counter")
