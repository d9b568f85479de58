"""A camera that exists in software only: frames of one's own, through librealsense's own recorder and pipeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

UNITS = 1e-3  # m for each count of z16, as these cameras have it


class SyntheticDevice:
    """An `rs.software_device` with color and depth.

    Args:
        K: (3, 3) of both streams, pixels.
        size: (width, height) of both streams.
        baseline: How far the color camera is to the left of the depth camera, m.
        color: "rgb8" or "bgr8".
    """

    def __init__(
        self, K: np.ndarray, size: tuple[int, int], baseline: float = 0.0, color: str = "rgb8", fps: int = 30
    ) -> None:
        import pyrealsense2 as rs

        self._rs, self.device = rs, rs.software_device()
        self.device.register_info(rs.camera_info.name, "synthetic")
        self.device.register_info(rs.camera_info.serial_number, "42")
        depth, picture = self.device.add_sensor("Stereo Module"), self.device.add_sensor("RGB Camera")
        depth.add_read_only_option(rs.option.depth_units, UNITS)
        intrinsics = rs.intrinsics()
        intrinsics.width, intrinsics.height = size
        intrinsics.fx, intrinsics.fy, intrinsics.ppx, intrinsics.ppy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
        intrinsics.model, intrinsics.coeffs = rs.distortion.none, [0.0] * 5
        self._streams = []
        for uid, (sensor, kind, encoding, size_of_pixel) in enumerate(
            ((depth, rs.stream.depth, rs.format.z16, 2), (picture, rs.stream.color, getattr(rs.format, color), 3))
        ):
            stream = rs.video_stream()
            stream.type, stream.uid, stream.fmt, stream.bpp, stream.fps = kind, uid, encoding, size_of_pixel, fps
            (stream.width, stream.height), stream.intrinsics = size, intrinsics
            profile = sensor.add_video_stream(stream, True).as_video_stream_profile()
            self._streams.append((sensor, profile, size_of_pixel))
        between = rs.extrinsics()
        between.rotation, between.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [baseline, 0, 0]
        self._streams[0][1].register_extrinsics_to(self._streams[1][1], between)
        self.device.create_matcher(rs.matchers.default)
        self._count = 0

    def push(self, rgb: np.ndarray, metres: np.ndarray, stamp: float) -> None:
        """One frame of both streams at `stamp` ms; depth that is not finite becomes 0, as a camera tells it."""
        z16 = np.round(np.where(np.isfinite(metres), metres, 0.0) / UNITS).astype(np.uint16)
        self._count += 1
        for (sensor, profile, size_of_pixel), pixels in zip(self._streams, (z16, rgb), strict=True):
            frame = self._rs.software_video_frame()
            frame.pixels, frame.bpp, frame.stride = np.ascontiguousarray(pixels), size_of_pixel, 0
            frame.stride = pixels.shape[1] * size_of_pixel
            frame.timestamp, frame.domain = stamp, self._rs.timestamp_domain.global_time
            frame.frame_number, frame.profile = self._count, profile
            if size_of_pixel == 2:
                frame.depth_units = UNITS
            sensor.on_video_frame(frame)


def record(path: Path, device: SyntheticDevice, frames: Iterable[tuple[np.ndarray, np.ndarray]]) -> Path:
    """A .db3 of (rgb, depth in m), 30 a second by their stamps, by librealsense's own recorder."""
    import pyrealsense2 as rs

    recorder, queue = rs.recorder(str(path), device.device), rs.frame_queue(1)
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(sensor.get_stream_profiles())
        sensor.start(queue)
    for count, (rgb, depth) in enumerate(frames):
        device.push(rgb, depth, 1000.0 * (count + 1) / 30)
        time.sleep(1 / 30)  # it is played at the pace at which frames came
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    recorder.pause()
    return path


class Feed:
    """Pushes frame after frame of a device into whatever streams from it, 30 a second, until it is left."""

    def __init__(self, device: SyntheticDevice, frame: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> None:
        self._device, self._frame = device, frame
        self._over, self.flows = threading.Event(), threading.Event()
        self.flows.set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._over.wait(1 / 30):
            if self.flows.is_set():
                self._device.push(*self._frame(count), time.time() * 1000)
                count += 1
