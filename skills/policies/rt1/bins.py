"""Action numbers as tokens: each dimension cut into equal bins."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BINS = 256  # a dimension, Brohan et al. 2022 (arXiv:2212.06817), section 5.1


def to_bins(actions: Tensor, bins: int = BINS) -> Tensor:
    """The bin of each number: round(a (bins - 1) / 2) + bins / 2.

    The bins are 2 / (bins - 1) wide, a trifle more than the 2 / bins that would just fill [-1, 1], so that zero is the
    middle of one and not the edge between two: what has learned to keep still must not creep by half a bin a step.

    Args:
        actions: Any shape, in [-1, 1]; what lies outside goes into the first or the last bin.
        bins: How many there are.

    Returns:
        Same shape, int64, in [0, bins).
    """
    return ((actions.float() * ((bins - 1) / 2)).round() + bins // 2).clamp(0, bins - 1).long()


def from_bins(indices: Tensor, bins: int = BINS) -> Tensor:
    """The middle of each bin, so that binning and back errs by half a bin at most: 1 / (bins - 1).

    Args:
        indices: Any shape, integers in [0, bins).
        bins: How many there are.

    Returns:
        Same shape, float32, in [-1, 1].
    """
    return ((indices - bins // 2).to(torch.float32) * (2 / (bins - 1))).clamp(-1, 1)


def around(actions: Tensor, spread: float, bins: int = BINS) -> Tensor:
    """How much of each number lies in each bin when it is blurred: a Gaussian over the bins' middles.

    Args:
        actions: Any shape (...), in [-1, 1].
        spread: Standard deviation in bins; 0 puts all into one bin.
        bins: How many there are.

    Returns:
        (..., bins) float32 that sum to one.
    """
    if spread == 0:
        return functional.one_hot(to_bins(actions, bins), bins).float()
    at = actions.float() * ((bins - 1) / 2) + bins // 2
    distance = torch.arange(bins, device=actions.device) - at[..., None]
    return (-0.5 * (distance / spread) ** 2).softmax(-1)
