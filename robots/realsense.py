"""An Intel RealSense camera: color, depth aligned to it, recording and playback."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.camera import CameraFrame
from saycan.errors import BadInputError, MissingPartError, RobotError, UnknownNameError

FILTERS = ("decimation", "spatial", "temporal", "hole_filling")
"""librealsense's post-processing, in the order in which its manual recommends to apply it."""

_COLORS = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0], "rgba8": [0, 1, 2], "bgra8": [2, 1, 0]}
_SLICE = 0.1  # s of waiting, after which it is seen whether the camera was closed or the recording has ended
_USB = Path("/sys/bus/usb/devices")


class RealSenseCamera:
    """Implements Camera. Depth is brought to the color picture, pixel by pixel, by the camera's own calibration.

        depth [m] = units * z16, inf where z16 = 0

    `time` is that of the color picture's stamp: with global time, which these cameras have on by default, the
    computer's clock (`time.time()`), and else the camera's own, in s. It never goes back: where the stamps begin anew
    (a restart, a recording that repeats), it goes on by the time that has really passed.

    Args:
        name: The key of its picture in `Observation.images`.
        serial: Which camera, when there are several; the first one if empty.
        width, height: Size of color and depth, pixels.
        fps: Frames a second.
        filters: Some of FILTERS, whatever their order. None by default: what was measured, inf where nothing came back.
            With decimation depth is coarser; it still has the size of the color picture.
        recording: A .db3 file to record into, as it comes from the camera, before the filters. It must not exist.
            What comes after a restart goes to NAME-2.db3, NAME-3.db3 and so on, the next one that does not exist, since
            a file cannot be continued.
        playback: A recording to play instead of a camera, at its own pace; size and rate are those recorded.
        repeat: Whether it then begins anew at its end; else `read` raises RobotError there.
        patience: Seconds in which a frame has to come.
        device: One of pyrealsense2's own to read, such as an `rs.software_device`, instead of what is connected.

    Attributes:
        name: As above.

    Raises:
        BadInputError: A filter, a file or a combination of arguments that cannot be used.
        MissingPartError: pyrealsense2 or libusb is not installed.
        RobotError: No such camera is connected, another program has it, or it has no such size and rate.
    """

    def __init__(
        self,
        name: str = "head",
        *,
        serial: str = "",
        width: int = 640,
        height: int = 480,
        fps: int = 30,
        filters: Iterable[str] = (),
        recording: str | Path | None = None,
        playback: str | Path | None = None,
        repeat: bool = False,
        patience: float = 2.0,
        device: Any = None,
    ) -> None:
        self.name = name
        self._serial, self._mode, self._device = serial, (width, height, fps), device
        self._filters = _checked_filters(filters)
        self._recording = None if recording is None else _checked_recording(Path(recording))
        self._playback = None if playback is None else _checked_playback(Path(playback))
        if self._recording and self._playback:
            raise BadInputError("a recording that is played back cannot be recorded again; copy the file")
        if not 0 < patience < float("inf"):
            raise BadInputError(f"patience is a number of seconds above 0, found {patience}")
        self._repeat, self._patience = repeat, patience
        self._rs = load_pyrealsense2()
        self._pipeline: Any = None
        self._lock = threading.Lock()
        self._closed = False
        self._time: float | None = None  # of the last frame, in s on the clock that is told
        self._arrival = self._offset = 0.0
        self._domain: Any = None
        self._problem = ""
        self._start(patience=0.0)

    def read(self) -> CameraFrame:
        """The newest frame that was not read yet; waits for one. Its arrays are fresh.

        A frame that does not come in time, or a camera that was unplugged, leads to one restart. Raises RobotError when
        none comes then either (the next call tries again), at a recording's end and after close().
        """
        with self._lock:
            self._require_open()
            frame = None if self._pipeline is None else self._next()
            if frame is None and not self._ended() and not self._closed:
                self._stop()
                self._start(self._patience)
                frame = self._next()
            self._require_open()
            if frame is None and self._ended():
                raise RobotError(f"the recording {self._playback} has ended; with repeat=True it begins anew")
            if frame is None:
                self._stop()
                raise RobotError(
                    f"no frame came from the camera {self.name!r} in {self._patience:g} s, after a restart either"
                    f"{self._problem}; unplug it and plug it in again, into a USB 3 port"
                )
            return frame

    def close(self) -> None:
        """Release the camera, and finish the recording. Idempotent, from any thread."""
        self._closed = True  # a read that is under way ends within a slice
        with self._lock:
            self._stop()

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError(f"the camera {self.name!r} was used after close()")

    def _start(self, patience: float) -> None:
        """Begin to stream; waits `patience` s for the camera to be there."""
        rs = self._rs
        self._pipeline = self._player = None
        config, pipeline, device = rs.config(), rs.pipeline(), self._device
        if self._playback is not None:
            config.enable_device_from_file(str(self._playback), self._repeat)
        else:
            if device is None:  # counted first: without one, starting takes 15 s to fail
                device, serial = self._find(patience)
                config.enable_device(serial)
            else:
                pipeline.set_device(device)
            width, height, fps = self._mode
            config.enable_stream(rs.stream.color, width, height, rs.format.rgb8, fps)
            config.enable_stream(rs.stream.depth, width, height, rs.format.z16, fps)
            if self._recording is not None:
                config.enable_record_to_file(str(_unused(self._recording)))
        try:
            profile = pipeline.start(config)
        except RuntimeError as error:
            if self._playback is not None:
                raise BadInputError(f"{self._playback} cannot be played: {error}") from None
            raise RobotError(self._why(str(error), device)) from None
        self._pipeline = pipeline
        if self._playback is not None:
            self._player = profile.get_device().as_playback()
            self._require_streams(profile)
        try:
            self._intrinsics = _pinhole(profile.get_stream(rs.stream.color).as_video_stream_profile().get_intrinsics())
        except RuntimeError as error:  # it was pulled out just now
            self._stop()
            raise RobotError(self._why(str(error), device)) from None
        self._blocks, self._align = _blocks(rs, self._filters), rs.align(rs.stream.color)  # they remember frames
        self._stamp: float | None = None

    def _stop(self) -> None:
        """End streaming; in `patience` at most, since librealsense may not return when a camera was pulled out."""
        pipeline, self._pipeline, self._player = self._pipeline, None, None
        if pipeline is None:
            return

        def stop() -> None:
            with contextlib.suppress(RuntimeError):  # it streams no more: that was asked for
                pipeline.stop()

        thread = threading.Thread(target=stop, daemon=True)
        thread.start()
        thread.join(self._patience)

    def _find(self, patience: float) -> tuple[Any, str]:
        """The device and its serial number."""
        deadline = time.monotonic() + patience
        while True:
            found = _connected(self._rs)
            for serial, device in found.items():
                if self._serial in ("", serial):
                    return device, serial
            if self._closed or time.monotonic() >= deadline:
                break
            time.sleep(_SLICE)
        if found:
            raise RobotError(f"no RealSense has the serial number {self._serial!r}; connected: {', '.join(found)}")
        raise RobotError(_absent(_USB))

    def _next(self) -> CameraFrame | None:
        """A frame that was not read yet, or None when none comes in time."""
        deadline = time.monotonic() + self._patience
        while not self._closed and (left := deadline - time.monotonic()) > 0:
            try:
                there, frames = self._pipeline.try_wait_for_frames(int(1000 * min(left, _SLICE)) + 1)
                frame = self._frame(frames) if there else None
            except RuntimeError as error:  # the camera is gone
                self._problem = f" ({error})"
                return None
            if frame is not None:
                return frame
            if not there and self._ended():
                return None
        return None

    def _frame(self, frames: Any) -> CameraFrame | None:
        """None for a set without color or depth, as the first may be, and for a picture that was read before."""
        color = frames.get_color_frame()
        if not color or not frames.get_depth_frame() or color.get_timestamp() == self._stamp:
            return None
        self._stamp = color.get_timestamp()
        for block in self._blocks:
            frames = block.process(frames).as_frameset()
        depth = self._align.process(frames).get_depth_frame()
        order = _COLORS[color.profile.format().name]
        measured = np.asanyarray(depth.get_data())
        metres = np.where(measured > 0, measured * np.float32(depth.get_units()), np.float32(np.inf))
        return CameraFrame(
            time=self._told(color),
            rgb=np.ascontiguousarray(np.array(color.get_data(), np.uint8)[..., order]),
            depth=metres.astype(np.float32),
            intrinsics=self._intrinsics.copy(),
        )

    def _told(self, color: Any) -> float:
        """The color picture's time on a clock that never goes back, s."""
        stamp, domain, now = color.get_timestamp() / 1000.0, color.get_frame_timestamp_domain(), time.monotonic()
        if self._time is not None and (domain != self._domain or stamp + self._offset <= self._time):
            self._offset = self._time + max(now - self._arrival, 1e-3) - stamp
        self._time, self._domain, self._arrival = stamp + self._offset, domain, now
        return self._time

    def _ended(self) -> bool:
        stopped = self._player is not None and self._player.current_status() == self._rs.playback_status.stopped
        return stopped and not self._repeat

    def _require_streams(self, profile: Any) -> None:
        found = {stream.stream_type().name: stream.format().name for stream in profile.get_streams()}
        if "depth" in found and found.get("color") in _COLORS:
            return
        self._stop()
        listed = ", ".join(f"{kind} ({encoding})" for kind, encoding in found.items()) or "nothing"
        raise BadInputError(
            f"{self._playback} holds {listed}; needed: depth, and color as one of {', '.join(_COLORS)}: record it again"
        )

    def _why(self, error: str, device: Any) -> str:
        """What kept the camera from starting, and what to do."""
        width, height, fps = self._mode
        if "resolve" in error:
            return (
                f"the camera {self.name!r} has no color and depth of {width} x {height} at {fps} frames a second; "
                f"valid: {_modes(self._rs, device)} (on USB 2 there are fewer)"
            )
        if any(word in error.lower() for word in ("busy", "power state", "access", "permission")):
            return (
                f"the camera {self.name!r} is connected, but cannot be opened ({error}); close the program that has it "
                "(realsense-viewer, a ROS 2 node), or plug it in again"
            )
        return f"the camera {self.name!r} does not start: {error}"


