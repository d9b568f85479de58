from __future__ import annotations

from dataclasses import replace

import pytest

from saycan.errors import UnknownNameError
from saycan.goals import parse
from saycan.library import SkillLibrary
from saycan.privileged import PrivilegedState
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.symbolic import effect, instance, precondition, shortfall, succeeded

LIBRARY = kitchen_library()
START = "at table, coke can on table, apple on far counter, sponge on far counter, spill on close counter"


def state_of(words: str) -> PrivilegedState:
    return symbolic_state(parse_scene(words))


def after(words: str, *phrases: str) -> PrivilegedState:
    state = state_of(words)
    for phrase in phrases:
        skill = LIBRARY.find(phrase)
        assert precondition(state, skill) is None, phrase
        state = effect(state, skill)
        assert succeeded(state, skill), phrase
    return state


@pytest.mark.parametrize(
    ("phrases", "goal"),
    [
        (["find the apple"], 'robot_at("far counter")'),
        (["pick up the coke can"], 'holding("coke can")'),
        (["pick up the coke can", "bring the coke can to the operator"], 'at("coke can", "operator")'),
        (["pick up the coke can", "put the coke can in the trash can"], 'at("coke can", "trash can")'),
        (["pick up the coke can", "place the coke can on the far counter"], 'at("coke can", "far counter")'),
        (["find the apple", "pick up the apple", "go to the table", "put down the apple"], 'at("apple", "table")'),
        (["open the drawer"], 'open("drawer")'),
        (["open the drawer", "close the drawer"], 'visited("drawer") and not open("drawer")'),
        (
            ["open the drawer", "find the coke can", "pick up the coke can", "place the coke can in the drawer"],
            'at("coke can", "drawer")',
        ),
        (
            ["find the sponge", "pick up the sponge", "wipe the close counter with the sponge"],
            'clean("close counter") and holding("sponge")',
        ),
        (["go to the operator", "go to the trash can"], 'visited("operator") and robot_at("trash can")'),
    ],
)
def test_a_plan_carried_out_reaches_its_goal_and_every_step_counts_as_done(phrases: list[str], goal: str) -> None:
    assert not parse(goal).holds(state_of(START))
    assert parse(goal).holds(after(START, *phrases))


