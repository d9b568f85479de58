"""The picture of a training run."""

from __future__ import annotations

from pathlib import Path

from saycan.errors import BadInputError
from saycan.training.loop import read_curve


def save_curve(folder: Path, path: Path | None = None) -> Path:
    """Draw every logged number against the step, one small plot each; `curve.png` in the folder by default.

    Raises BadInputError when nothing was logged there.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = read_curve(folder)
    if not rows:
        raise BadInputError(f"no curve in {folder}; training writes one: saycan train")
    names = [name for name in rows[-1] if name not in ("step", "seconds")]
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(3.2 * across, 2.4 * down), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        points = [(row["step"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points, strict=True), color="#2b6cb0")
        axis.set_title(f"{name}: {points[-1][1]:.3g}", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    figure.supxlabel(f"step; {rows[-1]['seconds'] / 60:.0f} minutes in all", fontsize=9)
    figure.tight_layout()
    path = folder / "curve.png" if path is None else path
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
    return path
