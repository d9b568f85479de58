from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from saycan.agent import Agent
from saycan.errors import TraceError
from saycan.recorder import Recorder
from saycan.replay import moments, replay_run
from saycan.robots.fake import FakeRobot
from tests.saycan.events import PosingRobot, make_run


def record(root: Path, video: bool = True) -> Path:
    recorder = Recorder(root, "clean the table", PosingRobot(), video=video)
    for _ in recorder.watch(make_run(ticks=20)):
        pass
    return recorder.folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("runs"))


def replay(run: Path, **options: object) -> str:
    console = Console(width=150, file=io.StringIO(), record=True)
    replay_run(run, console, **options)  # type: ignore[arg-type]
    return console.export_text()


def test_a_run_is_told_step_by_step_in_order(run: Path, tmp_path: Path) -> None:
    text = replay(run, picture=tmp_path / "moments.png")
    lines = text.splitlines()
    assert lines[0] == "clean the table"
    heard = "\n  human says: the blue one\n"
    told = ("find the sponge", "pick up the sponge", heard, "it | slipped", "the planner chose done")
    assert all(words in text for words in told)
    assert text.index("the blue one") < text.index("it | slipped") < text.index("the planner chose done")
    assert "breaks off" not in text


def test_as_many_options_are_shown_as_asked_for(run: Path) -> None:
    assert "wipe the table" in replay(run, frames=0)
    assert "wipe the table" not in replay(run, frames=0, options=1)


def test_the_trace_itself_will_do(run: Path) -> None:
    assert replay(run / "trace.jsonl", frames=0) == replay(run, frames=0)
    assert not (run / "replay.png").exists()


def test_moments_of_the_film_stand_beside_the_scores(tmp_path: Path) -> None:
    run = record(tmp_path)
    text = replay(run, frames=3)
    assert "replay.png" in text and "video.mp4" in text
    with Image.open(run / "replay.png") as picture:
        red = np.asarray(picture.convert("RGB")).astype(int)
        assert picture.width == 3 * 484  # three moments, and three decisions below, 4.4 inches each
    upper = red[: len(red) // 2]
    assert ((upper[..., 0] - upper[..., 1]) > 120).mean() > 0.05  # the posing robot is red


def test_a_run_without_a_film_is_told_all_the_same(tmp_path: Path) -> None:
    run = record(tmp_path, video=False)
    assert "the planner chose done" in replay(run)
    assert not (run / "replay.png").exists()


def test_moments_are_spread_from_the_first_to_the_last(run: Path) -> None:
    film = run / "video.mp4"
    whole = moments(film, 10_000)
    assert len(whole) == 40  # every picture of the film once
    three = moments(film, 3)
    np.testing.assert_array_equal(three[0], whole[0])
    np.testing.assert_array_equal(three[2], whole[-1])
    assert three[0].ndim == 3 and three[0].dtype == np.uint8


def test_of_a_long_film_the_chosen_moments_alone_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    class Frame:
        def __init__(self, index: int) -> None:
            self.index = index

        def to_ndarray(self, format: str) -> np.ndarray:
            kept.append(self.index)
            return np.full((2, 2, 3), self.index, np.uint8)

    class Film(contextlib.nullcontext[None]):
        def __enter__(self) -> Any:
            return self

        def decode(self, video: int) -> Iterator[Frame]:
            return map(Frame, range(200))

    monkeypatch.setattr("av.open", lambda path: Film())
    assert [picture[0, 0, 0] for picture in moments(tmp_path / "long.mp4", 4)] == [0, 66, 133, 199]
    assert kept == [0, 66, 133, 199]


def test_a_run_that_crashed_is_told_as_far_as_it_went(run: Path, tmp_path: Path) -> None:
    lines = (run / "trace.jsonl").read_bytes().splitlines(keepends=True)
    for rest in (b"".join(lines[:-2]), b"".join(lines[:-1]) + lines[-1][:20]):  # between lines, and in one
        (tmp_path / "trace.jsonl").write_bytes(rest)
        text = replay(tmp_path)
        assert "pick up the sponge" in text and "the trace breaks off" in text


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"trace\.jsonl"):
        replay(tmp_path)
    (tmp_path / "video.mp4").write_bytes(b"no film")
    with pytest.raises(TraceError, match="cannot be read as a film"):
        moments(tmp_path / "video.mp4", 3)


def test_a_run_of_the_fake_robot(tmp_path: Path) -> None:
    with Agent(FakeRobot(image_size=16), llm="scripted:go to the table", record=tmp_path) as agent:
        folder = Path(str(agent.run("go to the table").folder))
    text = replay(folder, frames=2)
    assert "go to the table" in text and "succeeded" in text
    assert (folder / "replay.png").exists()
