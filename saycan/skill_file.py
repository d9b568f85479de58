"""A robot's skills in one readable file.

policy = "my_package:MyPolicy"             # names as on the command line; all three may be left out
values = "my_package:values"
detector = "my_package:MyDetector"
objects = ["cup", "plate"]
places = ["table", "sink"]

[[skill]]
verb = "place"                             # what your policy goes by; the phrase itself where left out
phrase = "put the {object} on the {place}"
seconds = 45                               # its time limit
places = ["table"]                         # instead of the file's; the same with objects

[[skill]]
phrase = "wave hello"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saycan.errors import BadInputError
from saycan.library import SkillLibrary, Template
from saycan.skill import Skill

_TOP = {"policy": str, "values": str, "detector": str, "objects": list, "places": list, "skill": list}
_SKILL = {"verb": str, "phrase": str, "seconds": (int, float), "objects": list, "places": list}
_KINDS: dict[Any, str] = {str: "text", list: "a list", (int, float): "a number"}


@dataclass(frozen=True)
class SkillFile:
    """What such a file says.

    Attributes:
        library: Its skills; None without a file.
        policy, values, detector: Names of parts, as `saycan.compose` knows them; None where it says nothing.
    """

    library: SkillLibrary | None = None
    policy: str | None = None
    values: str | None = None
    detector: str | None = None


def read_skills(path: str | Path) -> SkillFile:
    """Read a file. Raises BadInputError with the line of what is wrong."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInputError(f"{path}: {error}") from error  # which names the line itself
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}") from error
    lines = _Lines(str(path), text)
    _check(data, _TOP, lines, None)
    skills: list[Skill] = []
    for number, one in enumerate(data.get("skill", ())):
        skills += _skills(one, data, lines, number)
    try:
        library = SkillLibrary(skills)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}; skills are [[skill]] tables with a phrase") from error
    return SkillFile(library, data.get("policy"), data.get("values"), data.get("detector"))


def _skills(one: Any, data: Mapping[str, Any], lines: _Lines, number: int) -> list[Skill]:
    """Of one table."""
    _check(one, _SKILL, lines, number)
    where = lines.at(number)
    if not str(one.get("phrase", "")).strip():
        raise BadInputError(f"{where}: a skill needs a phrase, such as phrase = 'wave hello'")
    phrase = one["phrase"].strip()
    seconds = float(one.get("seconds", 30.0))
    if not 0 < seconds < float("inf"):
        raise BadInputError(f"{lines.at(number, 'seconds')}: seconds is a time limit above 0, found {seconds:g}")
    names = {key: tuple(one.get(key, data.get(key, ()))) for key in ("objects", "places")}
    for key, some in names.items():
        for name in some:
            if not isinstance(name, str) or not name.strip():
                at = lines.at(number if key in one else None, key)
                raise BadInputError(f"{at}: {key} are names, found {name!r}")
    places = names["places"] if "{place}" in phrase or "places" in one else ()
    try:
        template = Template(one.get("verb", phrase).strip(), phrase, names["objects"], places, seconds)
        return list(template.skills())
    except (BadInputError, ValueError) as error:
        raise BadInputError(f"{lines.at(number, 'phrase')}: {error}") from error


def _check(table: Any, known: Mapping[str, Any], lines: _Lines, number: int | None) -> None:
    if not isinstance(table, Mapping):
        raise BadInputError(f"{lines.at(number)}: skills are [[skill]] tables, found {table!r}")
    for key, value in table.items():
        if key not in known:
            raise BadInputError(f"{lines.at(number, key)}: unknown key {key!r}; valid: {', '.join(known)}")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise BadInputError(f"{lines.at(number, key)}: {key} is {_KINDS[known[key]]}, found {value!r}")


class _Lines:
    """Where in a file a key of the top or of the nth [[skill]] stands."""

    def __init__(self, path: str, text: str) -> None:
        self._path, self._lines = path, text.splitlines()
        self._tables = [n for n, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*skill\s*\]\]", line)]

    def at(self, number: int | None, key: str | None = None) -> str:
        """Such as "skills.toml, line 12"."""
        tables = [*self._tables, len(self._lines)]
        written = number is not None and number < len(self._tables)  # and not as skill = [{...}]
        start, stop = (tables[number], tables[number + 1]) if written and number is not None else (0, tables[0])
        if number is not None and not written:
            return self._path
        for line in range(start, stop):
            if key is not None and re.match(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=\]]", self._lines[line]):
                return f"{self._path}, line {line + 1}"
        return f"{self._path}, line {start + 1}"
