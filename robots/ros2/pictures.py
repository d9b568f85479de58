"""Pictures and depth of sensor_msgs/Image as arrays, and pictures back; what a camera's CameraInfo says of them."""

from __future__ import annotations

from array import array as packed
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import RobotError

_COLORS = {"rgb8": (3, [0, 1, 2]), "bgr8": (3, [2, 1, 0]), "rgba8": (4, [0, 1, 2]), "bgra8": (4, [2, 1, 0])}
_DEPTHS: dict[str, tuple[str, float]] = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 1e-3), "mono16": ("u2", 1e-3)}


def to_picture(message: Any, size: tuple[int, ...] = ()) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a color or grey image, brought to `size` (H, W). Raises RobotError for what is none."""
    encoding = message.encoding.lower()
    if encoding in _COLORS:
        channels, order = _COLORS[encoding]
        picture = _rows(message, np.dtype(np.uint8), channels)[..., order]
    elif encoding in ("mono8", "8uc1"):
        picture = np.repeat(_rows(message, np.dtype(np.uint8), 1), 3, axis=2)
    else:
        raise RobotError(f"an image in {message.encoding!r} cannot be read; valid: {', '.join(_COLORS)}, mono8")
    if size and picture.shape[:2] != tuple(size):
        from PIL import Image

        picture = np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BOX))
    return np.ascontiguousarray(picture)


def to_depth(message: Any, size: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """(H, W) float32 m along the optical axis, inf where nothing came back. Raises RobotError for what is none.

    It is brought to `size` (H, W) by the pixels that lie where those of `to_picture` have their middles.
    """
    if message.encoding not in _DEPTHS:
        raise RobotError(f"a depth image in {message.encoding!r} cannot be read; valid: {', '.join(_DEPTHS)}")
    kind, unit = _DEPTHS[message.encoding]
    depth = _rows(message, np.dtype(kind), 1)[..., 0].astype(np.float32) * np.float32(unit)
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.inf)).astype(np.float32)
    if size and depth.shape != tuple(size):
        down, right = (_middles(was, now) for was, now in zip(depth.shape, size, strict=True))
        depth = depth[down[:, None], right[None, :]]  # no mean of near and far
    return depth


def to_intrinsics(message: Any, size: tuple[int, ...]) -> NDArray[np.float64]:
    """(3, 3) pinhole matrix of a CameraInfo for pictures that were brought to `size` (H, W).

    u' = (u + 1/2) W' / W - 1/2        whole u, in pixels, are the middles of pixels
    """
    across, down = size[1] / message.width, size[0] / message.height
    scale = np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5], [0.0, 0.0, 1.0]])
    return scale @ np.array(message.k, np.float64).reshape(3, 3)


def from_picture(picture: NDArray[np.uint8]) -> Any:
    """An image message without a header, of (H, W, 3) uint8 RGB."""
    from sensor_msgs.msg import Image

    height, width = picture.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = packed("B", picture.tobytes())  # bytes would be looked at one by one
    return message


def _middles(was: int, now: int) -> NDArray[np.intp]:
    """(now,) which of so many pixels lie at the middles of as many as there are to be."""
    return (2 * np.arange(now) + 1) * was // (2 * now)


def _rows(message: Any, kind: np.dtype[Any], channels: int) -> NDArray[Any]:
    """(H, W, C), without what fills up the rows."""
    kind = kind.newbyteorder(">" if message.is_bigendian else "<")
    height, width, used = int(message.height), int(message.width), int(message.width) * channels * kind.itemsize
    data = np.frombuffer(bytes(message.data), np.uint8)
    if message.step < used or len(data) < message.step * height:
        raise RobotError(f"an image of {height} x {width} {message.encoding} came with {len(data)} bytes")
    rows = data[: message.step * height].reshape(height, message.step)[:, :used]
    return np.ascontiguousarray(rows).view(kind).reshape(height, width, channels)
