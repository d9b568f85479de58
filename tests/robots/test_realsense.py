"""The camera through librealsense's own pipeline, on software devices and on recordings of them.

They run where pyrealsense2 loads (it needs libusb), and in CI always.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from saycan.camera import Camera
from saycan.errors import BadInputError, MissingPartError, RobotError, UnknownNameError
from saycan.robots.locate import locate
from saycan.robots.realsense import FILTERS, RealSenseCamera, _absent
from tests.robots.kitchen_view import KitchenView, look
from tests.robots.synthetic_realsense import Feed, SyntheticDevice, record

pytestmark = pytest.mark.realsense
SIZE = (64, 48)
K = np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]])


@pytest.fixture(scope="module")
def rs() -> Any:
    return pytest.importorskip(
        "pyrealsense2",
        reason="pyrealsense2 does not load here; saycan doctor says what it needs (libusb-1.0-0)",
        exc_type=ImportError,
    )


def scene(count: int) -> tuple[np.ndarray, np.ndarray]:
    """A wall at 2 m whose red grows, a patch at 0.5 m, and five rows without a return."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = 5 * count % 250, np.arange(64), 200
    depth = np.full((48, 64), 2.0)
    depth[20:30, 28:36], depth[:5] = 0.5, np.inf
    return rgb, depth


