from __future__ import annotations

import json
import math

import numpy as np
import pytest

from saycan.action import Action
from saycan.decision import Decision
from saycan.errors import TraceError
from saycan.observation import Observation
from saycan.skill import DONE, Skill
from saycan.step import EndState, Feedback, Outcome, Result, Step, Tick
from saycan.trace import TRACE_VERSION, TraceWriter, read_trace

WAVE = Skill("wave", "wave", seconds=3.0)
BOW = Skill("bow to the operator", "bow", place="operator")


def decision(chosen: int | None = 0) -> Decision:
    return Decision(
        (WAVE, BOW, DONE),
        np.array([0.9, 1e-30, 0.1]),
        np.array([0.5, math.nan, 0.2]),
        np.array([0.9, 0.0, 0.1]),
        np.array([-0.1, -math.inf, -2.3]),
        chosen,
        "a prompt\nof two lines",
        0.25,
        0.001,
        note="3 of 9 skills scored",
    )


def tick(index: int = 1) -> Tick:
    image = {"head": np.zeros((4, 4, 3), np.uint8)}
    seen = Observation(
        1738000000.123456, image, np.array([0.1, 0.2]), 0.5, np.array([0.47, 0, 1.14]), np.array([1.0, 0, 0, 0]),
        np.array([1.0, 2.0, 1 / 3]),
    )  # fmt: skip
    return Tick(WAVE, index, 30, seen, Action([1 / 3, 0, 0, 0, 0, 0], 0.25, [0, 0.01, 0], True))


@pytest.fixture
def events():
    first = decision()
    step = Step(1, WAVE, Outcome.FAILED, "fell over: über", 1, 0.1, first)
    result = Result("greet \U0001f44b", EndState.STUCK, "no way", (step,), 2.5, 0.3)
    return [Feedback("human", "hurry"), first, tick(), step, decision(None), result]


@pytest.fixture
def path(tmp_path, events):
    path = tmp_path / "trace.jsonl"
    header = {"instruction": "greet", "rate": 10.0, "parts": [{"role": "say"}], "odd": math.nan}
    with TraceWriter(path, header) as writer:
        for event in events:
            writer.write(event)
    return path


def test_what_is_written_is_read_again(path, events) -> None:
    trace = read_trace(path)
    assert (trace.version, trace.whole) == (TRACE_VERSION, True)
    assert trace.header["instruction"] == "greet" and trace.header["parts"] == [{"role": "say"}]
    assert [type(event) for event in trace.events] == [type(event) for event in events]

    first = trace.decisions[0]
    assert first.skills == (WAVE, BOW, DONE) and first.skill == WAVE
    np.testing.assert_array_equal(first.log_say, [-0.1, -math.inf, -2.3])
    np.testing.assert_array_equal(first.can, [0.5, math.nan, 0.2])
    np.testing.assert_array_equal(first.say, [0.9, 1e-30, 0.1])
    assert first.prompt == "a prompt\nof two lines"
    assert (first.note, first.refusal) == ("3 of 9 skills scored", "")
    assert trace.decisions[1].chosen is None

    seen = trace.events[2].observation
    assert seen.time == pytest.approx(1738000000.12, abs=1e-2)
    np.testing.assert_allclose(seen.proprioception(), tick().observation.proprioception(), rtol=1e-5)
    np.testing.assert_allclose(trace.events[2].action.to_vector(), tick().action.to_vector(), rtol=1e-5)
    assert seen.images == {}

    (step,) = trace.steps
    assert (step.outcome, step.message, step.decision) == (Outcome.FAILED, "fell over: über", first)
    assert trace.result.end is EndState.STUCK
    assert trace.result.steps == (step,) and trace.result.plan == ("wave",)
    assert len(trace.times) == len(trace.events)


def test_every_line_is_strict_json(path) -> None:
    def refuse(word):
        raise AssertionError(word)

    for line in path.read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)


def test_every_event_is_on_the_disk_before_the_next(tmp_path, events) -> None:
    writer = TraceWriter(tmp_path / "t.jsonl")
    for count, event in enumerate(events, start=1):
        writer.write(event)
        assert len(read_trace(tmp_path / "t.jsonl").events) == count
    writer.close()


def test_a_crash_in_the_middle_of_a_line_costs_that_line_only(path) -> None:
    raw = path.read_bytes()
    whole = read_trace(path)
    last = raw.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last + 1, last + 20, len(raw) - 1):
        path.write_bytes(raw[:cut])
        trace = read_trace(path)
        assert not trace.whole and trace.result is None
        assert len(trace.events) == len(whole.events) - 1


def test_skills_are_written_once(path) -> None:
    kinds = [json.loads(line)["type"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert kinds.count("skills") == 1


def test_a_lone_surrogate_does_not_cost_the_trace(tmp_path) -> None:
    with TraceWriter(tmp_path / "t.jsonl") as writer:
        writer.write(Feedback("human", "odd \ud800 text"))
    assert "odd" in read_trace(tmp_path / "t.jsonl").events[0].text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has no whole line"),
        (b"hello\n", "line 1 is not JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"a": 1}\n', "is not a trace"),
        (b'{"type":"trace","version":99,"header":{}}\n', "trace version 99.*newer saycan"),
        (b'{"type":"trace","version":1,"header":{}}\n{"type":"dance","t":0}\n', "line 2: .*unknown type"),
        (b'{"type":"trace","version":1,"header":{}}\n{"type":"step","t":0}\n', "line 2: KeyError"),
        (b'{"type":"trace","version":1,"header":{}}\n\xff\n', "line 2 is not JSON"),
    ],
)
def test_what_is_no_trace_is_told(tmp_path, content, message) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(TraceError, match=message):
        read_trace(path)


def test_files_that_cannot_be_had_are_told(tmp_path, path) -> None:
    with pytest.raises(TraceError, match="cannot read"):
        read_trace(tmp_path / "missing.jsonl")
    with pytest.raises(TraceError, match=r"cannot write.*exists"):
        TraceWriter(path)
    with pytest.raises(TraceError, match="cannot write"):
        TraceWriter(tmp_path / "missing" / "t.jsonl")
    writer = TraceWriter(tmp_path / "t.jsonl")
    writer.close()
    writer.close()
    with pytest.raises(TraceError, match="cannot write"):
        writer.write(Feedback("human", "too late"))


def test_only_events_are_written(tmp_path) -> None:
    with TraceWriter(tmp_path / "t.jsonl") as writer, pytest.raises(TraceError, match="not an event: str"):
        writer.write("hello")
