"""Statistics of a data set's columns, under lerobot's names, for whoever normalises with them.

They are over all rows and pixels, and quantiles are exact. lerobot looks at some of the pictures, takes quantiles from
histograms, and averages those of the episodes for the whole set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
"""Name of each quantile that lerobot keeps, and its share."""

Statistics = dict[str, NDArray[Any]]
"""Minimum, maximum, mean, standard deviation, count and quantiles by name."""


def describe(rows: NDArray[Any]) -> Statistics:
    """Statistics of (T, n) rows: (n,) each, and the count (1,)."""
    exact = rows.astype(np.float64)
    return {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": exact.mean(axis=0),
        "std": exact.std(axis=0),
        "count": np.array([len(rows)]),
        **{name: np.quantile(exact, share, axis=0) for name, share in QUANTILES.items()},
    }


def count_levels(images: NDArray[Any]) -> NDArray[np.int64]:
    """(3, 256), how many pixels of (T, H, W, 3) uint8 images have each level, for each channel."""
    return np.stack([np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)])


def describe_levels(counts: NDArray[np.int64], images: int) -> Statistics:
    """Statistics of pixels in [0, 1], (3, 1, 1) each; the count (1,) is that of the images, as lerobot has it.

    A quantile is the lowest level that at least so large a share of the pixels does not exceed.

    Args:
        counts: (3, 256), see `count_levels`; counts of several episodes may be added.
        images: How many images they are of.
    """
    levels, total, below = np.arange(256) / 255, counts.sum(axis=1), counts.cumsum(axis=1)
    mean = counts @ levels / total
    found = {
        "min": levels[(counts > 0).argmax(axis=1)],
        "max": levels[255 - (counts > 0)[:, ::-1].argmax(axis=1)],
        "mean": mean,
        "std": np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(axis=1) / total),
        **{name: levels[(below >= share * total[:, None]).argmax(axis=1)] for name, share in QUANTILES.items()},
    }
    return {name: value.reshape(3, 1, 1) for name, value in found.items()} | {"count": np.array([images])}