@pytest.mark.parametrize(
    ("phrase", "words", "why"),
    [
        ("find the tea", START, "there is no tea"),
        ("find the coke can", START, "at the coke can already"),
        ("find the apple", "apple in hand", "in the gripper already"),
        ("find the apple", "apple in trash can", "thrown away"),
        ("pick up the apple", START, "no apple where the robot stands"),
        ("pick up the coke can", "at table, coke can on table, apple in hand", "holds the apple already"),
        ("pick up the apple", "at trash can, apple in trash can", "out of reach"),
        ("pick up the apple", "at drawer, apple in drawer", "drawer is closed"),
        ("place the apple on the table", START, "does not hold the apple"),
        ("place the apple in the drawer", "apple in hand", "drawer is closed"),
        ("put the apple in the trash can", "coke can in hand", "does not hold the apple"),
        ("bring the apple to the operator", START, "does not hold the apple"),
        ("put down the apple", "at trash can, apple in hand", "nothing that things can be put down on"),
        ("put down the apple", START, "does not hold the apple"),
        ("go to the table", START, "at the table already"),
        ("wipe the close counter with the sponge", START, "does not hold the sponge"),
        ("wipe the table with the sponge", "sponge in hand", "no spill on the table"),
        ("open the drawer", "apple in hand", "holds the apple"),
        ("open the drawer", "drawer open", "open already"),
        ("close the drawer", "drawer open, apple in hand", "holds the apple"),
        ("close the drawer", START, "closed already"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(phrase: str, words: str, why: str) -> None:
    state, skill = state_of(words), LIBRARY.find(phrase)
    assert why in str(precondition(state, skill))
    assert effect(state, skill) is state


def test_what_the_fingers_have_closed_on_is_not_picked_up_yet() -> None:
    lifted, skill = state_of("at table, apple in hand"), LIBRARY.find("pick up the apple")
    assert shortfall(lifted, skill) is None
    pinched = replace(lifted, objects=tuple(replace(one, place="table") if one.held else one for one in lifted.objects))
    assert shortfall(pinched, skill) == "the apple has not been lifted from the table"
    assert shortfall(state_of(START), skill) == "the gripper does not hold the apple"


def test_done_can_always_be_done() -> None:
    state = state_of(START)
    assert precondition(state, LIBRARY.find("done")) is None
    assert effect(state, LIBRARY.find("done")) is state
    assert succeeded(state, LIBRARY.find("done"))


def test_every_skill_has_rules_and_a_foreign_verb_names_the_valid_ones() -> None:
    state = state_of(START)
    for skill in LIBRARY:
        precondition(state, skill)
        shortfall(state, skill)
    with pytest.raises(UnknownNameError, match=r"verb 'juggle'.*pick up"):
        precondition(state, Skill("juggle", "juggle"))
    with pytest.raises(UnknownNameError, match=r"place 'attic'.*far counter"):
        precondition(state, Skill("go to the attic", "go to", place="attic"))
    with pytest.raises(UnknownNameError, match="drawer 'table'"):
        precondition(state, Skill("open the table", "open", place="table"))


def test_of_several_things_the_one_at_hand_comes_first_and_delivered_ones_last() -> None:
    def chosen(words: str) -> str | None:
        thing = instance(state_of(words), "coke can")
        return None if thing is None else thing.place

    assert chosen("at table, coke can on far counter, coke can on table") == "table"
    assert chosen("with operator, coke can with operator, coke can on far counter") == "far counter"
    assert chosen("with operator, coke can in trash can") == "trash can"
    assert chosen("with operator, coke can in hand, coke can on table") is None  # held: at no place
    assert instance(state_of("nothing"), "coke can") is None


def test_what_was_not_found_is_elsewhere_or_nowhere() -> None:
    state = state_of("with operator, apple on table")
    assert shortfall(state, LIBRARY.find("find the apple")) == "the robot is not where the apple is"
    assert shortfall(state, LIBRARY.find("find the tea")) == "there is no tea"


def test_a_thing_on_the_floor_is_found_nowhere_and_was_not_placed() -> None:
    state = state_of("at table, apple on table")
    fallen = replace(state, objects=(replace(state.objects[0], place=None),))
    assert "there is no apple" in str(precondition(fallen, LIBRARY.find("find the apple")))
    assert shortfall(fallen, LIBRARY.find("find the apple")) == "there is no apple"
    assert "dropped" in str(shortfall(fallen, LIBRARY.find("place the apple on the table")))


def test_putting_is_asked_of_the_thing_that_was_held() -> None:
    before = state_of("with operator, coke can in hand, coke can with operator")
    bring = LIBRARY.find("bring the coke can to the operator")
    assert "still holds" in str(shortfall(before, bring, before))
    held = next(thing for thing in before.objects if thing.held)
    astray = replace(
        before,
        held=None,
        objects=tuple(
            replace(thing, held=False, place="table") if thing.id == held.id else thing for thing in before.objects
        ),
    )
    assert succeeded(astray, bring)  # another coke can is there
    assert not succeeded(astray, bring, before)
    assert succeeded(effect(before, bring), bring, before)


def test_a_drawer_moves_what_lies_in_it_and_counts_by_its_travel() -> None:
    shut = state_of("at table, apple in drawer")
    opened = effect(shut, LIBRARY.find("open the drawer"))
    moved = opened.by_id("apple").position - shut.by_id("apple").position
    assert moved[:2] == pytest.approx(shut.drawers[0].travel * shut.drawers[0].direction)
    assert opened.robot_place == "drawer"
    half = replace(shut, drawers=(replace(shut.drawers[0], opening=0.5 * shut.drawers[0].travel),))
    assert "11 of 22 cm" in str(shortfall(half, LIBRARY.find("open the drawer")))
    assert "11 cm" in str(shortfall(half, LIBRARY.find("close the drawer")))


def test_a_half_wiped_spill_is_not_wiped() -> None:
    state = state_of(START)
    spill = state.spills[0]
    half = replace(state, spills=(replace(spill, cells=spill.cells[:4]),))
    wipe = LIBRARY.find("wipe the close counter with the sponge")
    assert shortfall(half, wipe) == "4 of 9 cells of the spill are left"


def test_the_library_it_speaks_about_is_the_kitchens() -> None:
    assert isinstance(LIBRARY, SkillLibrary)
    assert len(LIBRARY) == 156


def test_a_bolted_arm_works_every_place_from_where_it_stands() -> None:
    driven = state_of("at table, coke can on operator, apple in trash can, sponge on table")
    bolted = replace(driven, bolted=True)
    coke, place_it = LIBRARY.find("pick up the coke can"), LIBRARY.find("place the coke can on the table")
    assert precondition(driven, coke) is not None
    assert precondition(bolted, coke) is None
    held = effect(bolted, coke)
    assert held.held == "coke can" and precondition(held, place_it) is None
    assert effect(held, place_it).by_id("coke can").place == "table"
    assert "out of reach" in str(precondition(bolted, LIBRARY.find("pick up the apple")))
    assert precondition(bolted, LIBRARY.find("go to the operator")) is not None  # it is there already
    assert precondition(bolted, LIBRARY.find("find the coke can")) is not None
    assert not bolted.at(None)


def test_of_two_things_a_bolted_arm_takes_the_one_that_has_not_been_delivered() -> None:
    state = replace(state_of("at table, coke can on operator, another coke can on table"), bolted=True)
    taken = effect(state, LIBRARY.find("pick up the coke can"))
    assert taken.held is not None and state.by_id(taken.held).place == "table"
