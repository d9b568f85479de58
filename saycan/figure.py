"""The picture of one decision: say, can and their product for the leading options, beside what the cameras saw."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SAY_COLOUR = "#3b73b9"
CAN_COLOUR = "#e08a2e"
PRODUCT_COLOUR = "#2b2f36"
CHOSEN_COLOUR = "#e9f3e6"

Images = Mapping[str, NDArray[np.uint8]]


def draw_decision(
    decision: Decision, images: Images | None = None, *, instruction: str = "", step: int = 1, options: int = 8
) -> Figure:
    """A decision as a matplotlib figure, drawn without pyplot, so that any thread may do it.

    Args:
        decision: What was decided.
        images: Camera name to (H, W, 3) uint8; the first is drawn large, the others below it. None draws none.
        instruction: What was asked for.
        step: Number of the decision in its run, from 1.
        options: How many of the leading options to show.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = decision.shown(options)
    height = 1.5 + 0.52 * max(len(shown), 5)
    figure = Figure(figsize=(11.0, height), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    edges = {"right": 0.95, "top": 1.0 - 0.95 / height, "bottom": 0.4 / height}
    if images:
        grid = figure.add_gridspec(1, 2, width_ratios=(3, 6), left=0.02, wspace=0.96, **edges)
        bars = figure.add_subplot(grid[1])
        below = list(images)[1:3]
        ratios = (2.0, *([1.0] * bool(below)))
        column = grid[0].subgridspec(len(ratios), max(len(below), 1), height_ratios=ratios, hspace=0.2, wspace=0.08)
        for place, name in zip(
            [column[0, :], *(column[1, i] for i in range(len(below)))], [next(iter(images)), *below], strict=True
        ):
            _draw_image(figure.add_subplot(place), name, images[name])
    else:
        bars = figure.add_subplot(figure.add_gridspec(1, 1, left=0.32, **edges)[0])
    _draw_bars(bars, decision, shown)
    chosen = "nothing is worth trying" if decision.skill is None else decision.skill.phrase
    text: dict[str, Any] = {"parse_math": False, "ha": "left", "va": "top"}
    figure.text(0.02, 1.0 - 0.12 / height, legible(_clip(instruction, 90)), fontsize=10, color="#555555", **text)
    figure.text(0.02, 1.0 - 0.36 / height, legible(f"{step}.  {_clip(chosen, 70)}"),
                fontsize=15, fontweight="bold", color=PRODUCT_COLOUR, **text)  # fmt: skip
    return figure


def save_decision(
    path: str | Path, decision: Decision, images: Images | None = None, *, instruction: str = "", step: int = 1
) -> None:
    """Draw a decision and write it as a PNG. Raises OSError."""
    draw_decision(decision, images, instruction=instruction, step=step).savefig(path, format="png")


def legible(text: str) -> str:
    """The text with every character that the font lacks replaced by a box, so that no language makes it fail."""
    return "".join(char if char.isprintable() and ord(char) in _characters() else "\u25a1" for char in text)


@cache
def font_path() -> Path:
    """The font that comes with matplotlib, for the figure and the video alike."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@cache
def _characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font_path())).get_charmap())


def _clip(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "\u2026"


def _draw_image(axes: Axes, name: str, image: NDArray[np.uint8]) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(legible(_clip(name, 24)), fontsize=8, color="#555555", pad=3, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_anchor("N")
    for spine in axes.spines.values():
        spine.set_color("#cccccc")


def _draw_bars(axes: Axes, decision: Decision, shown: list[int]) -> None:
    rows = np.arange(len(shown))
    kinds = (
        ("say: how useful", decision.say, SAY_COLOUR, -0.25, 0.24),
        ("can: how likely to succeed", decision.can, CAN_COLOUR, 0.0, 0.24),
        ("say \u00d7 can, normalised", decision.combined, PRODUCT_COLOUR, 0.235, 0.16),
    )
    for label, values, colour, offset, height in kinds:
        # A score that is not a number is a fault worth seeing, not a reason to have no picture.
        lengths = np.nan_to_num(np.asarray(values, np.float64)[shown], nan=0.0, posinf=1.0, neginf=0.0)
        axes.barh(rows + offset, lengths, height=height, color=colour, label=label)
        for row, index in zip(rows, shown, strict=True):
            value = float(values[index])
            axes.text(min(max(float(lengths[row]), 0.0), 1.0) + 0.008, row + offset, format_score(value),
                      va="center", fontsize=7.5, color=colour)  # fmt: skip
    labels = [legible(_clip(decision.skills[index].phrase, 42)) for index in shown]
    axes.set_yticks(rows)
    for tick, index in zip(axes.set_yticklabels(labels, fontsize=9, parse_math=False), shown, strict=True):
        if index == decision.chosen:
            tick.set_fontweight("bold")
            axes.axhspan(shown.index(index) - 0.46, shown.index(index) + 0.42, color=CHOSEN_COLOUR, zorder=0)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0.0, 1.06)
    axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="y", labelsize=9)
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#cccccc")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=8,
                handlelength=1.0, handletextpad=0.4, columnspacing=1.2, borderaxespad=0.2)  # fmt: skip


def format_score(value: float) -> str:
    """A probability in at most six characters: "0.83", "0.004", "2e-07", "nan"."""
    if not np.isfinite(value) or value == 0.0:
        return "0" if value == 0.0 else str(value)
    if value >= 0.01:
        return f"{value:.2f}"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
