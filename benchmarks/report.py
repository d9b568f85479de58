"""What every benchmark writes: a list of named figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str


def write_json(path: Path | None, rows: Iterable[Row]) -> None:
    """Write [{"name", "value", "unit"}, ...]; nothing without a path."""
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
