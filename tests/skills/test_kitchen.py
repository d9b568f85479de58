from __future__ import annotations

import numpy as np

from saycan.place import Place
from saycan.robot import Limits, RobotSpec
from saycan.skills.kitchen import STRESS, kitchen_library, library_of
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


def test_a_robot_without_a_map_gets_the_whole_library() -> None:
    assert library_of(RobotSpec("bare")).phrases == kitchen_library().phrases


def test_a_fixed_base_and_a_small_map_leave_fewer_skills() -> None:
    table = Place("table", "surface", np.zeros(3), np.array([0.6, 0.0, 0.7]), np.array([0.4, 0.2]), 0.7)
    driving = library_of(RobotSpec("driving", places={"table": table}))
    assert {skill.place for skill in driving} == {None, "table"}
    assert "go to the table" in driving.phrases and "bring the tea to the operator" not in driving.phrases
    fixed = library_of(RobotSpec("fixed", limits=Limits(base_speed=0.0, base_turn=0.0), places={"table": table}))
    assert {*driving.phrases} - {*fixed.phrases} == {
        phrase for phrase in driving.phrases if phrase.startswith(("find", "go to"))
    }
