"""What every benchmark writes: a list of named figures."""

from __future__ import annotations

import json
import math
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
    """Write [{"name", "value", "unit"}, ...]; nothing without a path. JSON has no NaN: such a value is null."""
    if path is not None:
        plain = [asdict(row) | ({} if math.isfinite(row.value) else {"value": None}) for row in rows]
        path.write_text(json.dumps(plain, indent=2, allow_nan=False) + "\n", encoding="utf-8")