def load_pyrealsense2() -> Any:
    """The module `pyrealsense2`. Raises MissingPartError, with what to install, where it is absent or does not load."""
    try:
        import pyrealsense2 as rs
    except ModuleNotFoundError:
        raise MissingPartError(
            "pyrealsense2 is not installed; on 64-bit Linux and Windows (x86, Python below 3.15): pip install "
            "pyrealsense2; elsewhere there is no package of it: build librealsense, or let ROS 2 read the camera"
        ) from None
    except ImportError as error:
        mend = "sudo apt-get install libusb-1.0-0" if "libusb" in str(error) else "pip install --upgrade pyrealsense2"
        raise MissingPartError(f"pyrealsense2 does not load ({error}): {mend}") from None
    return rs


def _connected(rs: Any) -> dict[str, Any]:
    """Devices by serial number, but for those that do not tell it, as while they are pulled out. Raises RobotError."""
    try:
        devices = rs.context().query_devices()
    except RuntimeError as error:
        raise RobotError(f"librealsense cannot list what is connected: {error}") from None
    found = {}
    for index in range(len(devices)):
        with contextlib.suppress(RuntimeError):
            device = devices[index]
            found[device.get_info(rs.camera_info.serial_number)] = device
    return found


def _absent(usb: Path) -> str:
    """What to do when no camera is found: it is not on USB, or it is and may not be opened."""
    if sys.platform == "linux" and any("RealSense" in _text(file) for file in usb.glob("*/product")):
        return (
            "an Intel RealSense is on USB, but this user may not open it: copy config/99-realsense-libusb.rules of "
            "librealsense to /etc/udev/rules.d, and plug the camera in again"
        )
    return "no Intel RealSense is connected: plug it in, into a USB 3 port with the cable that came with it"


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""  # pulled out in between


