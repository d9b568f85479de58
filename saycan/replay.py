"""Going through a recorded run step by step: scores, outcomes, and moments of its film."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from saycan.decision import Decision
from saycan.errors import TraceError
from saycan.figure import CAN_COLOUR, SAY_COLOUR
from saycan.step import Feedback, Result, Step
from saycan.tables import decision_table, feedback_line, result_line, step_line
from saycan.trace import Trace, read_trace

TRACE, VIDEO = "trace.jsonl", "video.mp4"

ACROSS = 3
"""Pictures, and decisions, side by side in the picture of a run."""


def replay_run(run: Path, out: Console, *, options: int = 5, frames: int = 6, picture: Path | None = None) -> Trace:
    """Print a run in order, and draw moments of its film beside the scores of its decisions.

    Args:
        run: A run folder, or the trace in it.
        out: Where it is printed.
        options: How many options of each decision are shown.
        frames: How many moments of the film; 0 draws no picture.
        picture: Where the picture goes; None is `replay.png` in the folder.

    Raises TraceError when there is no trace, or one that cannot be read.
    """
    folder = run if run.is_dir() else run.parent
    trace = read_trace(folder / TRACE if run.is_dir() else run)
    rate = float(trace.header.get("rate", 10.0))
    out.print(Text(str(trace.header.get("instruction", "")), "bold"))
    for event, seconds in zip(trace.events, trace.times, strict=False):
        match event:
            case Decision():
                out.print(Text(f"{seconds:7.1f} s", "dim"))
                out.print(decision_table(event, options), highlight=False)
            case Step():
                out.print(step_line(event, rate), highlight=False)
            case Feedback():
                out.print(feedback_line(event), highlight=False)
            case Result():
                out.print(result_line(event), highlight=False)
    if not trace.whole or trace.result is None:
        out.print(Text("the trace breaks off: the run crashed, or is still going on", "yellow"))
    film = folder / VIDEO
    if frames and film.exists():
        path = folder / "replay.png" if picture is None else picture
        save_moments(path, moments(film, frames), trace)
        out.print(f"moments in {path}; the whole film in {film}", highlight=False)
    return trace


def moments(film: Path, count: int) -> list[NDArray[np.uint8]]:
    """`count` pictures (H, W, 3) spread evenly over a film. Raises TraceError when it cannot be read.

    It is gone through twice, so that a long one need not fit into memory.
    """
    import av

    try:
        with av.open(str(film)) as container:
            there = sum(1 for _ in container.decode(video=0))
        chosen = {int(k) for k in np.linspace(0, there - 1, min(count, there)).round()}
        with av.open(str(film)) as container:
            frames = enumerate(container.decode(video=0))
            pictures = [frame.to_ndarray(format="rgb24") for index, frame in frames if index in chosen]
    except (av.FFmpegError, OSError) as error:
        raise TraceError(f"{film} cannot be read as a film: {error}") from error
    if not pictures:
        raise TraceError(f"{film} holds no picture")
    return pictures


def save_moments(path: Path, pictures: list[NDArray[np.uint8]], trace: Trace) -> None:
    """Draw pictures above, and below what each decision's leading options scored."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    decisions = trace.decisions[:9]
    rows = math.ceil(len(pictures) / ACROSS), math.ceil(len(decisions) / ACROSS)
    heights = [3.2 * rows[0], 2.3 * rows[1]]
    figure = pyplot.figure(figsize=(4.4 * ACROSS, sum(heights)), layout="constrained")
    parts = [(count, height) for count, height in zip(rows, heights, strict=True) if count]
    halves = figure.subfigures(len(parts), 1, height_ratios=[height for _, height in parts], squeeze=False)[:, 0]
    grids = [half.subplots(count, ACROSS, squeeze=False) for half, (count, _) in zip(halves, parts, strict=True)]
    for axis in [axis for grid in grids for axis in grid.flat]:
        axis.axis("off")
    for axis, picture in zip(grids[0].flat, pictures, strict=False):
        axis.imshow(picture)
    for number, (axis, decision) in enumerate(zip(grids[-1].flat, decisions, strict=False), start=1):
        order = decision.shown(5)[::-1]
        axis.axis("on")
        axis.set_title(f"decision {number}", fontsize=8, loc="left")
        lines = np.arange(len(order))
        axis.barh(lines + 0.2, decision.say[order], 0.38, color=SAY_COLOUR, label="say")
        axis.barh(lines - 0.2, decision.can[order], 0.38, color=CAN_COLOUR, label="can")
        phrases = [decision.skills[k].phrase for k in order]
        axis.set_yticks(lines, [textwrap.fill(phrase, 24) for phrase in phrases], fontsize=7)
        axis.set_xlim(0, 1)
        axis.tick_params(axis="x", labelsize=7)
    if decisions:
        grids[-1][0, 0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
