"""A run on disk: one JSON line for every event, readable up to the last whole line whatever happened to the writer.

    {"type": "trace", "version": 1, "saycan": "0.1.0", "header": {...}}
    {"type": "skills", "skills": [[phrase, verb, object, place, seconds], ...]}   before the first event that needs it
    {"type": "decision" | "tick" | "step" | "feedback" | "result", "t": seconds since the trace began, ...}

Skills are referred to by phrase. Images are not stored: a tick keeps the proprioception and the action. Numbers have
six significant digits, those that are not finite are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan._version import __version__
from saycan.action import Action
from saycan.decision import Decision
from saycan.errors import TraceError
from saycan.observation import Observation
from saycan.skill import Skill
from saycan.step import EndState, Event, Feedback, Outcome, Result, Step, Tick
from saycan.usage import Usage

TRACE_VERSION = 1
"""Raised when a reader of the old version could not make sense of the new one."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What was read from a trace file.

    Attributes:
        version: TRACE_VERSION of its writer.
        header: What the writer said about the run: instruction, robot, parts.
        events: In order. Observations have no images; steps and the result are joined up again with what they hold.
        times: Seconds since the trace began, one for each event.
        whole: Whether the last line was complete; False after a crash in the middle of one.
    """

    version: int
    header: Mapping[str, Any]
    events: tuple[Event, ...]
    times: tuple[float, ...] = field(default=())
    whole: bool = True

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Its decisions, in order."""
        return tuple(event for event in self.events if isinstance(event, Decision))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its steps, in order."""
        return tuple(event for event in self.events if isinstance(event, Step))

    @property
    def result(self) -> Result | None:
        """How the run ended; None when the writer did not get there."""
        return next((event for event in reversed(self.events) if isinstance(event, Result)), None)


class TraceWriter:
    """Appends events to a new file, each as one line that is on its way to the disk before `write` returns.

    Args:
        path: The file; its folder must exist, the file must not.
        header: Anything about the run that JSON can hold.

    Raises:
        TraceError: It cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any] | None = None) -> None:
        self.path = Path(path)
        self._known: dict[str, Skill] = {}
        self._began = perf_counter()
        try:
            # Unbuffered: a line is handed over in one system call, and no half of one waits in the process.
            self._file = self.path.open("xb", buffering=0)
        except OSError as error:
            raise TraceError(f"cannot write the trace {self.path}: {error.strerror or error}") from error
        self._line({"type": "trace", "version": TRACE_VERSION, "saycan": __version__, "header": _plain(header or {})})

    def write(self, event: Event) -> None:
        """Append one event. Raises TraceError."""
        encoded = _encode(event)
        self._define(_skills_of(event))
        self._line({"type": encoded.pop("type"), "t": round(perf_counter() - self._began, 4), **encoded})

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._file.close()

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _define(self, skills: Iterable[Skill]) -> None:
        new = [skill for skill in skills if self._known.get(skill.phrase) != skill]
        if new:
            self._known.update((skill.phrase, skill) for skill in new)
            rows = [[skill.phrase, skill.verb, skill.object, skill.place, skill.seconds] for skill in new]
            self._line({"type": "skills", "skills": rows})

    def _line(self, record: Mapping[str, Any]) -> None:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        try:
            # A lone surrogate in somebody's text is no reason to lose the line.
            rest = memoryview(text.encode("utf-8", "backslashreplace") + b"\n")
            while rest:  # a disk that is filling up takes a part, then raises
                rest = rest[self._file.write(rest) :]
        except (OSError, ValueError) as error:
            raise TraceError(f"cannot write to the trace {self.path}: {error}") from error