def _modes(rs: Any, device: Any) -> str:
    """Sizes and rates that both color and depth have: "640 x 480 at 15, 30; ..."."""
    wanted = {rs.stream.color: rs.format.rgb8, rs.stream.depth: rs.format.z16}
    found: dict[Any, set[tuple[int, int, int]]] = {stream: set() for stream in wanted}
    with contextlib.suppress(RuntimeError):  # it was pulled out
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if wanted.get(profile.stream_type()) == profile.format():
                    video = profile.as_video_stream_profile()
                    found[profile.stream_type()].add((video.width(), video.height(), video.fps()))
    rates: dict[tuple[int, int], list[int]] = {}
    for width, height, fps in sorted(set.intersection(*found.values())):
        rates.setdefault((width, height), []).append(fps)
    listed = [f"{width} x {height} at {', '.join(map(str, many))}" for (width, height), many in rates.items()]
    return "; ".join(listed) or "none"


def _blocks(rs: Any, filters: tuple[str, ...]) -> list[Any]:
    """What a set of frames goes through. Smoothing is done in disparity, where a stereo camera's noise is even."""
    smoothing = [getattr(rs, f"{name}_filter")() for name in filters if name in ("spatial", "temporal")]
    if smoothing:
        smoothing = [rs.disparity_transform(True), *smoothing, rs.disparity_transform(False)]
    first = [rs.decimation_filter()] if "decimation" in filters else []
    last = [rs.hole_filling_filter()] if "hole_filling" in filters else []
    return [*first, *smoothing, *last]


def _pinhole(found: Any) -> NDArray[np.float64]:
    return np.array([[found.fx, 0, found.ppx], [0, found.fy, found.ppy], [0, 0, 1]], np.float64)


def _unused(path: Path) -> Path:
    """It, or the next of NAME-2, NAME-3, ... that does not exist."""
    count, free = 1, path
    while free.exists():
        count += 1
        free = path.with_stem(f"{path.stem}-{count}")
    return free


def _checked_filters(filters: Iterable[str]) -> tuple[str, ...]:
    named = (filters,) if isinstance(filters, str) else tuple(filters)
    for name in named:
        if name not in FILTERS:
            raise UnknownNameError("filter", name, FILTERS)
    return tuple(name for name in FILTERS if name in named)


def _checked_recording(path: Path) -> Path:
    if path.suffix != ".db3":
        raise BadInputError(f"a recording's name ends in .db3, found {path}")
    if path.exists():
        raise BadInputError(f"{path} exists, and would be overwritten; name another file")
    if not path.parent.is_dir():
        raise BadInputError(f"{path} cannot be recorded: there is no folder {path.parent}")
    return path


def _checked_playback(path: Path) -> Path:
    if not path.is_file():
        raise BadInputError(f"there is no recording {path}")
    return path
