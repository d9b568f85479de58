"""Pictures as training sees them: as if cameras were set otherwise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

GAIN, OFFSET = 0.12, 0.04
"""Largest change of a picture's contrast, and of its channels' brightness as a share of full scale."""


def tinted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, ..., 3, H, W) uint8 with another contrast and tint for each of the B, the same over all that lies between."""
    count, between = len(images), (1,) * (images.ndim - 4)
    size = (count, *between, 3, 1, 1)
    gain = 1 + GAIN * rng.uniform(-1, 1, (count, *between, 1, 1, 1)) + 0.3 * GAIN * rng.uniform(-1, 1, size)
    offset = 255 * OFFSET * rng.uniform(-1, 1, size)
    scale, shift = (torch.from_numpy(values.astype(np.float32)).to(images.device) for values in (gain, offset))
    return (images * scale + shift).clamp(0, 255).to(torch.uint8)
