"""What is printed for a person at a terminal: a decision, a step, a result, a library of skills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saycan.catalogue import Choice
from saycan.decision import Decision
from saycan.figure import format_score
from saycan.privileged import PrivilegedState
from saycan.skill import Skill
from saycan.step import EndState, Feedback, Outcome, Result, Step

_OUTCOME = {
    Outcome.SUCCEEDED: ("\u2713", "green"),
    Outcome.FAILED: ("\u2717", "red"),
    Outcome.TIMED_OUT: ("\u2717", "yellow"),
    Outcome.STOPPED: ("\u25a0", "yellow"),
}
_BAR = 6
"""Characters of a score's bar: the longest phrase of the kitchen fits beside three of them in 80 columns."""

_SAY, _CAN, _PRODUCT = "blue", "dark_orange", "bold"


def decision_table(decision: Decision, options: int = 5, title: str = "") -> RenderableType:
    """The leading options with say, can and their product as bars; the chosen one is marked."""
    shown = decision.shown(options)
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column(Text(title, style="bold"), no_wrap=True, min_width=24, overflow="ellipsis")
    for name, colour in (("say", _SAY), ("can", _CAN), ("say \u00d7 can", _PRODUCT)):
        table.add_column(Text(name, style=colour), no_wrap=True, min_width=_BAR + 6)
    for index in shown:
        chosen = index == decision.chosen
        phrase = Text(("\u25b8 " if chosen else "  ") + decision.skills[index].phrase, "bold green" if chosen else "")
        table.add_row(
            phrase,
            _score(decision.say[index], _SAY),
            _score(decision.can[index], _CAN),
            _score(decision.combined[index], _PRODUCT),
        )
    below = [Text("  nothing is worth trying", style="yellow")] if decision.chosen is None else []
    if decision.refusal:
        below = [Text(f"  the language model declined: {decision.refusal}", style="yellow")]
    if decision.usage.requests:
        below.append(Text(f"  {decision.model}: {decision.usage}", style="dim"))
    if decision.note:
        below.append(Text(f"  {decision.note}", style="dim"))
    return Group(table, *below) if below else table


def step_line(step: Step, rate: float) -> RenderableType:
    """How one step ended."""
    sign, colour = _OUTCOME[step.outcome]
    line = Text.assemble((f"{sign} {step.index}. {step.skill.phrase}: {step.outcome.value}", colour))
    if step.message and step.message != step.outcome.value:
        line.append(f"  {' '.join(step.message.split())}")
    line.append(f"  {step.ticks / rate:.1f} s of robot time in {step.seconds:.1f} s", "dim")
    return line


def feedback_line(feedback: Feedback) -> RenderableType:
    """What the planner was told."""
    return Text.assemble((f"  {feedback.source} says: ", "magenta"), feedback.text)


def result_line(result: Result) -> RenderableType:
    """How the run ended, by the agent's own word."""
    good = result.end is EndState.FINISHED
    line = Text.assemble((result.end.value, "bold green" if good else "bold red"))
    if result.message and result.message != result.end.value:
        line.append(f": {' '.join(result.message.split())}")
    steps = f"{len(result.steps)} step{'' if len(result.steps) == 1 else 's'}"
    line.append(f"  {steps}, {result.seconds:.1f} s, {result.seconds_deciding:.1f} s of it deciding", "dim")
    return line


def skill_table(skills: Iterable[Skill]) -> RenderableType:
    """What can be asked for, phrases that differ in their objects and places alone taken together."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title, style in (("phrase", "bold"), ("phrases", ""), ("kind", "dim")):
        table.add_column(title, style=style, justify="right" if title == "phrases" else "left")
    counts: Counter[tuple[str, str]] = Counter()
    objects: dict[str, None] = {}
    places: dict[str, None] = {}
    for skill in skills:
        text = skill.phrase
        for name, hole, found in ((skill.object, "OBJECT", objects), (skill.place, "PLACE", places)):
            if name and name in text:
                found[name] = None
                text = text.replace(name, hole)
        counts[text, skill.verb] += 1
    for (text, verb), count in counts.items():
        table.add_row(Text(text), str(count), Text(verb))
    below = [Text(""), Text(f"{counts.total()} phrases in all")]
    for hole, found in (("OBJECT", objects), ("PLACE", places)):
        if found:
            below.append(Text.assemble((hole, "bold"), f" is one of: {', '.join(found)}"))
    return Group(table, *below)


def scene_table(state: PrivilegedState) -> RenderableType:
    """What is where, by the simulator's own state."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("place", style="bold", no_wrap=True)
    table.add_column("what is there")
    drawers = {drawer.name: drawer for drawer in state.drawers}
    for name in state.places:
        there = [thing.id for thing in state.objects if thing.place == name and not thing.held]
        spill = state.spill_at(name)
        if spill is not None:
            there.append(f"a spill ({len(spill.cells)} of {spill.total} cells left)")
        if name in drawers:
            there.append(f"{drawers[name].opening / drawers[name].travel:.0%} open")
        table.add_row(("\u25b8 " if name == state.robot_place else "  ") + name, ", ".join(there) or "-")
    astray = [thing.id for thing in state.objects if thing.place is None and not thing.held]
    lines = [Text(f"in the gripper: {state.held or 'nothing'}")]
    if astray:
        lines.append(Text(f"elsewhere: {', '.join(astray)}"))
    lines.append(Text("by the simulator's own state, which the learned parts never see", "dim"))
    return Group(table, *lines)


def bar(fraction: float, width: int) -> str:
    """A bar of exactly `width` characters, filled to eighths of a character."""
    filled = min(max(fraction if math.isfinite(fraction) else 0.0, 0.0), 1.0) * width
    whole = int(filled)
    part = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"[int((filled - whole) * 8)] if whole < width else ""
    return ("\u2588" * whole + part).ljust(width)


def choice_table(title: str, choices: Iterable[Choice]) -> RenderableType:
    """What can be chosen, and where it comes from."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(Text(title, style="bold"), no_wrap=True)
    table.add_column("from", style="dim", no_wrap=True)
    table.add_column("")
    for choice in choices:
        table.add_row(Text(choice.name), choice.source, Text(choice.about))
    return table


def _score(value: float, colour: str) -> Text:
    return Text.assemble((bar(float(value), _BAR), colour), f" {format_score(float(value)):<5}")
