"""What an evaluation found: rates by family for people and for programs, and whose fault the failures were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from saycan.evaluation.blame import FAULTS
from saycan.evaluation.record import Evaluation, Record
from saycan.statistics import Rate

TOTAL = "total"
FAULT_NAMES = "/".join(FAULTS)


@dataclass(frozen=True)
class Row:
    """A family's episodes, or all of them, of one language model.

    Attributes:
        llm, family: Whose; the family is `TOTAL` for all.
        rate: Successes; the episodes of a case resemble each other.
        reached: Mean share of the goals' conjuncts that hold at the end.
        length: Mean skills of successful runs, as a multiple of the shortest plan.
        disturbed: Episodes in which something else was moved.
        faults: Of the failures.
        per_decision: Mean wall-clock seconds of a decision.
        tokens: Mean tokens of a decision.
        seconds, path, energy: Means of an episode by the robot's clock, s, m and J.
    """

    llm: str
    family: str
    rate: Rate
    reached: float
    length: float
    disturbed: int
    faults: Mapping[str, int]
    per_decision: float
    tokens: float
    seconds: float
    path: float
    energy: float


def rows(records: Sequence[Record]) -> tuple[Row, ...]:
    """By language model and family, in the order in which they come; each model's total last."""
    found = []
    for llm in dict.fromkeys(record.llm for record in records):
        mine = [record for record in records if record.llm == llm]
        for family in dict.fromkeys(record.family for record in mine):
            found.append(_row(llm, family, [record for record in mine if record.family == family]))
        found.append(_row(llm, TOTAL, mine))
    return tuple(found)


def _row(llm: str, family: str, records: Sequence[Record]) -> Row:
    good = [record for record in records if record.success]
    cases: dict[str, list[bool]] = defaultdict(list)
    for record in records:
        cases[record.id].append(record.success)
    decisions = max(1, sum(record.decisions for record in records))
    faults = Counter(record.blame for record in records if not record.success)
    return Row(
        llm=llm,
        family=family,
        rate=Rate.of_groups(cases.values()),
        reached=_mean(record.reached for record in records),
        length=_mean(len(record.steps) / max(record.shortest, 1) for record in good),
        disturbed=sum(bool(record.disturbed) for record in records),
        faults={fault: faults[fault] for fault in FAULTS},
        per_decision=sum(record.seconds_deciding for record in records) / decisions,
        tokens=sum(record.tokens for record in records) / decisions,
        seconds=_mean(record.seconds for record in records),
        path=_mean(record.path for record in records),
        energy=_mean(record.energy for record in records),
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain data: {"total", "families", "episodes", ...}; with several language models under "models" by name."""
    models = {}
    for llm in dict.fromkeys(record.llm for record in evaluation.records):
        mine = [record for record in evaluation.records if record.llm == llm]
        plain = {row.family: _plain(row) for row in rows(mine)}
        models[llm] = {
            "total": plain.pop(TOTAL),
            "families": plain,
            "episodes": [asdict(record) for record in mine],
        }
    first: dict[str, Any] = next(iter(models.values()), {})
    about = {"suite": evaluation.suite, "trial": dict(evaluation.trial), "commit": evaluation.commit}
    return {**about, **first, **({"models": models} if len(models) > 1 else {})}


def _plain(row: Row) -> dict[str, Any]:
    low, high = row.rate.interval
    return {
        "success": row.rate.value,
        "successes": row.rate.successes,
        "trials": row.rate.trials,
        "worth": row.rate.worth or row.rate.trials,
        "interval": [low, high],
        "reached": row.reached,
        "length": row.length,
        "disturbed": row.disturbed,
        "faults": dict(row.faults),
        "seconds_per_decision": row.per_decision,
        "tokens_per_decision": row.tokens,
        "seconds": row.seconds,
        "path": row.path,
        "energy": row.energy,
    }


def cells(row: Row, physics: bool, published: Mapping[str, tuple[float, float]] | None = None) -> dict[str, str]:
    """A row as a table shows it: heading to text, the most important first; faults are say/can/do/check."""
    low, high = row.rate.interval
    found = {
        "family": row.family,
        "succeeded": f"{row.rate.successes}/{row.rate.trials}",
        "rate": f"{row.rate.value:.0%}",
        "95%": f"{100 * low:.0f}-{100 * high:.0f}%",
    }
    if published:
        cell = published.get(row.family)
        found["published"] = "-" if cell is None else f"{cell[physics]:.0%}"
    found["parts"] = f"{row.reached:.0%}"
    found["length"] = f"{row.length:.2f}x" if row.rate.successes else "-"
    found["faults"] = "/".join(str(row.faults[fault]) for fault in FAULTS)
    found["s/step"] = f"{row.per_decision:.2f}"
    found["tokens/step"] = f"{row.tokens:.0f}" if row.tokens else "-"
    found["others moved"] = str(row.disturbed)
    if physics:
        found |= {"robot s": f"{row.seconds:.1f}", "path m": f"{row.path:.1f}", "energy J": f"{row.energy:.0f}"}
    return found


def markdown(evaluation: Evaluation, published: Mapping[str, tuple[float, float]] | None = None) -> str:
    """Tables for people, one a language model, and the failures one by one.

    `published` is a family's (planning, execution) success elsewhere, which stands beside the rates.
    """
    physics = evaluation.trial.get("execute") == "physics"
    without = ", ".join(evaluation.trial.get("without") or ()) or "nothing"
    lines = [f"# {evaluation.suite}: {evaluation.trial.get('execute')}", ""]
    lines += [f"Commit {evaluation.commit}; left out: {without}; parts: {_parts(evaluation.trial)}.", ""]
    for llm in dict.fromkeys(record.llm for record in evaluation.records):
        mine = [record for record in evaluation.records if record.llm == llm]
        table = [cells(row, physics, published) for row in rows(mine)]
        lines += [f"## {llm}", "", _line(table[0]), _line("---" for _ in table[0])]
        lines += [_line(row.values()) for row in table]
        lines += ["", f"Faults of failures: {FAULT_NAMES}. Steps are decisions."]
        failures = [record for record in mine if not record.success]
        if failures:
            lines += ["", "| case | instruction | what it did | end | fault |", "| --- | --- | --- | --- | --- |"]
        lines += [_line(_failure(record)) for record in failures]
        lines.append("")
    return "\n".join(lines)


def _failure(record: Record) -> tuple[str, ...]:
    steps = ", ".join(
        f"{step}{'' if outcome == 'succeeded' else f' ({outcome})'}"
        for step, outcome in zip(record.steps, record.outcomes, strict=True)
    )
    moved = f"; moved {', '.join(record.disturbed)}" if record.disturbed else ""
    why = f" ({record.message})" if record.broke_off else ""
    goal = "" if record.holds else "; the goal does not hold"
    return (
        f"{record.id}, seed {record.seed}",
        record.instruction,
        steps or "nothing",
        record.end + why + goal + moved,
        record.blame,
    )


def _parts(trial: Mapping[str, Any]) -> str:
    named = {name: trial.get(name) or "default" for name in ("planner", "scoring", "policy", "values", "detector")}
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in texts) + " |"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else 0.0
