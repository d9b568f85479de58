"""Where to look: places in an image, and the loss that ties an attention map to the one that the sentence means."""

from __future__ import annotations

import torch
from torch import Tensor


def pointing_loss(logarithms: Tensor, points: Tensor) -> Tensor:
    """Cross-entropy between attention maps and the goal's cell, over the images in which the goal is in the picture.

    A point between the middles of cells belongs to the four around it, as in bilinear interpolation.

    Args:
        logarithms: (B, H, W) float32, logarithms of weights that sum to one over H and W.
        points: (B, 3) float32: x and y in [-1, 1] from left to right and top to bottom, and 1 where it is in the
            picture, 0 where it is not (`Targets.points`).

    Returns:
        Scalar, nats; zero where the goal is in none of the pictures.
    """
    height, width = logarithms.shape[-2:]
    across, down = _cells(points[:, 0], width), _cells(points[:, 1], height)  # (B, W) and (B, H)
    entropy = -(logarithms * down[:, :, None] * across[:, None, :]).sum((1, 2))
    visible = points[:, 2]
    return (entropy * visible).sum() / visible.sum().clamp(min=1)


def log_softmax(logits: Tensor) -> Tensor:
    """(B, H, W) logits to logarithms of weights that sum to one over H and W."""
    return logits.flatten(1).log_softmax(dim=1).view_as(logits)


def coordinates(height: int, width: int, like: Tensor) -> Tensor:
    """(H W, 2): (x, y) in [-1, 1] of the middles of a grid's cells, row by row, of the device and dtype of `like`."""
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * (2 / height) - 1
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * (2 / width) - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1).flatten(0, 1)


def _cells(position: Tensor, count: int) -> Tensor:
    """(B,) in [-1, 1] to (B, count), how much of it lies in each of the cells of a row; sums to one."""
    cell = ((position + 1) * (count / 2) - 0.5).clamp(0, count - 1)
    distance = cell[:, None] - position.new_tensor(range(count))
    return (1 - distance.abs()).clamp(min=0)
