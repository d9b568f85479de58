"""The folder that a run leaves behind: trace, video, a picture for each decision, and a summary in words.

    runs/20260131-154500-clean-the-counter/
        trace.jsonl  video.mp4  decisions/01.png ...  summary.md  result.json

Everything is written while the run goes on, so a crash leaves what there was. Nothing that goes wrong in recording ends
a run: it is logged once, told in the summary, and the rest goes on.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import threading
import unicodedata
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.decision import Decision
from saycan.errors import TraceError
from saycan.figure import save_decision
from saycan.parts import describe_parts
from saycan.step import Event, Feedback, Result, Step, Tick
from saycan.summary import Story, as_record, write_summary
from saycan.trace import TraceWriter
from saycan.video import Caption, Video, compose

_log = logging.getLogger(__name__)

_STRIDE = 2
"""Control periods between two frames of the video."""

_VIEWS = ((640, 480), (480, 360), (320, 240))
"""Sizes of the third-person picture, (width, height); a robot that draws slowly is asked for smaller ones."""

_SLOW = 0.1
"""Seconds for one picture; when three in a row take longer, the next smaller size is taken."""

Images = Mapping[str, NDArray[np.uint8]]


class Recorder:
    """Records one run; use as a context manager, or let `watch` be drained to its end.

    Args:
        root: Folder in which the run folder is made.
        instruction: What was asked for; part of the folder's name.
        agent: The agent, whose parts are named in the summary, or just its robot.
        video: Whether to film.

    Attributes:
        folder: The run folder, or where it should have been where it could not be made.
    """

    def __init__(self, root: str | Path, instruction: str, agent: object, *, video: bool = True) -> None:
        robot = getattr(agent, "robot", agent)
        spec = getattr(robot, "spec", None)
        now = datetime.now()
        rate = float(getattr(spec, "rate", 10.0))
        self._agent = agent
        self._story = Story(instruction, describe_parts(agent), rate, now.strftime("%Y-%m-%d %H:%M:%S"))
        self._rate, self._filming = rate, video
        # A simulator's picture of itself is for people only, so it is not among the robot's four verbs.
        self._view: Any = getattr(getattr(robot, "driver", robot), "view", None)
        self._view_size, self._slow_views, self._views = 0, 0, 0
        self._images: Images = {}
        self._pending: Decision | None = None
        self._caption = Caption(instruction)
        self._closed = False
        name = _folder_name(now, instruction)
        self.folder: Path = self._attempt("run folder", lambda: _make_folder(Path(root), name)) or Path(root) / name
        self._trace: TraceWriter | None = self._attempt("trace", self._open_trace)
        self._video: Video | None = None  # belongs to the thread below, as do the figures
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(maxsize=32)
        self._thread = threading.Thread(target=self._work, name="saycan-recorder", daemon=True)
        self._thread.start()

    def watch(
        self, events: Generator[Event, None, Result], over: Callable[[], object] = lambda: None
    ) -> Generator[Event, None, Result]:
        """The same events, each recorded before it is passed on; the result names the run folder, if there is one.

        `over` is called when there is a result: to record it may take a second or two.
        """
        folder = str(self.folder) if self.folder.is_dir() else None
        thrown: BaseException | None = None
        try:
            while True:
                try:
                    event = next(events) if thrown is None else events.throw(thrown)
                except StopIteration as stopped:
                    result: Result = stopped.value
                    return replace(result, folder=folder)
                thrown = None
                if isinstance(event, Result):
                    over()
                    event = replace(event, folder=folder)
                try:
                    self.note(event)  # inside, for Ctrl-C may well come while a picture is being taken
                    if isinstance(event, Result):
                        self.close()  # whoever stops draining at the result finds the folder whole
                    yield event
                except GeneratorExit:
                    raise
                except BaseException as error:  # thrown in by whoever drains: the run itself decides what it means
                    thrown = error
        finally:
            events.close()
            self.close()

    def note(self, event: Event) -> None:
        """Record one event. Never raises."""
        if self._trace is not None and not self._attempt("trace", lambda: self._write_event(event)):
            self._close_trace()
        match event:
            case Decision():
                self._draw_pending()
                self._story.decisions += 1
                self._story.usage += event.usage
                self._pending = event
            case Tick():
                self._note_tick(event)
            case Feedback():
                self._story.feedback.append((len(self._story.steps), event))
                self._caption = replace(self._caption, last=f"{event.source}: {event.text}", outcome="")
            case Step():
                self._draw_pending()
                number = self._story.decisions if event.decision is not None else 0
                self._story.steps.append((number, event))
                message = f" ({event.message})" if event.message else ""
                last = f"{event.index}. {event.skill.phrase}: {event.outcome.value}{message}"
                self._caption = replace(
                    self._caption, doing="deciding", last=last, outcome=event.outcome.value, progress=0.0
                )
                self._do("summary", self._write_summary)
            case Result():
                self._story.result = event
                self._draw_pending()
                self._caption = replace(self._caption, doing=f"{event.end.value}: {event.message}", progress=0.0)
                self._film(self._images, seconds=2.0)

    def close(self) -> None:
        """End every file. Idempotent, raises nothing of its own; Ctrl-C ends the waiting for pictures and film only."""
        if self._closed:
            return
        self._closed = True
        try:
            self._draw_pending()
            self._do("video", self._end_video)
            self._jobs.put(None)
            self._thread.join()
        finally:
            self._close_trace()
            self._story.parts = describe_parts(self._agent)  # a server tells what it can do with its first answer
            if self._story.result is not None:
                self._attempt("result", self._write_result)
            self._attempt("summary", self._write_summary)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _note_tick(self, tick: Tick) -> None:
        self._images = tick.observation.images
        self._caption = replace(self._caption, progress=tick.index / max(1, tick.limit))
        decision, step = self._pending, len(self._story.steps) + 1
        if decision is not None and decision.chosen is not None:
            scores = f"say {decision.say[decision.chosen]:.2f} \u00d7 can {decision.can[decision.chosen]:.2f}"
            self._caption = replace(self._caption, doing=f"{step}. {tick.skill.phrase}   {scores}")
            self._draw_pending()
            self._film(self._images, seconds=1.0)
        elif tick.index % _STRIDE == 0:
            doing = f"{step}. {tick.skill.phrase}   {tick.index / self._rate:.0f} s"
            self._caption = replace(self._caption, doing=doing)
            self._film(self._images)

    def _draw_pending(self) -> None:
        """Draw the newest decision with what the cameras saw when it began to be carried out."""
        decision, self._pending = self._pending, None
        if decision is None:
            return
        number, images, instruction = (
            self._story.decisions,
            self._images or self._third_person(),
            self._story.instruction,
        )
        path = self.folder / "decisions" / f"{number:02d}.png"
        self._do("decision", lambda: save_decision(path, decision, images, instruction=instruction, step=number))

    def _film(self, images: Images, seconds: float = 0.0) -> None:
        """One frame, shown for a moment where it is worth one."""
        if not self._filming:
            return
        picture = self._third_person().get("view")
        if picture is None and not images:
            return
        fps = self._rate / _STRIDE
        caption, repeat = self._caption, max(1, round(seconds * fps))

        def film() -> None:
            if self._filming:
                self._video = self._video or Video(self.folder / "video.mp4", fps)
                frame = compose(picture, images, caption)
                for _ in range(repeat):
                    self._video.write(frame)

        self._do("video", film)

    def _write_event(self, event: Event) -> bool:
        if self._trace is not None:
            self._trace.write(event)
        return True

    def _close_trace(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            self._attempt("trace", trace.close)

    def _end_video(self) -> None:
        if self._video is not None:
            self._video.close()

    def _third_person(self) -> Images:
        if not callable(self._view):
            return {}
        began = perf_counter()
        picture = self._attempt("view", lambda: np.array(self._view(*_VIEWS[self._view_size])))
        if picture is None:
            self._view = None
            return {}
        self._views += 1
        # The first picture pays for making the renderer, and any single one may be slow for reasons of its own.
        self._slow_views = self._slow_views + 1 if self._views > 1 and perf_counter() - began > _SLOW else 0
        if self._slow_views == 3 and self._view_size + 1 < len(_VIEWS):
            self._view_size, self._slow_views = self._view_size + 1, 0
        return {"view": picture}

    def _do(self, what: str, job: Callable[[], object]) -> None:
        """Hand a job to the recording thread, in order; waits when that is far behind."""
        if self.folder.is_dir():
            self._jobs.put(lambda: self._attempt(what, job))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _attempt(self, what: str, job: Callable[[], Any]) -> Any:
        """What the job returns; None when it fails, which is logged once for each kind of recording."""
        try:
            return job()
        except Exception as error:
            if what == "video":
                self._filming = False
            text = f"{what}: {error or type(error).__name__}"
            if not any(problem.startswith(f"{what}:") for problem in self._story.problems):
                self._story.problems.append(text)
                _log.warning("not recorded: %s; the run goes on", text)
            return None

    def _open_trace(self) -> TraceWriter:
        story = self._story
        header = {"instruction": story.instruction, "began": story.began, "rate": story.rate}
        return TraceWriter(self.folder / "trace.jsonl", header | {"parts": [asdict(part) for part in story.parts]})

    def _write_summary(self) -> None:
        files = [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()]
        _write(self.folder / "summary.md", write_summary(self._story, files))

    def _write_result(self) -> None:
        if self._story.result is not None:
            record = as_record(self._story.result) | {"not_recorded": self._story.problems}
            _write(self.folder / "result.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    """Replace a file at once, so that nobody ever finds half of it."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _make_folder(root: Path, name: str) -> Path:
    for attempt in range(1, 1000):
        folder = root / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if folder.is_dir():
                continue
            raise
        (folder / "decisions").mkdir()
        return folder
    raise TraceError(f"a thousand folders {root / name} exist already; choose another place for run folders")


def _folder_name(now: datetime, instruction: str) -> str:
    plain = unicodedata.normalize("NFKD", instruction).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-")
    return f"{now:%Y%m%d-%H%M%S}-{slug or 'run'}"
