from __future__ import annotations

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from saycan.video import BAR, HEIGHT, WIDTH, Caption, Video, compose


def decode(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def solid(colour: tuple[int, int, int], height: int = 48, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_every_frame_written_is_decoded_at_the_right_rate(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with Video(path, rate=5.0) as video:
        for value in range(0, 240, 10):
            video.write(compose(solid((value, 0, 0)), {}, Caption("go")))
    frames = decode(path)
    assert len(frames) == 24
    assert frames[0].shape == (HEIGHT + BAR, WIDTH, 3)
    reds = [float(frame[100, 100, 0]) for frame in frames]
    assert np.allclose(reds, range(0, 240, 10), atol=12)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 5
        assert container.duration == pytest.approx(24 / 5 * 1e6, rel=0.05)


def test_a_file_that_was_never_closed_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    video = Video(path, rate=5.0)
    for value in range(60):
        video.write(compose(solid((value, 0, 0)), {}, Caption("go")))
    shutil.copy(path, tmp_path / "crashed.mp4")
    video.close()
    video.close()
    assert len(decode(tmp_path / "crashed.mp4")) >= 35  # at most the last fragment of five seconds was still open
    assert len(decode(path)) == 60


def test_an_impossible_path_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Video(tmp_path / "nowhere" / "video.mp4")


def test_the_cameras_stand_beside_the_picture() -> None:
    frame = compose(solid((200, 0, 0), 480, 640), {"head": solid((0, 200, 0), 32, 32)}, Caption("go", progress=0.5))
    assert tuple(frame[10, 10]) == (200, 0, 0)
    assert tuple(frame[80, WIDTH - 80]) == (0, 200, 0)
    bar = frame[HEIGHT + 1]
    assert tuple(bar[100]) != tuple(bar[WIDTH - 100])


def test_without_a_picture_the_cameras_stand_side_by_side() -> None:
    frame = compose(None, {"head": solid((0, 200, 0)), "wrist": solid((0, 0, 200))}, Caption("go"))
    assert tuple(frame[HEIGHT // 2, WIDTH // 4]) == (0, 200, 0)
    assert tuple(frame[HEIGHT // 2, 3 * WIDTH // 4]) == (0, 0, 200)


def test_caption_is_written_and_never_fails() -> None:
    empty = compose(None, {}, Caption(""))[HEIGHT + 4 :]
    for text in ("clean the table", "清洁" * 500, "a\nb\x00"):
        assert (compose(None, {}, Caption(text, text, text, "failed"))[HEIGHT + 4 :] != empty).sum() > 300
