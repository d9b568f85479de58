"""What a person sees of a run while it goes on; the CLI and the REPL show the same.

Events are folded into a view: `take` returns what stays on the screen (a decision's table, a step's outcome), the view
itself is what changes (what is being done now, with a progress bar).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from time import perf_counter

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from saycan.decision import Decision
from saycan.step import Event, Feedback, Result, Step, Tick
from saycan.tables import bar, decision_table, feedback_line, result_line, step_line


class RunView:
    """The state of the view of one run.

    Args:
        instruction: What was asked for; empty where one skill was named.
        rate: Control rate of the robot in Hz, for times on its clock.
        options: How many of the leading options to show.
    """

    def __init__(self, instruction: str, rate: float = 10.0, options: int = 5) -> None:
        self.instruction, self.rate, self.options = instruction, rate, options
        self._steps = 0
        self._tick: Tick | None = None
        self._paused = False
        self._since = perf_counter()
        self._spinner = Spinner("dots", style="cyan")

    def take(self, event: Event) -> list[RenderableType]:
        """Fold one event in; returns what shall stay on the screen, in order."""
        if isinstance(event, Tick):
            self._tick = event
            return []
        self._tick, self._since = None, perf_counter()
        match event:
            case Decision():
                return [Text(""), decision_table(event, self.options, f"step {self._steps + 1}")]
            case Step():
                self._steps += 1
                return [step_line(event, self.rate)]
            case Feedback():
                return [feedback_line(event)]
            case Result():
                return [Text(""), result_line(event)]

    def pause(self, paused: bool) -> None:
        """Say that the robot is held until somebody decides how to go on."""
        self._paused = paused

    def __rich__(self) -> RenderableType:
        if self._paused:
            doing = f" in the middle of: {self._tick.skill.phrase}" if self._tick else " before its next decision"
            return Text.assemble(("  held", "bold yellow"), (doing, "dim"))
        if self._tick is None:
            seconds = perf_counter() - self._since
            self._spinner.update(text=Text(f"deciding step {self._steps + 1}  {seconds:.0f} s", style="dim"))
            return self._spinner
        tick = self._tick
        line = Text("  ")
        line.append(bar(tick.index / max(1, tick.limit), 24), "cyan")
        line.append(f"  {tick.skill.phrase}", "bold")
        line.append(f"  {tick.index / self.rate:.1f} of at most {tick.limit / self.rate:.0f} s", "dim")
        return line


def show_run(events: Generator[Event, None, Result], view: RunView, console: Console) -> Result:
    """Drain a run onto a console; on anything but a terminal it prints plain lines as they come.

    Closes `events`, and so holds the robot, on every way out.
    """
    with closing(events):
        if not console.is_terminal:
            return _drain(events, view, console)
        with Live(view, console=console, refresh_per_second=10, transient=True):
            return _drain(events, view, console)


def _drain(events: Generator[Event, None, Result], view: RunView, console: Console) -> Result:
    while True:
        try:
            event = next(events)
        except StopIteration as stopped:
            result: Result = stopped.value
            return result
        for lasting in view.take(event):
            console.print(lasting, highlight=False, soft_wrap=not console.is_terminal)
