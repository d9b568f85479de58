"""The film of a run: a picture of the robot at work, what its cameras see, and a bar that says what is going on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saycan.figure import font_path, legible

if TYPE_CHECKING:
    from PIL import Image, ImageFont

WIDTH, HEIGHT, BAR = 800, 480, 80
"""Pixels of the picture with the cameras beside it, and of the caption bar below."""

_COLUMN = 160  # width of the column of camera images beside the picture
_COLOURS = {"": "#9aa0a8", "succeeded": "#7fd08a", "failed": "#ff8a80", "timed out": "#ffc46b", "stopped": "#ffc46b"}

# Fragments that are flushed as they end, and an encoder that keeps no frames back: a crash loses only the last of them.
_CONTAINER = {"movflags": "hybrid_fragmented", "flush_packets": "1"}
_ENCODER = {"preset": "veryfast", "crf": "23", "tune": "zerolatency"}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Caption:
    """What the bar says.

    Attributes:
        instruction: What was asked for.
        doing: The current step, or that a decision is being made.
        last: How the last step ended, in words.
        outcome: That step's outcome, which gives `last` its colour.
        progress: Fraction of the step's time limit used up, in [0, 1].
    """

    instruction: str
    doing: str = ""
    last: str = ""
    outcome: str = ""
    progress: float = 0.0


def compose(picture: Pixels | None, images: Mapping[str, Pixels], caption: Caption) -> Pixels:
    """One frame, (HEIGHT + BAR, WIDTH, 3) uint8: the picture with the cameras beside it, and the bar.

    Args:
        picture: Third-person picture (H, W, 3); None lays the cameras side by side instead.
        images: Camera name to (H, W, 3).
        caption: What the bar below says.
    """
    from PIL import Image

    frame = Image.new("RGB", (WIDTH, HEIGHT + BAR), "#14171c")
    if picture is not None:
        shown = list(images.values())[:3]
        _paste(frame, picture, (0, 0, WIDTH - (_COLUMN if shown else 0), HEIGHT))
        for row, image in enumerate(shown):
            _paste(frame, image, (WIDTH - _COLUMN + 4, row * _COLUMN + 4, _COLUMN - 8, _COLUMN - 8))
    else:
        shown = list(images.values())[:4]
        for column, image in enumerate(shown):
            _paste(frame, image, (column * WIDTH // len(shown), 0, WIDTH // len(shown), HEIGHT))
    _draw_caption(frame, caption)
    return np.asarray(frame)


class Video:
    """An H.264 file (yuv420p, so that every player shows it) that is readable at every moment, even after a crash.

    While it is being written the file is fragmented; `close` turns it into an ordinary one.

    Args:
        path: Where to write; its folder exists.
        rate: Frames per second.

    Raises:
        OSError: The file cannot be made, or no encoder is at hand.
    """

    def __init__(self, path: str | Path, rate: float = 5.0) -> None:
        import av

        self._rate = Fraction(rate).limit_denominator(1000)
        self.frames = 0
        self._closed = False
        Path(path).touch()  # FFmpeg opens it at the first frame only, which is late to say that it cannot
        try:
            self._container: Any = av.open(str(path), "w", options=_CONTAINER)
            try:
                self._stream: Any = self._container.add_stream("libx264", rate=self._rate)
                self._stream.options = _ENCODER
            except (ValueError, av.FFmpegError):  # a build of FFmpeg without x264
                self._stream = self._container.add_stream("mpeg4", rate=self._rate)
            self._stream.width, self._stream.height, self._stream.pix_fmt = WIDTH, HEIGHT + BAR, "yuv420p"
            self._stream.codec_context.thread_count = 1  # the robot's own loop needs the other cores
            self._stream.codec_context.gop_size = max(1, round(5 * rate))  # a crash loses at most five seconds
        except (ValueError, av.FFmpegError) as error:
            raise OSError(f"no video can be written to {path}: {error}") from error

    def write(self, frame: Pixels) -> None:
        """Append one frame (HEIGHT + BAR, WIDTH, 3). Raises OSError."""
        import av

        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts = self.frames
        picture.time_base = 1 / self._rate
        try:
            self._container.mux(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise OSError(f"a video frame could not be written: {error}") from error
        self.frames += 1

    def close(self) -> None:
        """Write what is still in the encoder and end the file. Idempotent. Raises OSError."""
        import av

        if self._closed:
            return
        self._closed = True
        try:
            try:
                if self.frames:
                    self._container.mux(self._stream.encode())
            finally:
                self._container.close()
        except av.FFmpegError as error:
            raise OSError(f"the video could not be ended: {error}") from error

    def __enter__(self) -> Video:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _paste(frame: Image.Image, image: Pixels, box: tuple[int, int, int, int]) -> None:
    """Fit an image into (left, top, width, height), centred, keeping its proportions."""
    from PIL import Image

    left, top, width, height = box
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    picture = Image.fromarray(np.ascontiguousarray(image))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    frame.paste(picture, (left + (width - size[0]) // 2, top + (height - size[1]) // 2))


def _draw_caption(frame: Image.Image, caption: Caption) -> None:
    from PIL import ImageDraw

    draw = ImageDraw.Draw(frame)
    for text, size, top, colour in (
        (caption.instruction, 13, 8, "#9aa0a8"),
        (caption.doing, 17, 27, "#ffffff"),
        (caption.last, 13, 55, _COLOURS.get(caption.outcome, _COLOURS[""])),
    ):
        draw.text((14, HEIGHT + top), _fit(text, size), fill=colour, font=_font(size))
    draw.rectangle((0, HEIGHT, WIDTH, HEIGHT + 2), fill="#2f343c")
    reached = round(WIDTH * min(max(caption.progress, 0.0), 1.0))
    if reached:
        draw.rectangle((0, HEIGHT, reached, HEIGHT + 2), fill="#3b8ee0")


@lru_cache(maxsize=64)
def _fit(text: str, size: int) -> str:
    """The text on one line, cut where the bar ends."""
    line = legible(" ".join(text.split())[:200])
    room = WIDTH - 28
    if _font(size).getlength(line) <= room:
        return line
    while line and _font(size).getlength(line + "\u2026") > room:
        line = line[:-1]
    return line + "\u2026"


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(font_path()), size)
