"""The words of a run folder: summary.md for people, result.json for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from saycan.decision import Decision
from saycan.figure import format_score
from saycan.parts import Part, privileged_notice
from saycan.step import Feedback, Result, Step
from saycan.usage import Usage


@dataclass
class Story:
    """What has been seen of a run so far.

    Attributes:
        instruction: What was asked for.
        parts: What the agent is made of.
        rate: Control rate of the robot, Hz.
        began: Date and time at which the run began, for people.
        steps: What was done, each with the number of its decision (0 where a person named the skill).
        decisions: How many decisions there were.
        feedback: What the planner was told, each with the number of steps done before it.
        result: How it ended; None while it runs, and after a crash.
        usage: What the decisions have cost.
        problems: What could not be recorded.
    """

    instruction: str
    parts: tuple[Part, ...] = ()
    rate: float = 10.0
    began: str = ""
    steps: list[tuple[int, Step]] = field(default_factory=list)
    decisions: int = 0
    feedback: list[tuple[int, Feedback]] = field(default_factory=list)
    result: Result | None = None
    usage: Usage = field(default_factory=Usage)
    problems: list[str] = field(default_factory=list)


def write_summary(story: Story, files: Sequence[str] = ()) -> str:
    """A run as Markdown.

    Args:
        story: The run.
        files: Names of the files in the run folder that exist and can be linked.
    """
    result = story.result
    lines = [f"# {_cell(story.instruction)}", ""]
    if result is None:
        lines += ["**not ended**: this run is still going on, or it was cut off.", ""]
    else:
        acting = max(0.0, result.seconds - result.seconds_deciding)
        why = f": {_cell(result.message)}" if result.message not in ("", result.end.value) else ""
        lines += [f"**{result.end.value}**{why}", ""]
        lines += [
            f"{len(result.steps)} steps in {result.seconds:.1f} s on the wall clock: {result.seconds_deciding:.1f} s "
            f"deciding, {acting:.1f} s acting and recording.",
            "",
        ]
    if story.usage:
        lines += [f"The language model took {story.usage}.", ""]
    if story.began:
        lines += [f"Began {story.began}.", ""]
    if "video.mp4" in files:
        lines += ["[Video](video.mp4)", ""]
    lines += ["## Steps", ""]
    lines += ["| step | skill | say | can | outcome | robot time | wall clock | message | decision |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for number, step in story.steps:
        lines.append(_row(story, number, step, files))
    if not story.steps:
        lines.append("| - | nothing was done | | | | | | | |")
    if story.decisions > len(story.steps):
        last = f"decisions/{story.decisions:02d}.png"
        lines += ["", f"Last decision: [{last}]({last})" if last in files else "The last decision led to no step."]
    if story.feedback:
        lines += ["", "## Told on the way", ""]
        lines += [f"- after step {after}, {note.source}: {_cell(note.text)}" for after, note in story.feedback]
    if story.parts:
        lines += ["", "## Made of", "", "| part | name |", "| --- | --- |"]
        lines += [
            f"| {part.role} | {_cell(part.name)}{' (privileged)' if part.privileged else ''}"
            f"{f' ({_cell(part.approximation)})' if part.approximation else ''} |"
            for part in story.parts
        ]
        notice = privileged_notice(story.parts)
        if notice:
            lines += ["", f"{notice[0].upper()}{notice[1:]}; no real robot has it."]
    if story.problems:
        lines += ["", "## Not recorded", "", *(f"- {_cell(problem)}" for problem in story.problems)]
    rest = [name for name in files if name in ("trace.jsonl", "result.json")]
    if rest:
        lines += ["", "Also here: " + ", ".join(f"[{name}]({name})" for name in rest) + "."]
    return "\n".join(lines) + "\n"


def as_record(result: Result) -> dict[str, Any]:
    """A result as plain data: what result.json and `saycan run --json` hold."""
    return {
        "instruction": result.instruction,
        "end": result.end.value,
        "message": result.message,
        "plan": list(result.plan),
        "seconds": round(result.seconds, 3),
        "seconds_deciding": round(result.seconds_deciding, 3),
        "folder": result.folder,
        "steps": [
            {
                "index": step.index,
                "skill": step.skill.phrase,
                "outcome": step.outcome.value,
                "message": step.message,
                "ticks": step.ticks,
                "seconds": round(step.seconds, 3),
                "say": _score(step.decision, "say"),
                "can": _score(step.decision, "can"),
            }
            for step in result.steps
        ],
    }


def _row(story: Story, number: int, step: Step, files: Sequence[str]) -> str:
    picture = f"decisions/{number:02d}.png"
    say, can = _score(step.decision, "say"), _score(step.decision, "can")
    cells = (
        str(step.index),
        step.skill.phrase,
        "" if say is None else format_score(say),
        "" if can is None else format_score(can),
        step.outcome.value,
        f"{step.ticks / story.rate:.1f} s ({step.ticks} ticks)",
        f"{step.seconds:.1f} s",
        step.message,
        f"[{number:02d}]({picture})" if picture in files else "",
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _score(decision: Decision | None, name: str) -> float | None:
    if decision is None or decision.chosen is None:
        return None
    return float(getattr(decision, name)[decision.chosen])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
