from __future__ import annotations

from itertools import product

import pytest

from saycan import goals
from saycan.evaluation.shortest import concerned, key, shortest_plan
from saycan.privileged import PrivilegedState
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state
from saycan.skills.kitchen import kitchen_library
from saycan.symbolic import effect

LIBRARY = kitchen_library()


def plan_of(scene: str, goal: str) -> list[str] | None:
    plan = shortest_plan(symbolic_state(parse_scene(scene)), goals.parse(goal), LIBRARY)
    return None if plan is None else [skill.phrase for skill in plan.skills]


def test_nothing_is_to_be_done_where_the_goal_holds() -> None:
    assert plan_of("apple on table", "at('apple', 'table')") == []


def test_a_thing_is_found_taken_and_put() -> None:
    assert plan_of("apple on table", "at('apple', 'trash can')") == [
        "find the apple", "pick up the apple", "put the apple in the trash can",
    ]  # fmt: skip


def test_what_the_hand_holds_is_in_the_way() -> None:
    plan = plan_of("at table with tea in hand, apple on table", "holding('apple')")
    assert plan is not None and len(plan) == 2 and plan[-1] == "pick up the apple"


def test_a_drawer_is_opened_before_something_is_put_into_it() -> None:
    plan = plan_of("at table, apple on table", "at('apple', 'drawer') and not open('drawer')")
    assert plan is not None and len(plan) == 5
    assert plan[0] == "open the drawer" and plan[-1] == "close the drawer"


def test_a_spill_takes_the_sponge() -> None:
    assert plan_of("spill on table, sponge on far counter", "clean('table')") == [
        "find the sponge", "pick up the sponge", "wipe the table with the sponge",
    ]  # fmt: skip


@pytest.mark.parametrize("goal", ["at('apple', 'table')", "clean('table')"])
def test_there_may_be_no_plan(goal: str) -> None:
    assert plan_of("spill on table, tea on far counter", goal) is None


def breadth_first(state: PrivilegedState, goal: goals.Goal, deepest: int) -> int | None:
    """How many skills it takes, by trying all of them."""
    skills = [skill for skill in LIBRARY if skill.verb != "done" and skill.place != "drawer"]
    skills = [skill for skill in skills if skill.object is None or state.named(skill.object)]
    layer = [state]
    for depth in range(deepest + 1):
        if any(goal.holds(one) for one in layer):
            return depth
        following = {}
        for one, skill in product(layer, skills):
            after = effect(one, skill)
            following[str([(t.id, t.place, t.held) for t in after.objects]), after.robot_place, after.visited] = after
        layer = list(following.values())
    return None


@pytest.mark.parametrize(
    ("scene", "goal"),
    [
        ("at table, coke can on table, tea on table", "at('drink', 'operator') and at('soda', 'far counter')"),
        ("two cokes on table", "count('coke can', 'trash can') == 2 or at('coke can', 'far counter')"),
        ("at far counter with sponge in hand, apple on far counter", "at('apple', 'operator') or robot_at('table')"),
        ("apple on table", "visited('close counter') and visited('far counter') and holding('apple')"),
        ("coke can on table, pepsi can on far counter", "count('soda', 'operator') >= 1 and not holding('soda')"),
        ("with tea in hand", "at('tea', 'table') and robot_at('trash can')"),
    ],
)
def test_it_is_as_short_as_trying_everything_finds(scene: str, goal: str) -> None:
    state, wanted = symbolic_state(parse_scene(scene)), goals.parse(goal)
    plan = shortest_plan(state, wanted, LIBRARY)
    assert plan is not None and len(plan) == breadth_first(state, wanted, deepest=5)
    for skill in plan.skills:
        state = effect(state, skill)
    assert wanted.holds(state)


def test_where_it_has_been_counts_only_where_the_goal_asks_for_that() -> None:
    state = symbolic_state(parse_scene("two cokes on table, apple on far counter, tea on close counter"))
    goal = "at('coke can', 'operator') and at('apple', 'table') and at('tea', 'drawer') and not open('drawer')"
    plan = shortest_plan(state, goals.parse(goal), LIBRARY, most=600)  # 460 states are enough, else it is 1207
    assert plan is not None and len(plan) == 10
    here = effect(state, LIBRARY.find("go to the far counter"))
    there = effect(effect(state, LIBRARY.find("go to the table")), LIBRARY.find("go to the far counter"))
    for asked, alike in (("at('apple', 'table')", True), ("visited('trash can')", True), ("visited('table')", False)):
        assert (key(here, goals.parse(asked)) == key(there, goals.parse(asked))) == alike, asked


def test_a_goal_concerns_the_things_it_names_and_cleaning_the_sponge() -> None:
    goal = goals.parse("at('fruit', 'table') and not (holding('tea') or clean('table')) and count('tea', 'table') < 2")
    assert concerned(goal) == {"apple", "orange", "tea", "sponge"}
