from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Generator
from operator import attrgetter
from pathlib import Path

import av
import pytest

from saycan.recorder import Recorder
from saycan.step import EndState, Event, Result, Step, Tick
from saycan.trace import read_trace
from tests.saycan.events import PosingRobot, StillRobot, make_run


def frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def drain(events: Generator[Event, None, Result]) -> tuple[list[Event], Result]:
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stopped:
            return seen, stopped.value


def test_a_run_folder_holds_everything(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "Clean the table!", PosingRobot())
    seen, result = drain(recorder.watch(make_run(ticks=20)))
    folder = recorder.folder
    assert re.fullmatch(r"\d{8}-\d{6}-clean-the-table", folder.name)
    assert result.folder == str(folder)
    assert result.end is EndState.FINISHED
    assert sorted(path.name for path in folder.iterdir()) == [
        "decisions", "result.json", "summary.md", "trace.jsonl", "video.mp4",
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "decisions").iterdir()) == ["01.png", "02.png", "03.png"]
    trace = read_trace(folder / "trace.jsonl")
    assert [type(event) for event in trace.events] == [type(event) for event in seen]
    assert trace.header["instruction"] == "Clean the table!"
    # Each step: 5 frames (1 s) when it begins, then every second period; the end is shown for 2 s.
    assert frames(folder / "video.mp4") == 2 * (5 + 10) + 10
    written = json.loads((folder / "result.json").read_text())
    assert (written["end"], written["plan"]) == ("finished", ["find the sponge", "pick up the sponge"])
    assert written["not_recorded"] == []


def test_summary_tells_steps_feedback_and_links_what_exists(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "clean the table", StillRobot())
    drain(recorder.watch(make_run()))
    text = (recorder.folder / "summary.md").read_text()
    assert "**finished**: the planner chose done" in text
    assert "| 1 | find the sponge | 0.75 | 1.00 | succeeded | 2.0 s (20 ticks) | 1.5 s |" in text
    assert "it \\| slipped" in text
    assert "after step 1, human: the blue one" in text
    linked = re.findall(r"\]\(([^)]+)\)", text)
    assert {"video.mp4", "decisions/01.png", "decisions/02.png", "decisions/03.png", "trace.jsonl"} <= set(linked)
    assert all((recorder.folder / link).is_file() for link in linked)


def test_privileged_parts_are_named(tmp_path: Path) -> None:
    class PrivilegedGuess:
        pass

    class Agent:
        robot = StillRobot()
        policy = PrivilegedGuess()

    recorder = Recorder(tmp_path, "go", Agent())
    drain(recorder.watch(make_run()))
    text = (recorder.folder / "summary.md").read_text()
    assert "| do | PrivilegedGuess (privileged) |" in text
    assert "Privileged: PrivilegedGuess read the simulator's own state" in text


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    first, second = (Recorder(tmp_path, "go", StillRobot(), video=False) for _ in range(2))
    for recorder in (first, second):
        drain(recorder.watch(make_run()))
        assert not (recorder.folder / "video.mp4").exists()
    assert first.folder != second.folder


def test_instruction_in_another_script_still_gives_a_folder(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "清洁台面", StillRobot())
    drain(recorder.watch(make_run()))
    assert recorder.folder.name.endswith("-run")
    assert "清洁台面" in (recorder.folder / "summary.md").read_text()


def test_a_crash_in_mid_run_leaves_everything_readable(tmp_path: Path) -> None:
    def crashing() -> Generator[Event, None, Result]:
        for event in make_run():
            if isinstance(event, Step) and event.index == 2:
                raise RuntimeError("boom")
            yield event
        raise AssertionError

    recorder = Recorder(tmp_path, "go", StillRobot())
    with pytest.raises(RuntimeError, match="boom"):
        drain(recorder.watch(crashing()))
    assert len(read_trace(recorder.folder / "trace.jsonl").steps) == 1
    assert frames(recorder.folder / "video.mp4") == 2 * (5 + 10)
    text = (recorder.folder / "summary.md").read_text()
    assert "not ended" in text
    assert "find the sponge" in text
    assert not (recorder.folder / "result.json").exists()


