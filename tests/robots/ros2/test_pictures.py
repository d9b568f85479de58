"""Images of ROS as arrays: every encoding, padded rows, either byte order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from saycan.errors import RobotError
from saycan.robots.ros2.pictures import to_depth, to_intrinsics, to_picture

RGB = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)


def message(array: np.ndarray, encoding: str, pad: int = 0, big: bool = False) -> SimpleNamespace:
    rows = array.astype(array.dtype.newbyteorder(">" if big else "<")).reshape(len(array), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, pad)))
    return SimpleNamespace(
        height=array.shape[0], width=array.shape[1], encoding=encoding, step=rows.shape[1], data=rows.tobytes(),
        is_bigendian=int(big),
    )  # fmt: skip


@pytest.mark.parametrize("pad", [0, 5])
def test_colors_come_out_as_rgb(pad: int) -> None:
    alpha = np.full((4, 6, 1), 255, np.uint8)
    for encoding, array in {
        "rgb8": RGB,
        "bgr8": RGB[..., ::-1],
        "rgba8": np.concatenate([RGB, alpha], 2),
        "bgra8": np.concatenate([RGB[..., ::-1], alpha], 2),
    }.items():
        np.testing.assert_array_equal(to_picture(message(array, encoding, pad)), RGB)
    grey = to_picture(message(RGB[..., 0], "mono8", pad))
    assert grey.shape == (4, 6, 3) and (grey == RGB[..., :1]).all()


def test_pictures_are_brought_to_a_size() -> None:
    large = np.repeat(np.repeat(RGB, 3, 0), 3, 1)
    np.testing.assert_array_equal(to_picture(message(large, "rgb8"), (4, 6)), RGB)


@pytest.mark.parametrize("big", [False, True])
def test_depth_is_in_metres_and_nothing_is_infinitely_far(big: bool) -> None:
    millimetres = np.array([[1500, 0], [20, 65535]], np.uint16)
    found = to_depth(message(millimetres, "16UC1", big=big))
    np.testing.assert_allclose(found, [[1.5, np.inf], [0.02, 65.535]])
    metres = np.array([[1.5, np.nan], [np.inf, -1.0]], np.float32)
    np.testing.assert_array_equal(to_depth(message(metres, "32FC1", 3, big)), [[1.5, np.inf], [np.inf, np.inf]])
    large = np.arange(16, dtype=np.float32).reshape(4, 4) + 1
    np.testing.assert_array_equal(to_depth(message(large, "32FC1"), (2, 2)), [[6, 8], [14, 16]])


@pytest.mark.parametrize("was", [3, 9, 15])
def test_a_smaller_depth_is_that_in_the_middles_of_the_smaller_pictures_pixels(was: int) -> None:
    column = np.arange(was, dtype=np.float32)[:, None] + 1
    middles = column.reshape(3, -1).mean(axis=1, keepdims=True)
    np.testing.assert_array_equal(to_depth(message(column, "32FC1"), (3, 1)), middles)


def test_intrinsics_fit_the_size_that_pictures_are_brought_to() -> None:
    info = SimpleNamespace(width=640, height=480, k=[600.0, 0.0, 319.5, 0.0, 610.0, 250.0, 0.0, 0.0, 1.0])
    full = to_intrinsics(info, (480, 640))
    np.testing.assert_allclose(full.ravel(), info.k)
    small = to_intrinsics(info, (60, 64))
    for corner, same in (((-0.5, -0.5), (-0.5, -0.5)), ((639.5, 479.5), (63.5, 59.5))):
        np.testing.assert_allclose(np.linalg.solve(small, [*same, 1.0]), np.linalg.solve(full, [*corner, 1.0]))
    assert small[0, 2] == pytest.approx(31.5)


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(RobotError, match="'yuv422' cannot be read; valid: rgb8"):
        to_picture(message(RGB, "yuv422"))
    with pytest.raises(RobotError, match="'rgb8' cannot be read; valid: 32FC1"):
        to_depth(message(RGB, "rgb8"))
    short = message(RGB, "rgb8")
    short.data = short.data[:-1]
    with pytest.raises(RobotError, match="4 x 6 rgb8 came with 71 bytes"):
        to_picture(short)
