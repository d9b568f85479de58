from __future__ import annotations

from pathlib import Path

import pytest

from saycan.errors import SuiteError
from saycan.evaluation.suite import COLUMNS, Case, read_suite

ROOT = Path(__file__).resolve().parents[3]
ROW = ("a", "all", "Bring me the tea.", "with operator", "tea on table", "at('tea', 'operator')")


def write(path: Path, *rows: tuple[str, ...], header: tuple[str, ...] = COLUMNS) -> Path:
    path.write_text("\n".join("\t".join(row) for row in (header, *rows)) + "\n", encoding="utf-8")
    return path


def test_the_example_is_read() -> None:
    cases = read_suite(ROOT / "examples" / "suite.tsv")
    assert [case.id for case in cases][:2] == ["stand", "lift"]
    assert cases[1].scene == "at table, orange on table, tea on table"


def test_columns_may_come_in_any_order_with_more_beside_them(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tsv", ("remark", *reversed(ROW)), header=("note", *reversed(COLUMNS)))
    assert read_suite(path) == (Case(*ROW),)


def test_quotes_are_those_of_csv(tmp_path: Path) -> None:
    quoted = (*ROW[:2], '"Bring me the ""tea"", please."', *ROW[3:5], '"at(""tea"", ""operator"")"')
    (case,) = read_suite(write(tmp_path / "s.tsv", quoted))
    assert case.instruction == 'Bring me the "tea", please.'
    assert str(case.condition) == 'at("tea", "operator")'


def test_without_starts_the_robot_is_with_the_operator() -> None:
    assert Case("a", "all", "Go.", "", "", "True").scene == "with operator"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("", *ROW[1:]), "it needs an id"),
        ((ROW[0], "", *ROW[2:]), "it needs a family"),
        ((*ROW[:2], " ", *ROW[3:]), "instruction"),
        ((*ROW[:5], "at('tee', 'operator')"), "Did you mean 'tea'"),
        ((*ROW[:4], "tea on tabel", ROW[5]), "Did you mean 'table'"),
        ((*ROW[:3], "beside operator", *ROW[4:]), "cannot read the scene"),
        ((*ROW[:4], ", ".join(["tea on table"] * 20), ROW[5]), "are too many"),
        (ROW[:5], "line 3: 5 columns, the header has 6"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(tmp_path: Path, row: tuple[str, ...], says: str) -> None:
    first = ("first", *ROW[1:])
    with pytest.raises(SuiteError) as error:
        read_suite(write(tmp_path / "s.tsv", first, row))
    assert says in str(error.value) and "s.tsv" in str(error.value)


def test_two_cases_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"case 2.*another case has this id"):
        read_suite(write(tmp_path / "s.tsv", ROW, ROW))


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no column goal"):
        read_suite(write(tmp_path / "s.tsv", ROW[:5], header=COLUMNS[:5]))
    with pytest.raises(SuiteError, match="cannot be read"):
        read_suite(tmp_path / "absent.tsv")
    with pytest.raises(SuiteError, match="has no cases"):
        read_suite(write(tmp_path / "s.tsv"))