def read_trace(path: str | Path) -> Trace:
    """A trace file, up to its last whole line. Raises TraceError that names the line which makes no sense."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TraceError(f"cannot read the trace {path}: {error.strerror or error}") from error
    lines = raw.split(b"\n")
    whole = lines.pop() == b""  # what stands behind the last line end
    if not lines:
        raise TraceError(f"{path} is not a trace: it has no whole line")
    first = _parse(path, 1, lines[0])
    version, header = first.get("version"), first.get("header")
    if first.get("type") != "trace" or not isinstance(version, int) or not isinstance(header, dict):
        raise TraceError(f"{path} is not a trace: its first line is {lines[0][:80]!r}")
    if version > TRACE_VERSION:
        raise TraceError(
            f"{path} has trace version {version}, this is saycan {__version__}, which reads up to {TRACE_VERSION}; "
            "read it with a newer saycan"
        )
    reader = _Reader()
    for number, line in enumerate(lines[1:], start=2):
        record = _parse(path, number, line)
        try:
            reader.take(record)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise TraceError(f"{path}, line {number}: {type(error).__name__}: {error} in {line[:80]!r}") from error
    return Trace(version, header, tuple(reader.events), tuple(reader.times), whole)


def _parse(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise TraceError(f"{path}, line {number} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise TraceError(f"{path}, line {number} is not a JSON object: {line[:80]!r}")
    return record


def _skills_of(event: Event) -> Iterable[Skill]:
    if isinstance(event, Decision):
        return event.skills
    return (event.skill,) if isinstance(event, Tick | Step) else ()


def _encode(event: Event) -> dict[str, Any]:
    match event:
        case Tick():
            seen = event.observation
            return {
                "type": "tick",
                "skill": event.skill.phrase,
                "index": event.index,
                "limit": event.limit,
                "time": _number(seen.time, digits=12),
                "joints": _numbers(seen.joints),
                "gripper": _number(seen.gripper),
                "ee": _numbers([*seen.ee_position, *seen.ee_quaternion]),
                "base": _numbers(seen.base_pose),
                "action": _numbers(event.action.to_vector()),
            }
        case Decision():
            return {
                "type": "decision",
                "chosen": event.chosen,
                "phrase": event.skill.phrase if event.skill else None,
                "skills": [skill.phrase for skill in event.skills],
                "say": _numbers(event.say),
                "can": _numbers(event.can),
                "combined": _numbers(event.combined),
                "log_say": _numbers(event.log_say),
                "prompt": event.prompt,
                "seconds_say": _number(event.seconds_say),
                "seconds_can": _number(event.seconds_can),
                "model": event.model,
                "usage": asdict(event.usage),
                "refusal": event.refusal,
                "note": event.note,
            }
        case Step():
            return {
                "type": "step",
                "index": event.index,
                "skill": event.skill.phrase,
                "outcome": event.outcome.value,
                "message": event.message,
                "ticks": event.ticks,
                "seconds": _number(event.seconds),
                "decided": event.decision is not None,
            }
        case Feedback():
            return {"type": "feedback", "source": event.source, "text": event.text}
        case Result():
            return {
                "type": "result",
                "instruction": event.instruction,
                "end": event.end.value,
                "message": event.message,
                "plan": list(event.plan),
                "seconds": _number(event.seconds),
                "seconds_deciding": _number(event.seconds_deciding),
                "folder": event.folder,
            }
        case _:
            raise TraceError(f"not an event: {type(event).__name__}; valid: Decision, Tick, Step, Feedback, Result")


class _Reader:
    """Turns records into events, joining up what the writer took apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self._skills: dict[str, Skill] = {}
        self._decision: Decision | None = None
        self._steps: list[Step] = []

    def take(self, record: dict[str, Any]) -> None:
        if record["type"] == "skills":
            self._skills.update((row[0], Skill(*row)) for row in record["skills"])
            return
        event = self._event(record)
        self.events.append(event)
        self.times.append(float(record["t"]))

    def _event(self, record: dict[str, Any]) -> Event:
        match record["type"]:
            case "tick":
                ee = _array(record["ee"])
                seen = Observation(
                    float(record["time"]), {}, _array(record["joints"]), float(record["gripper"]),
                    ee[:3], ee[3:], _array(record["base"]),
                )  # fmt: skip
                action = Action.from_vector(_array(record["action"]))
                return Tick(self._skills[record["skill"]], record["index"], record["limit"], seen, action)
            case "decision":
                self._decision = Decision(
                    tuple(self._skills[phrase] for phrase in record["skills"]),
                    _array(record["say"]), _array(record["can"]), _array(record["combined"]),
                    _array(record["log_say"]), record["chosen"], record["prompt"],
                    float(record["seconds_say"]), float(record["seconds_can"]),
                    record.get("model", ""), Usage(**record.get("usage", {})), record.get("refusal", ""),
                    record.get("note", ""),
                )  # fmt: skip
                return self._decision
            case "step":
                step = Step(
                    record["index"], self._skills[record["skill"]], Outcome(record["outcome"]), record["message"],
                    record["ticks"], float(record["seconds"]), self._decision if record["decided"] else None,
                )  # fmt: skip
                self._steps.append(step)
                return step
            case "feedback":
                return Feedback(record["source"], record["text"])
            case "result":
                result = Result(
                    record["instruction"], EndState(record["end"]), record["message"],
                    seconds=float(record["seconds"]), seconds_deciding=float(record["seconds_deciding"]),
                    folder=record["folder"],
                )  # fmt: skip
                return replace(result, steps=tuple(self._steps))
            case kind:
                raise ValueError(f"unknown type of line {kind!r}")


def _number(value: float, digits: int = 6) -> float | str:
    number = float(value)
    return float(f"{number:.{digits}g}") if math.isfinite(number) else str(number)


def _numbers(values: Iterable[float]) -> list[float | str]:
    return [_number(value) for value in values]


def _array(values: list[float | str]) -> NDArray[np.float64]:
    return np.array([float(value) for value in values])


def _plain(value: Any) -> Any:
    """A header's value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    return _number(value) if isinstance(value, float) else str(value)
