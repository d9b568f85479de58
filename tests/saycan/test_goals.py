"""Goals on worlds made of the fake robot's kitchen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saycan.errors import GoalError
from saycan.goals import And, Call, Comparison, Constant, Goal, Not, Or, parse
from saycan.robots.fake import FakeRobot
from saycan.vocabulary import KITCHEN

OBJECTS = {
    "coke can": "operator",
    "pepsi can": "operator",
    "coke can 2": "operator",
    "apple": "table",
    "orange": "drawer",
    "sponge": "close counter",
}


@pytest.fixture
def state():
    made = FakeRobot(OBJECTS, spills=["table"]).privileged_state()
    return replace(made, robot_place="table", visited=("drawer", "table"))


def held(state, id):
    things = tuple(replace(thing, held=thing.id == id) for thing in state.objects)
    return replace(state, objects=things, held=id)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('at("coke can", "operator")', True),
        ('at("coke", "me")', True),
        ('at("coke", "table")', False),
        ('at("soda", "operator") and at("fruit", "table")', True),
        ('holding("apple")', False),
        ('robot_at("table")', True),
        ('robot_at("drawer")', False),
        ('visited("drawer")', True),
        ('visited("far counter")', False),
        ('clean("close counter")', True),
        ('clean("table")', False),
        ('open("drawer")', False),
        ('count("soda", "operator") == 3', True),
        ('distinct("soda", "operator") == 2', True),
        ('distinct("soda", "operator") >= 3', False),
        ('count("coke can", "operator") >= 2', True),
        ('2 < count("soda", "operator") <= 3', True),
        ('count("drink", "operator")', True),
        ('count("snack", "operator")', False),
        ('count("coke", "operator") > count("pepsi", "operator")', True),
        ('not (at("apple", "table") or clean("table"))', False),
        ("True", True),
        ("not True", False),
    ],
)
def test_each_function(state, text, expected) -> None:
    assert parse(text).holds(state) is expected


def test_what_is_in_the_gripper_is_held_and_nowhere_else(state) -> None:
    holding = held(state, "apple")
    assert parse('holding("apple")').holds(holding)
    assert parse('holding("fruit")').holds(holding)
    assert not parse('holding("coke")').holds(holding)
    assert not parse('at("apple", "table")').holds(holding)


def test_a_drawer_is_open_when_it_is_nearly_all_out_and_closed_when_it_is_nearly_all_in(state) -> None:
    drawer = state.drawers[0]
    for share, is_open, is_closed in ((0.05, False, True), (0.5, False, False), (0.9, True, False)):
        there = replace(state, drawers=(replace(drawer, opening=share * drawer.travel),))
        assert parse('open("drawer")').holds(there) is is_open
        assert parse('closed("drawer")').holds(there) is is_closed


def test_conjuncts_are_the_parts_joined_at_the_top() -> None:
    goal = parse('(clean("table") and at("apple", "table")) and (holding("tea") or not visited("table"))')
    assert [str(part) for part in goal.conjuncts()] == [
        'clean("table")',
        'at("apple", "table")',
        '(holding("tea") or (not visited("table")))',
    ]
    assert parse('clean("table")').conjuncts() == (parse('clean("table")'),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a condition"),
        ('clean("close conter")', "column 7: unknown place 'close conter'. Did you mean 'close counter'"),
        ('at("cok can", "table")', "column 4: unknown object or category 'cok can'. Did you mean 'coke can'"),
        ('hold("apple")', "column 1: unknown function 'hold'. Did you mean 'holding'"),
        ('at("apple")', "takes 2, the object and the place; found 1"),
        ("at(apple, 'table')", "column 4: the object of at.. must be a name in quotes"),
        ("at('é', 1)", "column 4: unknown object"),
        ("at('apple', 1)", "column 13: the place of at.. must be a name in quotes"),
        ("clean('trash can')", "only a surface can be clean: close counter, far counter, table"),
        ("open('table')", "only a drawer can be open"),
        ("at('apple', 'table') >= 2", "only count.., distinct.. and whole numbers can be compared"),
        ("count('apple', 'table') > 1.5", "whole numbers can be compared, found '1.5'"),
        ("count('apple', 'table') > True", "found 'True'"),
        ("count('apple', 'table') in 3", "comparisons are"),
        ("2", "the number 2 stands alone"),
        ("apple", "'apple' stands alone"),
        ("clean('table'", "does not parse"),
        ("clean('table') and", "does not parse"),
        ("clean(place='table')", "is not allowed"),
        ("clean(*'table')", "must be a name in quotes"),
        ("lambda: True", "is not allowed"),
        ("True if True else False", "is not allowed"),
        ("[True]", "is not allowed"),
        ("f'{1}'", "is not allowed"),
        ("(x := True)", "is not allowed"),
        ("__import__('os').system('true')", "is not allowed"),
        ("clean.__class__", "is not allowed"),
        ("clean('\\d')", "backslash"),
        ("not " * 50 + "True", "nested more than 30 deep"),
        ("(" * 500 + "True" + ")" * 500, "goal"),
        ("True and " * 500 + "True", "has 4504 characters"),
        ("True\x00", "goal"),
        ("-" * 1500 + "1", "goal"),
    ],
)
def test_each_mistake_has_its_message(text, message) -> None:
    with pytest.raises(GoalError, match=message):
        parse(text)


def test_the_message_points_at_the_place_and_lists_the_functions() -> None:
    with pytest.raises(GoalError) as caught:
        parse('at("é", "table")')
    lines = str(caught.value).splitlines()
    assert lines[1][len(lines[2]) - 1] == '"'  # under the opening quote
    assert lines[-1].startswith("functions: at(object, place), holding(object)")


@given(st.text(max_size=80))
def test_no_text_does_anything_but_parse_or_be_refused(text) -> None:
    try:
        parse(text)
    except GoalError:
        return


names = st.sampled_from([noun.name for noun in KITCHEN.objects] + list(KITCHEN.categories))
places = st.sampled_from([noun.name for noun in KITCHEN.places])
calls = st.builds(
    lambda function, thing, place: parse(f'{function}("{thing}", "{place}")'),
    st.sampled_from(["at", "count", "distinct"]),
    names,
    places,
)
numbers = calls.filter(lambda call: call.function != "at") | st.integers(0, 9)
signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
comparisons = st.builds(lambda a, sign, b: Comparison((a, b), (sign,)), numbers, signs, numbers)
goals = st.recursive(
    calls | comparisons | st.builds(Constant, st.booleans()),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@given(goals)
def test_a_goal_written_down_parses_to_the_same_goal(goal: Goal) -> None:
    assert parse(str(goal)) == goal


def test_arguments_keep_the_words_they_were_written_in() -> None:
    goal = parse('at("cola", "counter")')
    assert isinstance(goal, Call)
    assert (goal.arguments, goal.objects, goal.place) == (("cola", "counter"), ("coke can",), "close counter")
