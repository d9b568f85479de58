"""Robots in TOML files: tables become dataclasses, and mistakes are told with their place."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from saycan.errors import BadInputError

Table = TypeVar("Table")


def read_toml(file: Path) -> dict[str, Any]:
    """What is in a file. Raises BadInputError for one that cannot be read, FileNotFoundError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BadInputError(f"{file}: cannot be read: {error}") from error


def table(kind: type[Table], data: Any, where: str, **defaults: Any) -> Table:
    """A dataclass from a table: every key known, none missing, numbers and names where they belong.

    What the table leaves out is as in `defaults`, or else as in the dataclass.
    """
    if isinstance(data, kind):
        return data
    if not isinstance(data, Mapping):
        raise BadInputError(f"{where} is a table, found {data!r}")
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    for key in data:
        if key not in known:
            raise BadInputError(f"{where} has no {key!r}; valid: {', '.join(known)}")
    for key, one in known.items():
        if key not in {**defaults, **data} and one.default is MISSING and one.default_factory is MISSING:
            raise BadInputError(f"{where} lacks {key!r}")
    given = {key: _value(value, str(known[key].type), f"{where}.{key}") for key, value in data.items()}
    return kind(**{**defaults, **given})


def _value(value: Any, kind: str, where: str) -> Any:
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    if kind.startswith("tuple"):
        of = str if "str" in kind else (int, float)
        count = "" if "..." in kind else f"{kind.count(',') + 1} "
        fits = isinstance(value, list) and all(isinstance(one, of) and not isinstance(one, bool) for one in value)
        if not fits or (count and len(value) != int(count)):
            raise BadInputError(f"{where} is a list of {count}{'names' if of is str else 'numbers'}, found {value!r}")
        return tuple(value)
    right = {"str": isinstance(value, str), "bool": isinstance(value, bool), "float": numbers}
    name = kind.removesuffix(" | None")
    if not right.get(name, True):
        raise BadInputError(f"{where} is a {name}, found {value!r}")
    return float(value) if name == "float" else value


def tables(value: Any, where: str) -> list[tuple[str, Any]]:
    """The tables in a table, by name. Raises BadInputError."""
    if not isinstance(value, Mapping):
        raise BadInputError(f"{where} is a table of tables, found {value!r}")
    return list(value.items())


def above_zero(value: float, where: str) -> None:
    """Raises BadInputError for what is not, and for what is not finite."""
    if not 0.0 < value < math.inf:
        raise BadInputError(f"{where} is a finite number above 0, found {value:g}")


def one_of(value: str, valid: tuple[str, ...], where: str) -> None:
    """Raises BadInputError for another value."""
    if value not in valid:
        raise BadInputError(f"{where} is one of {', '.join(valid)}; found {value!r}")
