"""Pictures as training sees them: as if cameras were set otherwise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GAIN, OFFSET = 0.12, 0.04
"""Largest change of a picture's contrast, and of its channels' brightness as a share of full scale."""

SHIFT = 2
"""Pixels that a picture moves at most, each way."""


def varied(pixels: Tensor, rng: np.random.Generator | None) -> tuple[Tensor, NDArray[np.float32]]:
    """What a network is shown: moved and tinted, or as it is.

    Args:
        pixels: (B, T, H, W, 3) uint8, on whatever device; the T of each row are moved and tinted alike.
        rng: Draws how; None changes nothing.

    Returns:
        (B, T, 3, H, W) uint8, and (B, 2) by how much what is in them has moved; see `shifted`.
    """
    by = np.zeros((len(pixels), 2), np.float32)
    if rng is not None:
        pixels, by = shifted(pixels, rng)
    images = pixels.permute(0, 1, 4, 2, 3)
    return images if rng is None else tinted(images, rng), by


def shifted(pixels: Tensor, rng: np.random.Generator) -> tuple[Tensor, NDArray[np.float32]]:
    """Pictures moved by a few pixels, their edges repeated: a policy learns to go by what it sees, not by which pixel
    it was in a certain picture (random crops, Mandlekar et al. 2021, arXiv:2108.03298).

    Args:
        pixels: (B, T, H, W, 3), the T of each row moved alike.
        rng: Draws how far.

    Returns:
        Pictures of the same shape, and (B, 2) by how much what is in them has moved, (x, y), with the picture's half
        width and half height as units (`Targets.points`).
    """
    height, width = pixels.shape[2:4]
    corners = rng.integers(0, 2 * SHIFT + 1, (len(pixels), 2))
    rows, columns = (
        torch.from_numpy(np.clip(np.arange(size) + corners[:, axis, None] - SHIFT, 0, size - 1)).to(pixels.device)
        for axis, size in ((0, height), (1, width))
    )
    each = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    # Indices on both sides of a slice put what they index first: (B, H, W, T, 3).
    moved = pixels[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2, 4)
    return moved, ((SHIFT - corners[:, ::-1]) * (2 / width, 2 / height)).astype(np.float32)


def follow(points: NDArray[np.float32], by: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, ..., 3) places in pictures that have moved by (B, 2): x, y and whether it is still in the picture."""
    there = points[..., :2] + by.reshape(len(by), *(1,) * (points.ndim - 2), 2)
    seen = points[..., 2] * (np.abs(there) <= 1).all(axis=-1)
    return np.concatenate([there * seen[..., None], seen[..., None]], axis=-1).astype(np.float32)


def tinted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """(B, ..., 3, H, W) uint8 with another contrast and tint for each of the B, the same over all that lies between."""
    count, between = len(images), (1,) * (images.ndim - 4)
    size = (count, *between, 3, 1, 1)
    gain = 1 + GAIN * rng.uniform(-1, 1, (count, *between, 1, 1, 1)) + 0.3 * GAIN * rng.uniform(-1, 1, size)
    offset = 255 * OFFSET * rng.uniform(-1, 1, size)
    scale, shift = (torch.from_numpy(values.astype(np.float32)).to(images.device) for values in (gain, offset))
    return (images * scale + shift).clamp(0, 255).to(torch.uint8)