def test_before_the_end_trace_and_summary_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "go", StillRobot())
    for event in recorder.watch(make_run()):
        if isinstance(event, Step):
            assert read_trace(recorder.folder / "trace.jsonl").steps[-1].index == event.index


def test_closing_early_closes_the_run_inside_and_every_file(tmp_path: Path) -> None:
    closed = []

    def run() -> Generator[Event, None, Result]:
        try:
            return (yield from make_run())
        finally:
            closed.append(True)

    recorder = Recorder(tmp_path, "go", StillRobot())
    events = recorder.watch(run())
    for event in events:
        if isinstance(event, Tick) and event.index == 10:
            break
    events.close()
    assert closed == [True]
    assert frames(recorder.folder / "video.mp4") == 5 + 5


def test_what_is_thrown_in_reaches_the_run(tmp_path: Path) -> None:
    def run() -> Generator[Event, None, Result]:
        with contextlib.suppress(KeyboardInterrupt):
            yield from make_run()
        result = Result("go", EndState.STOPPED)
        yield result
        return result

    recorder = Recorder(tmp_path, "go", StillRobot())
    events = recorder.watch(run())
    next(events)
    event = events.throw(KeyboardInterrupt)
    assert isinstance(event, Result)
    assert drain(events)[1].end is EndState.STOPPED


@pytest.mark.parametrize("where", ["_thread.join", "_draw_pending"])
def test_ctrl_c_while_the_film_is_ended_leaves_the_result(tmp_path: Path, where: str) -> None:
    recorder = Recorder(tmp_path, "go", StillRobot())
    waited = attrgetter(where)(recorder)

    def pressed() -> None:
        if recorder._story.result is not None:
            waited.__self__.__dict__.pop(waited.__name__)  # once
            raise KeyboardInterrupt
        waited()

    setattr(waited.__self__, waited.__name__, pressed)

    def run() -> Generator[Event, None, Result]:
        events = make_run()
        for event in events:
            with contextlib.suppress(KeyboardInterrupt):
                yield event
        assert isinstance(event, Result)
        return event

    assert drain(recorder.watch(run()))[1].end is EndState.FINISHED
    assert json.loads((recorder.folder / "result.json").read_text())["end"] == "finished"
    assert "**finished**" in (recorder.folder / "summary.md").read_text()


@pytest.mark.parametrize("what", ["trace", "video", "decision", "folder", "view"])
def test_a_recording_that_fails_is_told_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    root, robot = tmp_path, PosingRobot()
    if what == "trace":
        monkeypatch.setattr("saycan.recorder.TraceWriter.write", full)
    elif what == "video":
        monkeypatch.setattr("saycan.recorder.Video.write", full)
    elif what == "decision":
        monkeypatch.setattr("saycan.recorder.save_decision", full)
    elif what == "view":
        monkeypatch.setattr(robot, "view", full)
    else:
        root = tmp_path / "file"
        root.write_text("in the way")
    with caplog.at_level(logging.WARNING):
        recorder = Recorder(root, "go", robot)
        seen, result = drain(recorder.watch(make_run()))
    assert result.end is EndState.FINISHED
    assert result.folder == seen[-1].folder == (None if what == "folder" else str(recorder.folder))
    assert len(seen) == 2 * 20 + 2 + 3 + 1 + 1
    warnings = [record for record in caplog.records if what in record.message]
    assert len(warnings) == 1
    if what != "folder":
        assert "no space left" in (recorder.folder / "summary.md").read_text()
    if what == "view":
        assert frames(recorder.folder / "video.mp4") == 2 * (5 + 10) + 10


def test_a_slow_view_is_asked_for_smaller_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.recorder._SLOW", -1.0)
    robot = PosingRobot()
    drain(Recorder(tmp_path, "go", robot).watch(make_run()))
    assert [robot.asked.count(size) for size in ((640, 480), (480, 360))] == [4, 3]
    assert robot.asked[-1] == (320, 240)


def test_a_robot_without_any_picture_is_recorded_without_video(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "go", StillRobot())
    drain(recorder.watch(make_run(cameras=())))
    assert not (recorder.folder / "video.mp4").exists()
    assert (recorder.folder / "decisions" / "01.png").is_file()
