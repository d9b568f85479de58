"""Colours as people tell them apart: OKLab (Ottosson 2020, "A perceptual color space for image processing").

L is lightness in [0, 1], a goes from green to red, b from blue to yellow; equal distances look about equally different.
Hue is the angle of (a, b), chroma its length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saycan.robots.kitchen.shapes import Rgb

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB, _FROM_LMS = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_LMS)


def to_oklab(rgb: Rgb) -> NDArray[np.float64]:
    """(3,) OKLab of an sRGB colour with channels in [0, 1]."""
    channels = np.asarray(rgb, dtype=np.float64)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return np.asarray(_TO_LAB @ np.cbrt(_TO_LMS @ linear))


def from_oklab(lab: NDArray[np.float64]) -> Rgb:
    """The sRGB colour of (3,) OKLab; channels that no screen can show are clipped."""
    linear = np.clip(_FROM_LMS @ (_FROM_LAB @ lab) ** 3, 0.0, 1.0)
    red, green, blue = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return float(red), float(green), float(blue)


def from_hue(lightness: float, chroma: float, hue: float) -> Rgb:
    """The sRGB colour of a lightness, a chroma and a hue in degrees."""
    angle = np.radians(hue)
    return from_oklab(np.array([lightness, chroma * np.cos(angle), chroma * np.sin(angle)]))


def difference(one: Rgb, other: Rgb) -> float:
    """How different two colours look: their distance in OKLab; black and white are 1 apart."""
    return float(np.linalg.norm(to_oklab(one) - to_oklab(other)))
