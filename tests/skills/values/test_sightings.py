from __future__ import annotations

from saycan.skills.values.sightings import STALE, Sightings

NEAREST = ("table", "far counter", "operator")


def test_without_sightings_the_nearest_comes_first() -> None:
    assert Sightings().order("apple", NEAREST) == [*NEAREST]


def test_where_it_was_seen_first_where_it_was_missed_last() -> None:
    sightings = Sightings()
    sightings.note("table", {"apple": False, "tea": True})
    sightings.note("operator", {"apple": True, "tea": False})
    assert sightings.order("apple", NEAREST) == ["operator", "table", "far counter"]  # what was missed before is old
    assert sightings.order("tea", NEAREST) == ["table", "far counter", "operator"]


def test_what_is_gone_from_where_it_was_seen_is_not_looked_for_there() -> None:
    sightings = Sightings()
    sightings.note("operator", {"apple": True})
    sightings.note("operator", {"apple": False})
    assert sightings.seen == {} and sightings.missed_at("apple") == {"operator"}
    sightings.note("table", {"apple": False})
    assert sightings.order("apple", NEAREST) == ["far counter", "table", "operator"]
    sightings.note("table", {"apple": True})
    assert sightings.missed == {} and sightings.seen == {"apple": "table"}


def test_a_clock_that_goes_back_is_a_new_world() -> None:
    sightings = Sightings(seen={"apple": "table"}, missed={"tea": {"table": 0.0}})
    for time in (1.0, 1.0, 5.0):
        sightings.tell(time)
    assert sightings.seen
    sightings.tell(0.5)
    assert not sightings.seen and not sightings.missed and sightings.time == 0.5


def test_forget() -> None:
    sightings = Sightings(seen={"apple": "table"}, missed={"tea": {"table": 0.0}})
    sightings.forget()
    assert (sightings.seen, sightings.missed) == ({}, {})


def test_what_was_missed_long_ago_is_looked_for_there_again() -> None:
    sightings = Sightings()
    sightings.tell(10.0)
    sightings.note("table", {"apple": False})
    sightings.tell(9.0 + STALE)
    assert sightings.missed_at("apple") == {"table"}
    sightings.tell(10.0 + STALE)
    assert sightings.missed_at("apple") == set() and sightings.order("apple", NEAREST) == [*NEAREST]
