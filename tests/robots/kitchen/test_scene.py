from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.errors import SceneError
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.scene import HAND, Scene, Thing, name_things, parse_scene
from saycan.vocabulary import KITCHEN


def things(scene: Scene) -> list[tuple[str, str]]:
    return [(thing.id, thing.place) for thing in scene.things]


@pytest.mark.parametrize(
    ("words", "start", "expected"),
    [
        ("pepsi can on table", "operator", [("pepsi can", "table")]),
        ("at table with coke can in hand", "table", [("coke can", HAND)]),
        ("with operator, coke can in hand", "operator", [("coke can", HAND)]),
        ("In front of the table. Holding an apple", "table", [("apple", HAND)]),
        ("robot at far counter with a sponge in its gripper", "far counter", [("sponge", HAND)]),
        ("with operator", "operator", []),
        ("near the bin, nothing", "trash can", []),
        ("two cokes on the table", "operator", [("coke can", "table"), ("coke can 2", "table")]),
        ("3 oranges with the user", "operator", [(id, "operator") for id in ("orange", "orange 2", "orange 3")]),
        (
            "sponge on far counter and apple on close counter",
            "operator",
            [("sponge", "far counter"), ("apple", "close counter")],
        ),
        (
            "tea, rice chips, and an orange on near counter; at counter",
            "close counter",
            [("tea", "close counter"), ("rice chips", "close counter"), ("orange", "close counter")],
        ),
        ("two apples on table, and one tea", "operator", [("apple", "table"), ("apple 2", "table"), ("tea", "table")]),
        ("7 up and another 7up on table", "operator", [("7up can", "table"), ("7up can 2", "table")]),
        ("a can of pepsi, a tea in bin", "operator", [("pepsi can", "trash can"), ("tea", "trash can")]),
        ("two fruits on table", "operator", [("apple", "table"), ("orange", "table")]),
        ("lime soda in the trash", "operator", [("lime soda", "trash can")]),
    ],
)  # fmt: skip
def test_words_make_the_scene_that_they_say(words: str, start: str, expected: list[tuple[str, str]]) -> None:
    scene = parse_scene(words)
    assert scene.start == start
    assert things(scene) == expected


@pytest.mark.parametrize(
    ("words", "opening"),
    [
        ("drawer open", 1.0),
        ("the drawer is closed", 0.0),
        ("drawer half open", 0.5),
        ("top drawer 40% open", 0.4),
        ("drawer half closed", 0.5),
        ("drawer 40% shut", 0.6),
    ],
)
def test_the_drawer(words: str, opening: float) -> None:
    assert parse_scene(words).drawer == pytest.approx(opening)


def test_spills() -> None:
    assert parse_scene("spill on close counter, a spill on the table").spills == ("close counter", "table")
    both = parse_scene("a spill and a sponge on far counter")
    assert (both.spills, things(both)) == (("far counter",), [("sponge", "far counter")])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "needs words"),
        ("  \n ", "needs words"),
        ("unicorn on table", "unicorn.*coke can"),
        ("appel on table", "Did you mean 'apple'"),
        ("apple on the moon", "unknown place.*close counter"),
        ("at the moon", "unknown place"),
        ("apple", "no place is named for apple"),
        ("spill", "no place is named for a spill"),
        ("nine cokes on table", "9 things at the table.*at most 8 fit"),
        ("99 apples on table", "at most 8 fit"),
        ("apple in hand, orange in hand", "in the hand.*at most 1"),
        ("at table, at far counter", "one place only"),
        ("spill with operator", "spill cannot be on 'operator'.*table"),
        ("drawer 140% open", "from 0 to 1"),
        ("drawer 140% closed", "from 0 to 1"),
        ("two cokes in hand", "in the hand.*at most 1"),
        ("the coke can on the table is empty", "unknown place"),
        ("x" * 3000, "at most 2000"),
        ("apple on \x07 table", "cannot hold control characters"),
        ("spill with the moon", "unknown place"),
    ],
)
def test_what_cannot_be_built_is_said(words: str, message: str) -> None:
    with pytest.raises(SceneError, match=message):
        parse_scene(words)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_scene_or_a_scene_error(text: str) -> None:
    with contextlib.suppress(SceneError):
        parse_scene(text)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([noun.name for noun in KITCHEN.objects]),
            st.sampled_from([*KITCHEN.surfaces, "operator"]),
        ),
        max_size=5,
    ),
    st.sampled_from([None, "tea", "sponge"]),
    st.sets(st.sampled_from(KITCHEN.surfaces)),
    st.sampled_from([*PLACES]),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_a_description_reads_back_as_the_same_scene(pairs, held, spills, start, drawer) -> None:
    if held is not None:
        pairs = [*pairs, (held, HAND)]
    scene = Scene(name_things(pairs), tuple(sorted(spills)), start, drawer=drawer)
    assert parse_scene(scene.describe()) == scene


def test_more_than_all_of_a_spill_cannot_be_wiped_away() -> None:
    with pytest.raises(SceneError, match=r"a share from 0 to 1 .* found 1\.5"):
        Scene(spills=("table",), wiped=1.5)


def test_a_scene_from_code_is_checked_too() -> None:
    with pytest.raises(SceneError, match="cannot start at 'moon'"):
        Scene(start="moon")
    with pytest.raises(SceneError, match="coke can 2"):
        Scene((Thing("coke can", "coke can", "table"), Thing("coke can", "coke can", "table")))
    with pytest.raises(SceneError, match="unknown object"):
        Scene((Thing("cup", "cup", "table"),))
    with pytest.raises(SceneError, match="'apple' cannot be at 'shelf'"):
        Scene((Thing("apple", "apple", "shelf"),))


def test_the_base_stands_off_its_dock_by_the_offset_seen_from_there() -> None:
    table = PLACES["table"]
    base = Scene(start="table", base_offset=(0.05, -0.02, 0.1)).base
    np.testing.assert_allclose(base[:2] - table.dock[:2], 0.05 * table.forward - 0.02 * table.left)
    assert base[2] == pytest.approx(table.yaw + 0.1)


@pytest.mark.parametrize("words", ["hand empty", "the hand is empty", "with its gripper empty", "trash empty"])
def test_what_is_empty_holds_nothing(words: str) -> None:
    assert things(parse_scene(f"at table, {words}, apple on table")) == [("apple", "table")]
