"""Suites: instructions with a start and a goal each, by which an agent is measured. One row of a table is one case.

    id  family  instruction  robot_start  env_start  goal

Columns are separated by tabs (`csv` with its default quotes). `robot_start` and `env_start` are words that make a scene
("at table with coke can in hand", "apple on close counter, sponge on table"); either may be empty. The goal is one of
`saycan.goals`; the agent never sees it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from saycan import compose, goals
from saycan.errors import SayCanError, SuiteError
from saycan.instruction import check_instruction
from saycan.vocabulary import KITCHEN, Vocabulary

MOST_CASES = 100_000


@dataclass(frozen=True)
class Case:
    """One instruction, where it begins, and what is to be so in the end.

    Attributes:
        id: Unique in its suite.
        family: Kind of instruction; rates are told by family.
        instruction: What the agent is told.
        robot_start, env_start: The scene in words.
        goal: As text.
    """

    id: str
    family: str
    instruction: str
    robot_start: str
    env_start: str
    goal: str

    @property
    def scene(self) -> str:
        """Both starts as one text, as `saycan.robots.kitchen.scene.parse_scene` reads it."""
        return ", ".join(part for part in (self.robot_start, self.env_start) if part) or "with operator"

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits by which it is told from itself before it was edited: instruction, scene, goal."""
        text = json.dumps([self.instruction, self.scene, self.goal])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def condition(self) -> goals.Goal:
        """The goal, parsed. Raises GoalError."""
        return goals.parse(self.goal)


COLUMNS = tuple(field.name for field in fields(Case))


def read_suite(path: str | Path, vocabulary: Vocabulary = KITCHEN) -> tuple[Case, ...]:
    """The cases of a file, in order. Raises SuiteError that names the line and the column which cannot be used."""
    path = Path(path)
    rows = read_table(path, COLUMNS)
    return check_cases((Case(**row) for row in rows), str(path), vocabulary)


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a tab-separated file as columns' names to stripped texts; more columns than asked for are left out.

    Raises SuiteError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"the suite {path} cannot be read: {error}") from error
    columns = tuple(columns)
    lines = csv.reader(text.splitlines(keepends=True), delimiter="\t")
    try:
        header = [name.strip() for name in next(lines, [])]
        if missing := [name for name in columns if name not in header]:
            raise SuiteError(
                f"{path}, line 1: no column {', '.join(missing)}; a suite has the tab-separated columns "
                f"{', '.join(columns)}, found {', '.join(header) or 'nothing'}"
            )
        rows = []
        for fields_of in lines:
            if not any(value.strip() for value in fields_of):
                continue
            if len(fields_of) != len(header):
                raise SuiteError(
                    f"{path}, line {lines.line_num}: {len(fields_of)} columns, the header has {len(header)}; "
                    "every tab begins a new column, empty ones too"
                )
            row = dict(zip(header, (value.strip() for value in fields_of), strict=True))
            rows.append({name: row[name] for name in columns})
            if len(rows) > MOST_CASES:
                raise SuiteError(f"{path} has more than {MOST_CASES} rows")
    except csv.Error as error:
        raise SuiteError(f"{path}, line {lines.line_num}: {error}") from error
    return rows


def check_cases(cases: Iterable[Case], source: str, vocabulary: Vocabulary = KITCHEN) -> tuple[Case, ...]:
    """The cases, if each has what it needs; raises SuiteError for the first that has not."""
    known: set[str] = set()
    checked = []
    for number, case in enumerate(cases, start=1):
        where = f"{source}, case {number} ({case.id or 'without an id'})"
        if not case.id or case.id in known:
            raise SuiteError(f"{where}: {'it needs an id' if not case.id else 'another case has this id'}")
        if not case.family:
            raise SuiteError(f"{where}: it needs a family, such as 'all'")
        try:
            check_instruction(case.instruction)
            goals.parse(case.goal, vocabulary)
            compose.check_scene(case.scene)
        except SayCanError as error:
            raise SuiteError(f"{where}: {error}") from error
        known.add(case.id)
        checked.append(case)
    if not checked:
        raise SuiteError(f"{source} has no cases")
    return tuple(checked)
