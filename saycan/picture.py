"""Camera images for a terminal and for a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text

Pixels = NDArray[np.uint8]


def side_by_side(images: Mapping[str, Pixels], height: int = 240) -> Pixels:
    """All images in one row of the given height, (height, W, 3) uint8, with a thin gap between them."""
    from PIL import Image

    gap = np.full((height, 4, 3), 255, np.uint8)
    row: list[Pixels] = []
    for image in images.values():
        width = max(1, round(height * image.shape[1] / image.shape[0]))
        scaled = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
        row += [np.asarray(scaled), gap]
    return np.concatenate(row[:-1], axis=1)


def save_png(path: Path, image: Pixels) -> None:
    """Write (H, W, 3) uint8 as a PNG, making its folder. Raises OSError."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def half_blocks(image: Pixels, width: int) -> Text:
    """An image as coloured half blocks, two pixels a character, `width` characters wide."""
    from PIL import Image

    rows = max(2, round(width * image.shape[0] / image.shape[1] / 2) * 2)
    small = np.asarray(
        Image.fromarray(np.ascontiguousarray(image)).resize((width, rows), Image.Resampling.BOX), dtype=np.uint8
    )
    text = Text(no_wrap=True, end="")
    for upper, lower in zip(small[0::2], small[1::2], strict=True):
        for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True):
            style = Style(color=Color.from_rgb(*top), bgcolor=Color.from_rgb(*bottom))
            text.append("\u2580", style)
        text.append("\n")
    return text
