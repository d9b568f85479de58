"""`saycan eval`: an agent measured on a suite."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from saycan.errors import BadInputError
from saycan.options import Adapter, Json, PlannerName, Scoring, Traceback, Values
from saycan.screen import telling

if TYPE_CHECKING:
    from saycan.evaluation.record import Evaluation, Record


def evaluate(
    suite: Annotated[
        str, typer.Argument(help='"saycan-101", or a tab-separated file of your own (docs/evaluation.md).')
    ],
    data: Annotated[
        Path | None,
        typer.Option(help="The published file of saycan-101; by default SAYCAN_101 names it, or it is fetched."),
    ] = None,
    execute: Annotated[
        str, typer.Option(help='"oracle": skills take effect at once, to measure planning; "physics": everything.')
    ] = "oracle",
    llm: Annotated[
        list[str] | None, typer.Option(help="Who says what is useful; give it several times to compare.")
    ] = None,
    adapter: Adapter = None,
    planner: PlannerName = "saycan",
    scoring: Scoring = "sum",
    policy: Annotated[str | None, typer.Option(help='Who acts, with physics: "learned", "experts", ...')] = None,
    values: Values = None,
    detector: Annotated[str | None, typer.Option(help='What has been done, with physics: "learned", ...')] = None,
    without: Annotated[
        list[str] | None, typer.Option(help='Leave out a part: "affordance", "language" or "feedback".')
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Only these families.")] = None,
    seeds: Annotated[int, typer.Option(help="How many kitchens for each case.", min=1)] = 1,
    first: Annotated[int, typer.Option(help="Seed of the first.", min=0)] = 0,
    workers: Annotated[int | None, typer.Option(help="Processes; by default one a core.", min=1)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for episodes, tables and picture; the same one again goes on where it was stopped. "
            "By default a new one in runs/eval."
        ),
    ] = None,
    json_file: Json = None,
    traceback: Traceback = False,
) -> None:
    """Measure an agent on a suite of instructions with goals; stopped, the same command with --out goes on."""
    with telling(traceback) as screen:
        from saycan.compose import with_adapter
        from saycan.evaluation import report
        from saycan.evaluation.evaluate import evaluate as carry_out
        from saycan.evaluation.figure import save_figure
        from saycan.evaluation.saycan_101 import NAME, PUBLISHED, saycan_101
        from saycan.evaluation.suite import read_suite
        from saycan.evaluation.trial import Trial

        cases = saycan_101(data) if suite == NAME else read_suite(suite)
        if family:
            known = [*dict.fromkeys(case.family for case in cases)]
            if strange := [name for name in family if name not in known]:
                raise BadInputError(f"no family {', '.join(strange)}; this suite has: {', '.join(known)}")
            cases = tuple(case for case in cases if case.family in family)
        parts = {"policy": policy, "values": values, "detector": detector}
        trials = [
            Trial(name, execute, planner, scoring, without=tuple(without or ()), **parts)
            for name in dict.fromkeys(with_adapter(name, adapter) for name in llm or ["gemma"])
        ]
        name = NAME if suite == NAME else Path(suite).stem
        folder = out or Path("runs") / "eval" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        if out is None:
            told = f"the episodes are kept in {folder}; stopped, the same command with --out {folder} goes on"
            screen.aside.print(told, highlight=False, markup=False)
        good = tried = 0
        with screen.bar() as progress:
            bar = progress.add_task("episodes", total=len(cases) * len(trials) * seeds)

            def tell(record: Record) -> None:
                nonlocal good, tried
                good, tried = good + record.success, tried + 1
                progress.update(bar, completed=tried, description=f"episodes ({good} succeeded)")

            evaluation = carry_out(
                cases, trials, folder, suite=name, seeds=range(first, first + seeds), workers=workers, progress=tell
            )
        published = PUBLISHED if suite == NAME else None
        if published and family:
            published = _of_families(published, family)
        for table in _tables(evaluation, published):
            screen.out.print(table)
        if broken := [record for record in evaluation.records if record.broke_off]:
            screen.err.print(
                f"{len(broken)} of {len(evaluation.records)} episodes broke off and count as failures; the same "
                f"command with --out {folder} makes them again. The first one: {broken[0].message}",
                style="yellow", highlight=False, markup=False,
            )  # fmt: skip
        (folder / "report.md").write_text(report.markdown(evaluation, published), encoding="utf-8")
        save_figure(folder / "report.png", evaluation, published)
        found = json.dumps(report.as_json(evaluation), indent=1, ensure_ascii=False) + "\n"
        for path in (folder / "report.json", *([json_file] if json_file else [])):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found, encoding="utf-8")
        screen.out.print(f"report.md, report.png, report.json and the episodes are in {folder}", highlight=False)


def _tables(evaluation: Evaluation, published: dict[str, tuple[float, float]] | None) -> list[Table]:
    """One a language model; the rest stands in the report."""
    from rich.box import SIMPLE_HEAD

    from saycan.evaluation import report

    physics = evaluation.trial.get("execute") == "physics"
    found = []
    for llm in dict.fromkeys(record.llm for record in evaluation.records):
        title = f"{evaluation.suite}, {'execution' if physics else 'planning'}: {llm}"
        caption = f"faults of failures: {report.FAULT_NAMES}"
        table = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        rows = report.rows([record for record in evaluation.records if record.llm == llm])
        shown = [dict(list(report.cells(row, physics, published).items())[: 8 + bool(published)]) for row in rows]
        for name in shown[0]:
            table.add_column(name, justify="left" if name == "family" else "right")
        for row, texts in zip(rows, shown, strict=True):
            table.add_row(*texts.values(), style="bold" if row.family == report.TOTAL else None)
        found.append(table)
    return found


def _of_families(
    published: Mapping[str, tuple[float, float]], families: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Without the total, which is that of all families."""
    return {name: rates for name, rates in published.items() if name in families}
