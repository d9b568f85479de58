"""The picture of an evaluation: success by family, with intervals, beside what was published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saycan.evaluation.record import Evaluation
from saycan.evaluation.report import TOTAL, rows

COLOURS = ("#3b73b9", "#e08a2e", "#4c9a57", "#8b5fbf")
PUBLISHED_COLOUR = "#2b2f36"


def save_figure(path: Path, evaluation: Evaluation, published: Mapping[str, tuple[float, float]] | None = None) -> None:
    """Draw it, by matplotlib without pyplot. Raises OSError.

    Args:
        path: The PNG.
        evaluation: What was found.
        published: Family to (planning, execution) success elsewhere; drawn as black marks.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = rows(evaluation.records)
    models = [*dict.fromkeys(row.llm for row in found)]
    families = [*dict.fromkeys(row.family for row in found if row.family != TOTAL), TOTAL]
    physics = evaluation.trial.get("execute") == "physics"
    width, below = 2.4 + 1.1 * len(families), 0.45 + 0.18 * (len(models) + bool(published))  # inches
    figure = Figure(figsize=(width, 3.2 + below), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.6 / width, below / (3.2 + below), 1.0 - 0.8 / width, 2.85 / (3.2 + below)))
    each = 0.8 / len(models)
    for number, llm in enumerate(models):
        mine = {row.family: row.rate for row in found if row.llm == llm}
        places = [at + (number - 0.5 * (len(models) - 1)) * each for at in range(len(families))]
        for at, family in zip(places, families, strict=True):
            rate = mine.get(family)
            if rate is None:
                continue
            low, high = rate.interval
            colour = COLOURS[number % len(COLOURS)]
            label = _clip(llm) if family == TOTAL else None
            axes.bar(at, rate.value, 0.9 * each, color=colour, alpha=0.85, label=label)
            axes.plot([at, at], [low, high], color="#777777", linewidth=1.2)
            inside = "white" if rate.value > 0.08 else "#444444"
            axes.text(at, 0.02, f"{rate.successes}/{rate.trials}", ha="center", fontsize=7, color=inside)
    if published:
        for at, family in enumerate(families):
            if family in published:
                value = published[family][physics]
                label = "published" if family == TOTAL else None
                axes.plot([at - 0.45, at + 0.45], [value, value], color=PUBLISHED_COLOUR, linewidth=1.6, label=label)
    axes.set_xticks(range(len(families)), families, fontsize=8)
    axes.set_ylim(0.0, 1.05)
    axes.set_ylabel("success", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    kind = "execution" if physics else "planning"
    axes.set_title(f"{evaluation.suite}, {kind}, 95% intervals", fontsize=9, loc="left", parse_math=False)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(0.0, -0.08))
    figure.savefig(path, format="png")


def _clip(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:57]}..."
