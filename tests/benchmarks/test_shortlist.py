"""The benchmark of shortlists itself: its points, and that what it proves is what scoring everything finds."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


class Hashes:
    """Log-probabilities that are a hash of prompt and option; `spread` nats between the likeliest and the least."""

    name = "hashes"

    def __init__(self, spread: float) -> None:
        self.spread = spread
        self.scored: list[int] = []

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        self.scored.append(len(options))
        salt = zlib.crc32(prompt.encode())
        return -1.0 - np.array([zlib.crc32(option.encode(), salt) for option in options]) / 2.0**32 * self.spread


class Searches(Hashes):
    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        ranked = np.argsort(-self.score(prompt, options), kind="stable")[:count]
        self.scored.pop()  # a search does not score them all
        return ranked


@pytest.fixture
def shortlist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    sys.modules.pop("shortlist", None)
    import shortlist

    return shortlist


def test_every_plan_can_be_carried_out_in_the_house_and_the_sets_take_turns(shortlist: ModuleType) -> None:
    found = shortlist.points()  # asserts on the way that every step of every plan can be done
    assert len(shortlist.LIBRARY) == 10_004
    assert len(found) == len(set(found)) == 215
    assert sum(point.next is not None for point in found) == 175
    first = found[:24]
    assert len({point.instruction for point in first}) == 24
    assert {len(point.memory) for point in first} >= {0, 1, 2}
    for point in [point for point in found if point.next is not None][::9]:
        assert point.values()[point.next] > 0.1, f"{point.instruction}: {shortlist.LIBRARY[point.next]}"


def test_what_is_proven_is_what_scoring_everything_finds(shortlist: ModuleType) -> None:
    model = Searches(spread=3000.0)  # 75 nats within the 256 likeliest: values seldom overrule that
    reference = shortlist.Reference(model)
    ways = []
    for point in shortlist.points()[:10]:
        *picks, how = reference.picks(point)
        ways.append(how)
        assert picks == list(reference.picks(point, whole=True)[:2])
    assert "proven" in ways
    assert max(model.scored) == len(shortlist.TEXTS)


def test_where_nothing_is_proven_everything_is_scored(shortlist: ModuleType) -> None:
    point = shortlist.points()[0]
    flat = Searches(spread=0.1)  # what is missing may have more say x can than what was found
    assert shortlist.Reference(flat).picks(point)[2] == "all scored"
    assert shortlist.Reference(Hashes(spread=3000.0)).picks(point)[2] == "all scored"  # no search at all


def test_results_are_kept_by_model_and_prompt(shortlist: ModuleType) -> None:
    model = Hashes(spread=10.0)
    first, second = (point.prompt for point in shortlist.points()[:2])
    reference = shortlist.Reference(model)
    scores = reference.scores(first)
    assert np.array_equal(shortlist.Reference(model).scores(first), scores)
    assert len(model.scored) == 1
    assert not np.array_equal(reference.scores(second), scores)
    assert len(model.scored) == 2


def test_recall_counts_what_is_on_the_shortlist_and_done_always_is(shortlist: ModuleType) -> None:
    class First:
        def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
            return np.arange(count)

    some = shortlist.points()[:3]
    wanted = {some[0]: 6, some[1]: 7, some[2]: len(shortlist.LIBRARY) - 1}
    rates = shortlist.recall(some, First(), {"x": wanted.__getitem__})["x"]
    assert [rate.successes for rate in rates.values()] == [2, 3, 3, 3, 3]  # of 8, seven are not "done"
    assert [rate.trials for rate in rates.values()] == [3] * 5
