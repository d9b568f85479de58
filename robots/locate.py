"""Where a detection is, by depth: from pixels to a point in the robot's base frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saycan.errors import BadInputError
from saycan.quaternion import rotation_matrix

Detected = Sequence[float] | NDArray[np.bool_]
"""A pixel (u, v), a box (left, top, right, bottom), or an (H, W) mask; pixels, u to the right and v down."""

_REACH = 0.10  # m in depth that the visible side of one thing may take; what is farther away lies behind it
_NEAR = 25  # per cent: nearer are stray returns at its edges, and what hides a corner of it
_WINDOW = 2  # pixels around a pixel


def locate(
    depth: NDArray[np.floating],
    intrinsics: ArrayLike,
    T_base_camera: ArrayLike,
    detection: Detected,
    inside: float = 0.0,
) -> NDArray[np.float64]:
    """Where a detected thing is in the base frame: its visible surface, or its middle when `inside` is half its size.

        p_camera = z K^-1 (u, v, 1)        p_base = T_base_camera (p_camera + inside p_camera / |p_camera|)

    (u, v) is the detection's middle, and z the median depth of its pixels without those that lie behind: of the middle
    half of a box (its corners rarely show the thing), of the mask, or of 5 x 5 pixels around a pixel, those within
    10 cm of their lower quartile.

    Frames: `camera` is the optical frame, x right, y down, z forward, origin at the pinhole; `base` is the robot's base
    (x forward, y left, z up). Integer (u, v) are the middles of pixels.

    Args:
        depth: (H, W) m along the optical axis; inf, NaN or 0 where nothing came back.
        intrinsics: (3, 3) pinhole matrix K of the picture that depth is aligned to, pixels; without distortion.
        T_base_camera: (4, 4) hand-eye transform: the camera's pose in the base frame, m. For a camera on the hand it is
            T_base_hand T_hand_camera, with `transform(observation.ee_position, observation.ee_quaternion)` the first.
        detection: What was detected: see `Detected`.
        inside: From the visible surface to the thing's middle along the line of sight, m: half its size, if known.

    Returns:
        (3,) float64, base frame, m.

    Raises:
        BadInputError: The detection lies outside the picture, there is no depth at it, or an array has another shape.
    """
    K, T = _pinhole(intrinsics), _pose(T_base_camera)
    if depth.ndim != 2:
        raise BadInputError(f"depth is an (H, W) array, found the shape {depth.shape}")
    u, v, seen = _seen(depth, detection)
    seen = seen[np.isfinite(seen) & (seen > 0)]
    if not seen.size:
        raise BadInputError(
            f"there is no depth at the detection around pixel ({u:.0f}, {v:.0f}): too near, shiny or transparent; "
            "look from another side"
        )
    near = np.percentile(seen, _NEAR)
    z = float(np.median(seen[np.abs(seen - near) <= _REACH]))
    camera = z * np.linalg.solve(K, [u, v, 1.0])
    camera *= 1.0 + inside / np.linalg.norm(camera)
    return np.asarray(T[:3, :3] @ camera + T[:3, 3])


def transform(position: ArrayLike, quaternion: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) pose of a position (3,) in m and a quaternion (4,), (w, x, y, z): T_base_hand of an observation."""
    where, turn = np.asarray(position, np.float64), np.asarray(quaternion, np.float64)
    if where.shape != (3,) or turn.shape != (4,) or not np.linalg.norm(turn) > 0:
        raise BadInputError(f"a pose is a position (3,) and a quaternion (4,), found {where} and {turn}")
    T = np.eye(4)
    T[:3, :3] = rotation_matrix(turn / np.linalg.norm(turn))
    T[:3, 3] = where
    return T


def _seen(depth: NDArray[np.floating], detection: Detected) -> tuple[float, float, NDArray[np.floating]]:
    """The detection's middle (u, v), and the depths that are likely its own."""
    found = np.asarray(detection)
    if found.ndim == 2:
        if found.dtype != bool or found.shape != depth.shape or not found.any():
            raise BadInputError(
                f"a mask is a bool array of depth's shape {depth.shape} that is somewhere True, found {found.dtype} of "
                f"the shape {found.shape}, True at {np.count_nonzero(found)} pixels"
            )
        rows, columns = np.nonzero(found)
        return float(np.median(columns)), float(np.median(rows)), depth[found]
    if found.shape not in ((2,), (4,)) or not np.isfinite(found).all():
        raise BadInputError(f"a detection is (u, v), (left, top, right, bottom) or an (H, W) mask, found {detection!r}")
    height, width = depth.shape
    if found.shape == (2,):
        u, v = (float(number) for number in found)
        inner = (u - _WINDOW, v - _WINDOW, u + _WINDOW, v + _WINDOW)
    else:
        left, top, right, bottom = (float(number) for number in found)
        if not (left <= right and top <= bottom):
            raise BadInputError(f"a box is (left, top, right, bottom) with left <= right, top <= bottom, found {found}")
        u, v = (left + right) / 2, (top + bottom) / 2
        inner = ((left + u) / 2, (top + v) / 2, (right + u) / 2, (bottom + v) / 2)
    if not (-0.5 <= u <= width - 0.5 and -0.5 <= v <= height - 0.5):
        raise BadInputError(f"the detection's middle ({u:g}, {v:g}) lies outside the picture of {width} x {height}")
    return u, v, depth[_between(inner[1], inner[3], height), _between(inner[0], inner[2], width)].ravel()


def _between(low: float, high: float, size: int) -> slice:
    """The pixels from one edge to another, inside the picture; one at least."""
    first = min(max(int(np.round(low)), 0), size - 1)
    return slice(first, min(max(int(np.round(high)), first), size - 1) + 1)


def _pinhole(intrinsics: ArrayLike) -> NDArray[np.float64]:
    K = np.asarray(intrinsics, np.float64)
    if K.shape != (3, 3) or not np.isfinite(K).all() or not (K[0, 0] > 0 and K[1, 1] > 0):
        raise BadInputError(f"intrinsics are a (3, 3) pinhole matrix with focal lengths above 0, found {K.tolist()}")
    return K


def _pose(T_base_camera: ArrayLike) -> NDArray[np.float64]:
    T = np.asarray(T_base_camera, np.float64)
    rigid = T.shape == (4, 4) and np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-3)
    if not rigid or np.linalg.det(T[:3, :3]) < 0 or not np.isfinite(T).all() or not np.allclose(T[3], [0, 0, 0, 1]):
        raise BadInputError(f"T_base_camera is a (4, 4) pose: a rotation, a position in m, 0 0 0 1; found {T.tolist()}")
    return T
