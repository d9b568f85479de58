"""Action numbers as tokens: each dimension cut into equal bins."""

from __future__ import annotations

import torch
from torch import Tensor

BINS = 256  # a dimension, Brohan et al. 2022 (arXiv:2212.06817), section 5.1


def to_bins(actions: Tensor, bins: int = BINS) -> Tensor:
    """The bin of each number: floor((a + 1) / 2 * bins).

    Args:
        actions: Any shape, in [-1, 1]; what lies outside goes into the first or the last bin.
        bins: How many there are.

    Returns:
        Same shape, int64, in [0, bins).
    """
    return ((actions.float() + 1) * (bins / 2)).floor().clamp(0, bins - 1).long()


def from_bins(indices: Tensor, bins: int = BINS) -> Tensor:
    """The middle of each bin, so that binning and back errs by half a bin (1 / bins) at most.

    With an even number of bins zero is an edge, and comes back as the middle of a bin beside it.

    Args:
        indices: Any shape, integers in [0, bins).
        bins: How many there are.

    Returns:
        Same shape, float32, in (-1, 1).
    """
    return (indices.to(torch.float32) + 0.5) * (2 / bins) - 1
