"""The 101 instructions of SayCan's own evaluation (Ahn et al. 2022, arXiv:2204.01691), with goals.

The texts and start states are their authors' ("SayCan dataset v0", CC BY 4.0) and no part of this package: they are
read from a file, or fetched once from where they were published, and in either case the file has to be byte for byte
the published one. `saycan_101.tsv` is this project's: by row number and a hash of the text the goal, and where the
published start is missing or contradicts itself, the start that was chosen, with a remark. Nothing is ever trained,
tuned or prompted on these texts.
"""

from __future__ import annotations

import csv
import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from saycan.cache import cache_folder
from saycan.errors import MissingPartError, SuiteError
from saycan.evaluation.suite import Case, check_cases, read_table

NAME = "saycan-101"
FILE = "saycan_initial_condition_for_dataset_v0.tsv"
URL = f"https://raw.githubusercontent.com/say-can/say-can.github.io/main/data/{FILE}"
SHA256 = "6884540ba7f59d0c398bdc21040a17250e01fe7e6f6bff45931aadf9a6f862c9"
VARIABLE = "SAYCAN_101"
"""Environment variable that names the file."""

GOALS = Path(__file__).with_name("saycan_101.tsv")

FAMILIES = {
    "Context / Disturbances": "Crowd-Sourced",
    "Multiple": "Long-Horizon",
    "Abstract Task Specification: Verb synonyms": "NL Verbs",
    "Structured Language": "Structured",
    "Abstract Task Specification: Noun synonyms": "NL Nouns",
    "Embodiment": "Embodiment",
    "Abstract Task Specification: Single": "NL Single",
}
"""How a block of the file begins, to the name that its family has in the paper's tables."""

PUBLISHED = {
    "NL Single": (1.00, 1.00), "NL Nouns": (0.67, 0.47), "NL Verbs": (1.00, 0.93), "Structured": (0.93, 0.87),
    "Embodiment": (0.64, 0.55), "Crowd-Sourced": (0.87, 0.87), "Long-Horizon": (0.73, 0.47), "total": (0.84, 0.74),
}  # fmt: skip
"""Planning and execution success of PaLM-SayCan (540B) in the mock kitchen, Ahn et al. 2022, table 2: a real robot, and
plans that people judged."""

TIMEOUT = 20.0  # s


def saycan_101(path: str | Path | None = None) -> tuple[Case, ...]:
    """The cases, in the file's order; ids are "1" to "101".

    Args:
        path: The published file; None takes what the variable SAYCAN_101 names, else the cache's, else fetches it.

    Raises:
        MissingPartError: It is not there and cannot be fetched.
        SuiteError: It is not the published one.
    """
    texts = _read_published(_locate(path))
    rows = read_table(GOALS, ("row", "sha256", "robot_start", "env_start", "goal"))
    if len(rows) != len(texts):
        raise SuiteError(f"{GOALS} has goals for {len(rows)} rows, the published file has {len(texts)}")
    cases = []
    for number, (row, (family, instruction, robot_start, env_start)) in enumerate(zip(rows, texts, strict=True), 1):
        if int(row["row"]) != number or row["sha256"] != hash_of(instruction):
            raise SuiteError(f"{GOALS}, row {row['row']}: its hash is not that of the published instruction {number}")
        case = Case(
            str(number), family, instruction.strip(), row["robot_start"] or robot_start, row["env_start"] or env_start,
            row["goal"],
        )  # fmt: skip
        cases.append(case)
    return check_cases(cases, NAME)


def hash_of(instruction: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of an instruction."""
    return hashlib.sha256(instruction.encode()).hexdigest()[:16]


def _locate(path: str | Path | None) -> Path:
    if path is None and not os.environ.get(VARIABLE):
        cached = cache_folder() / FILE
        return cached if cached.exists() else _fetch(cached)
    named = Path(path or os.environ[VARIABLE]).expanduser()
    if not named.is_file():
        raise MissingPartError(
            f"no file at {str(named)!r}; it should be {FILE} as its authors published it ({URL}). "
            f"Without a path and without the variable {VARIABLE} it is fetched from there"
        )
    return named


def _fetch(target: Path) -> Path:
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT) as answer:
            content = answer.read(1_000_000)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise MissingPartError(
            f"the instructions of {NAME} could not be fetched from {URL} ({error}). Fetch the file on another computer "
            f"and name it: --data FILE, or the variable {VARIABLE}"
        ) from error
    _verify(content, URL)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(target)
    return target


def _verify(content: bytes, source: object) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise SuiteError(
            f"{source} is not the published file: its sha256 is {found}, that of the published one {SHA256}. "
            f"Fetch it from {URL}, byte for byte"
        )


def _read_published(path: Path) -> list[tuple[str, str, str, str]]:
    """Family, instruction, robot's start and kitchen's start of each row."""
    content = path.read_bytes()
    _verify(content, path)
    rows = csv.reader(content.decode("utf-8").splitlines(), delimiter="\t")
    next(rows)
    family, found = "", []
    for head, *texts in rows:
        family = next((name for begin, name in FAMILIES.items() if head.startswith(begin)), family)
        instruction, robot_start, env_start = texts
        found.append((family, instruction, robot_start.strip(), env_start.strip()))
    return found
