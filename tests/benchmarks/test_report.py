"""The files that benchmarks write."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_what_is_no_number_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    report = import_module("report")
    report.write_json(tmp_path / "rows.json", [report.Row("a", float("nan"), "share"), report.Row("b", 0.5, "share")])

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    rows = json.loads((tmp_path / "rows.json").read_text(), parse_constant=refuse)
    assert [row["value"] for row in rows] == [None, 0.5]