@pytest.fixture(scope="module")
def recording(rs, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "scene.db3"
    return record(path, SyntheticDevice(K, SIZE), map(scene, range(12)))


@pytest.fixture
def device(rs) -> SyntheticDevice:
    return SyntheticDevice(K, SIZE)


def live(device: SyntheticDevice, **arguments: Any) -> RealSenseCamera:
    return RealSenseCamera(device=device.device, width=64, height=48, **arguments)


def test_a_recording_is_read_as_it_was(recording: Path) -> None:
    camera = RealSenseCamera("wrist", playback=recording)
    assert isinstance(camera, Camera) and camera.name == "wrist"
    frames = []
    with pytest.raises(RobotError, match=r"scene\.db3 has ended; with repeat=True"):
        while True:
            frames.append(camera.read())
            began = time.monotonic()
    assert time.monotonic() - began < 1.0  # well before the patience of 2 s
    with pytest.raises(RobotError, match="has ended"):
        camera.read()
    camera.close()
    assert len(frames) >= 4  # of 12: the first may be lost, and a busy machine loses some, as with a camera
    times = [frame.time for frame in frames]
    assert (np.diff(times) > 0).all() and 0.03 < times[0] < times[-1] < 0.41
    for frame in frames:
        rgb, depth = scene(round(frame.time * 30) - 1)
        np.testing.assert_array_equal(frame.rgb, rgb)
        np.testing.assert_allclose(frame.depth, depth, rtol=1e-6)
        np.testing.assert_allclose(frame.intrinsics, K)
        assert frame.rgb.dtype == np.uint8 and frame.depth.dtype == np.float32 and frame.intrinsics.dtype == np.float64
        frame.rgb[:], frame.depth[:], frame.intrinsics[:] = 0, 0, 0  # theirs alone


def test_a_recording_that_repeats_goes_on_in_time(recording: Path) -> None:
    camera = RealSenseCamera(playback=recording, repeat=True)
    frames = [camera.read() for _ in range(30)]
    camera.close()
    gaps = np.diff([frame.time for frame in frames])
    assert (gaps > 0).all() and gaps.max() < 1.0
    assert frames[-1].time > 0.6  # more than the recording lasts


def test_depth_is_aligned_to_color(rs, tmp_path: Path) -> None:
    """A point of the depth camera is 0.05 m farther right for the color camera: f b / z is 6 pixels at 0.5 m."""
    path = record(tmp_path / "aligned.db3", SyntheticDevice(K, SIZE, baseline=0.05), map(scene, range(4)))
    camera = RealSenseCamera(playback=path)
    depth = camera.read().depth
    camera.close()
    assert depth is not None
    columns = np.nonzero(np.isclose(depth[25], 0.5))[0]
    assert abs(columns.min() - 34) <= 1 and abs(columns.max() - 41) <= 1
    found = locate(depth, K, np.eye(4), (columns.min(), 20, columns.max(), 29))
    np.testing.assert_allclose(found, [0.05, (24.5 - 23.5) / 60 * 0.5, 0.5], atol=0.005)


def test_other_colors_come_out_as_rgb(rs, tmp_path: Path) -> None:
    turned = ((rgb[..., ::-1], depth) for rgb, depth in map(scene, range(4)))
    path = record(tmp_path / "bgr.db3", SyntheticDevice(K, SIZE, color="bgr8"), turned)
    camera = RealSenseCamera(playback=path)
    frame = camera.read()
    camera.close()
    assert (frame.rgb[..., 2] == 200).all() and (frame.rgb[0, :, 1] == np.arange(64)).all()


def test_filters(rs, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noisy = ((rgb, depth + random.normal(0, 0.01, depth.shape)) for rgb, depth in map(scene, range(16)))
    path = record(tmp_path / "noisy.db3", SyntheticDevice(K, SIZE), noisy)

    def seen(*filters: str) -> np.ndarray:
        camera = RealSenseCamera(playback=path, filters=filters)
        depth = [camera.read().depth for _ in range(4)][-1]
        camera.close()
        assert depth is not None and depth.shape == (48, 64)
        return depth

    def noise(depth: np.ndarray) -> float:
        return float(depth[35:][np.isfinite(depth[35:])].std())  # alignment leaves a hole here and there

    raw = seen()
    assert np.isinf(raw[:5]).all()
    assert noise(seen("spatial")) < 0.7 * noise(raw)
    assert noise(seen("temporal")) < 0.95 * noise(raw)
    assert np.isfinite(seen("hole_filling")[4]).sum() > 50  # from row 5; it does not reach farther
    whole = seen(*reversed(FILTERS))
    assert np.isfinite(whole[10:]).all() and whole[40, 30] == pytest.approx(2.0, abs=0.02)
    with pytest.raises(UnknownNameError, match=r"filter 'spacial'\. Did you mean 'spatial'\?"):
        RealSenseCamera(filters=["spacial"])


def test_what_streams_is_recorded_and_played_back(device: SyntheticDevice, tmp_path: Path) -> None:
    path = tmp_path / "live.db3"
    with Feed(device, scene):
        camera = live(device, recording=path, filters=["hole_filling"])
        frames = [camera.read() for _ in range(8)]
        camera.close()
    assert abs(frames[-1].time - time.time()) < 2.0  # the computer's clock
    again = RealSenseCamera(playback=path)
    played = {frame.time: frame for frame in (again.read() for _ in range(4))}
    again.close()
    both = [(frame, played[frame.time]) for frame in frames if frame.time in played]
    assert both
    for frame, recorded in both:
        np.testing.assert_array_equal(frame.rgb, recorded.rgb)
        assert recorded.depth is not None and np.isinf(recorded.depth[:5]).all()  # from before the filters
    with pytest.raises(BadInputError, match="exists, and would be overwritten"):
        live(device, recording=path)


def test_a_camera_that_falls_silent_is_started_again(device: SyntheticDevice, tmp_path: Path) -> None:
    other = tmp_path / "run-2.db3"
    other.write_text("of another day")
    with Feed(device, scene) as feed:
        camera = live(device, recording=tmp_path / "run.db3", patience=1.0)
        before = camera.read()
        feed.flows.clear()
        timer = threading.Timer(1.5, feed.flows.set)  # after the patience, before that of the restart is over
        timer.start()
        after = camera.read()
        assert after.time > before.time + 0.5
        camera.close()
        timer.join()
    assert other.read_text() == "of another day"
    other.unlink()
    assert {file.name for file in tmp_path.iterdir()} == {"run.db3", "run-3.db3"}
    for file in tmp_path.iterdir():  # both are whole
        RealSenseCamera(playback=file).close()


def test_a_camera_that_stays_silent_is_an_error_until_it_comes_back(device: SyntheticDevice) -> None:
    with Feed(device, scene) as feed:
        camera = live(device, patience=0.4)
        camera.read()
        feed.flows.clear()
        began = time.monotonic()
        with pytest.raises(RobotError, match=r"no frame came from the camera 'head' in 0\.4 s, after a restart either"):
            camera.read()
        assert 0.7 < time.monotonic() - began < 3.0
        feed.flows.set()
        assert camera.read().rgb.shape == (48, 64, 3)
        camera.close()


def test_close(device: SyntheticDevice) -> None:
    camera = live(device, patience=30.0)
    problems: list[BaseException] = []

    def read() -> None:
        try:
            camera.read()
        except RobotError as error:
            problems.append(error)

    reader = threading.Thread(target=read)  # nothing ever comes
    reader.start()
    time.sleep(0.2)
    began = time.monotonic()
    camera.close()
    camera.close()
    reader.join(5.0)
    assert time.monotonic() - began < 2.0 and "used after close()" in str(problems[0])
    with pytest.raises(RobotError, match="used after close"):
        camera.read()


def test_a_pipeline_that_does_not_stop_is_left_behind(rs, device: SyntheticDevice, monkeypatch) -> None:
    camera, over = live(device, patience=0.2), threading.Event()
    monkeypatch.setattr(rs.pipeline, "stop", lambda pipeline: over.wait(20.0))
    began = time.monotonic()
    camera.close()
    assert time.monotonic() - began < 2.0
    over.set()


def test_no_camera_is_told_within_a_second(rs) -> None:
    began = time.monotonic()
    with pytest.raises(RobotError, match=r"no Intel RealSense is connected|may not open it|has the serial number"):
        RealSenseCamera(serial="no such camera")
    assert time.monotonic() - began < 1.0


class Leaving:
    """A device that is being pulled out: it tells its number yet, or not even that."""

    def __init__(self, serial: str | None) -> None:
        self._serial = serial

    def get_info(self, what: object) -> str:
        if self._serial is None:
            raise RuntimeError("no such device")
        return self._serial

    def query_sensors(self) -> Any:
        raise RuntimeError("no such device")


def test_a_device_that_is_being_pulled_out_is_passed_over(rs, monkeypatch) -> None:
    def start(*_: object) -> None:
        raise RuntimeError("Couldn't resolve requests")

    found = [Leaving(None), Leaving("7")]
    monkeypatch.setattr(rs, "context", lambda: SimpleNamespace(query_devices=lambda: found))
    monkeypatch.setattr(rs.pipeline, "start", start)
    with pytest.raises(RobotError, match="has the serial number '42'; connected: 7"):
        RealSenseCamera(serial="42")
    with pytest.raises(RobotError, match="valid: none"):
        RealSenseCamera()
    del found[1]
    with pytest.raises(RobotError, match=r"no Intel RealSense is connected|may not open it"):
        RealSenseCamera()


def test_a_camera_that_leaves_while_it_starts_is_told_and_released(rs, device: SyntheticDevice, monkeypatch) -> None:
    def gone(profile: Any) -> None:
        raise RuntimeError("no such device")

    ended, stop = [], rs.pipeline.stop
    monkeypatch.setattr(rs.video_stream_profile, "get_intrinsics", gone)
    monkeypatch.setattr(rs.pipeline, "stop", lambda pipeline: ended.append(stop(pipeline)))
    with pytest.raises(RobotError, match="'head' does not start: no such device"):
        live(device)
    assert len(ended) == 1
    monkeypatch.undo()
    live(device).close()


def test_devices_that_cannot_be_listed_are_told(rs, monkeypatch) -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(rs, "context", lambda: SimpleNamespace(query_devices=fail))
    with pytest.raises(RobotError, match="cannot list what is connected: out of memory"):
        RealSenseCamera()


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of USB devices")
def test_a_camera_that_may_not_be_opened_is_told_from_none(tmp_path: Path) -> None:
    assert "plug it in" in _absent(tmp_path)
    (tmp_path / "1-2").mkdir()
    (tmp_path / "1-2" / "product").write_text("Intel(R) RealSense(TM) Depth Camera 435i\n")
    assert "99-realsense-libusb.rules" in _absent(tmp_path)


def test_a_mode_that_it_does_not_have_is_told_with_those_that_it_has(device: SyntheticDevice) -> None:
    with pytest.raises(RobotError, match=r"640 x 480 at 30 frames a second; valid: 64 x 48 at 30 "):
        RealSenseCamera(device=device.device)


def test_what_cannot_be_played_or_recorded_is_told(recording: Path, rs, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no recording"):
        RealSenseCamera(playback=tmp_path / "none.db3")
    (tmp_path / "text.db3").write_text("no recording")
    with pytest.raises(BadInputError, match=r"text\.db3 cannot be played"):
        RealSenseCamera(playback=tmp_path / "text.db3")
    with pytest.raises(BadInputError, match="cannot be recorded again"):
        RealSenseCamera(playback=recording, recording=tmp_path / "other.db3")
    with pytest.raises(BadInputError, match=r"ends in \.db3"):
        RealSenseCamera(recording=tmp_path / "run.bag")
    with pytest.raises(BadInputError, match="no folder"):
        RealSenseCamera(recording=tmp_path / "nowhere" / "run.db3")
    with pytest.raises(BadInputError, match="patience"):
        RealSenseCamera(patience=0)


def test_without_libusb_it_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    absent = "libusb-1.0.so.0: cannot open shared object file: No such file or directory"
    for text, mend in ((absent, "sudo apt-get install libusb-1.0-0"), ("bad ELF", "pip install --upgrade")):
        folder = tmp_path / text[:3] / "pyrealsense2"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"raise ImportError({text!r})")
        monkeypatch.delitem(sys.modules, "pyrealsense2", raising=False)
        monkeypatch.syspath_prepend(folder.parent)
        with pytest.raises(MissingPartError, match=mend):
            RealSenseCamera()


def test_without_pyrealsense2_it_says_where_there_is_one(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(MissingPartError, match="pip install pyrealsense2; elsewhere there is no package"):
        RealSenseCamera()


@pytest.fixture(scope="module")
def kitchen_recording(rs, tmp_path_factory) -> tuple[KitchenView, Path]:
    view = look("coke can on close counter, apple on close counter, sponge on close counter, at close counter", seed=1)
    path = tmp_path_factory.mktemp("kitchen") / "kitchen.db3"
    size = view.depth.shape[::-1]
    return view, record(path, SyntheticDevice(view.K, size), [(view.rgb, view.depth)] * 6)


@pytest.mark.parametrize(("filters", "bound"), [((), 0.02), (("spatial",), 0.03)])
def test_things_in_a_recording_of_the_kitchen_are_where_the_simulator_has_them(
    kitchen_recording, filters, bound
) -> None:
    """The bounds of test_locate.py, where depth is exact: rounded to 1 mm here, recorded, played and aligned.

    Smoothing draws what is small towards what it stands on, hence the wider bound.
    """
    view, path = kitchen_recording
    camera = RealSenseCamera(playback=path, filters=filters)
    frame = camera.read()
    camera.close()
    np.testing.assert_array_equal(frame.rgb, view.rgb)
    assert {thing.name for thing in view.objects} == {"coke can", "apple", "sponge"}
    eye = view.T_base_camera[:3, 3]
    for thing in view.objects:
        truth, box = view.position(thing), view.box(thing)
        sight = (truth - eye) / np.linalg.norm(truth - eye)
        off = locate(frame.depth, frame.intrinsics, view.T_base_camera, box) - truth
        assert np.linalg.norm(off - (off @ sight) * sight) < 0.01, thing.name
        assert -np.linalg.norm(thing.size) / 2 < off @ sight < 0, thing.name
        middle = locate(frame.depth, frame.intrinsics, view.T_base_camera, box, inside=thing.size.mean() / 2)
        assert np.linalg.norm(middle - truth) < bound, thing.name
