"""Robots in TOML files: tables become dataclasses, and mistakes are told with their place."""

from __future__ import annotations

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


def table(kind: type[Table], data: Any, where: str) -> Table:
    """A dataclass from a table: every key known, none missing, numbers and names where they belong."""
    if isinstance(data, kind):
        return data
    if not isinstance(data, Mapping):
        raise BadInputError(f"{where} is a table, found {data!r}")
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]  # all of them are dataclasses
    for key in data:
        if key not in known:
            raise BadInputError(f"{where} has no {key!r}; valid: {', '.join(known)}")
    for key, one in known.items():
        if key not in data and one.default is MISSING and one.default_factory is MISSING:
            raise BadInputError(f"{where} lacks {key!r}")
    return kind(**{key: _value(value, str(known[key].type), f"{where}.{key}") for key, value in data.items()})


def _value(value: Any, kind: str, where: str) -> Any:
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    if kind.startswith("tuple"):
        of = str if "str" in kind else (int, float)
        if not isinstance(value, list) or not all(isinstance(one, of) and not isinstance(one, bool) for one in value):
            raise BadInputError(f"{where} is a list of {'names' if of is str else 'numbers'}, found {value!r}")
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


def one_of(value: str, valid: tuple[str, ...], where: str) -> None:
    """Raises BadInputError for another value."""
    if value not in valid:
        raise BadInputError(f"{where} is one of {', '.join(valid)}; found {value!r}")
