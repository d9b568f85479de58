"""With the published file, which is supplied beside the checkout and no part of it; where CI runs it must be there."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from saycan.errors import MissingPartError, SuiteError
from saycan.evaluation import saycan_101 as official
from saycan.evaluation.shortest import shortest_plan
from saycan.evaluation.suite import Case
from saycan.robots.kitchen.scene import parse_scene
from saycan.robots.kitchen.symbolic import symbolic_state
from saycan.skills.kitchen import kitchen_library
from tests.published import published


@pytest.fixture(scope="module")
def file() -> Path:
    return published()


@pytest.fixture(scope="module")
def cases(file: Path) -> tuple[Case, ...]:
    return official.saycan_101(file)


def test_families_and_counts_are_those_of_the_paper(cases: tuple[Case, ...]) -> None:
    counts = Counter(case.family for case in cases)
    assert sum(counts.values()) == 101 and counts.pop("Embodiment") == 11
    assert counts == dict.fromkeys(official.PUBLISHED.keys() - {"Embodiment", "total"}, 15)


def test_the_published_total_is_the_mean_of_its_families(cases: tuple[Case, ...]) -> None:
    for kind in (0, 1):
        mean = sum(official.PUBLISHED[case.family][kind] for case in cases) / len(cases)
        assert mean == pytest.approx(official.PUBLISHED["total"][kind], abs=0.006)


def test_every_start_is_a_kitchen_and_every_goal_has_a_plan_and_is_no_case_of_doing_nothing(
    cases: tuple[Case, ...],
) -> None:
    library = kitchen_library()
    for case in cases:
        state = symbolic_state(parse_scene(case.scene))
        plan = shortest_plan(state, case.condition, library)
        assert plan is not None and 1 <= len(plan) <= 9, case


def test_rows_without_starts_and_with_contradictions_begin_as_was_chosen(cases: tuple[Case, ...]) -> None:
    by_id = {case.id: parse_scene(case.scene) for case in cases}
    assert by_id["79"].in_hand is not None and by_id["79"].in_hand.name == "coke can"
    assert [thing.name for thing in by_id["79"].things].count("coke can") == 1
    assert any(thing.name == "grapefruit soda" for thing in by_id["56"].things)
    assert by_id["52"].start == "operator" and by_id["95"].start == "table"
    assert len(by_id["26"].things) == 4 and {thing.place for thing in by_id["26"].things} == {"table"}


def test_another_file_is_refused(file: Path, tmp_path: Path) -> None:
    changed = tmp_path / official.FILE
    changed.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(SuiteError, match="is not the published file"):
        official.saycan_101(changed)


def test_it_is_found_by_the_variable_and_in_the_cache(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(official.VARIABLE, str(file))
    assert len(official.saycan_101()) == 101
    monkeypatch.delenv(official.VARIABLE)
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    shutil.copy(file, tmp_path / official.FILE)
    assert len(official.saycan_101()) == 101


def test_goals_of_other_texts_are_refused(
    file: Path, cases: tuple[Case, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals = tmp_path / "goals.tsv"
    goals.write_text(official.GOALS.read_text().replace(official.hash_of(cases[97].instruction), "0" * 16))
    monkeypatch.setattr(official, "GOALS", goals)
    with pytest.raises(SuiteError, match="row 98: its hash"):
        official.saycan_101(file)


def test_without_a_file_and_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPartError, match="no file at"):
        official.saycan_101(tmp_path / "absent.tsv")
    monkeypatch.delenv(official.VARIABLE, raising=False)
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    monkeypatch.setattr(official, "URL", (tmp_path / "absent").as_uri())
    with pytest.raises(MissingPartError, match="--data FILE, or the variable SAYCAN_101"):
        official.saycan_101()


def test_what_is_fetched_is_verified_and_kept(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(official.VARIABLE, raising=False)
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path / "cache"))
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("something else")
    monkeypatch.setattr(official, "URL", wrong.as_uri())
    with pytest.raises(SuiteError, match="is not the published file"):
        official.saycan_101()
    assert not (tmp_path / "cache" / official.FILE).exists()
    monkeypatch.setattr(official, "URL", file.as_uri())
    assert len(official.saycan_101()) == 101 and (tmp_path / "cache" / official.FILE).exists()
