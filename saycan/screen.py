"""Where commands write, and how they say what went wrong."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from saycan.errors import BadInputError, SayCanError

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True)
class Screen:
    """Where a command writes: what it was asked for, and what went wrong."""

    out: Console
    err: Console

    @property
    def aside(self) -> Console:
        """For remarks in mid-run: beside the live view on a terminal, else kept out of the output."""
        return self.out if self.out.is_terminal else self.err

    def bar(self) -> Progress:
        """For what takes long and can be counted."""
        from rich import progress

        columns = (
            progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(), progress.TimeRemainingColumn(),
        )  # fmt: skip
        return progress.Progress(*columns, console=self.out)


@contextmanager
def telling(traceback: bool) -> Iterator[Screen]:
    """Turn whatever goes wrong into one line on stderr and an exit code, unless the traceback was asked for.

    What stdout has no character for, as a file or pipe on Windows for check marks, is written as "?".
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # stderr escapes such characters by itself
    screen = Screen(Console(soft_wrap=not sys.stdout.isatty()), Console(stderr=True, soft_wrap=not sys.stderr.isatty()))
    try:
        with _quiet(screen.aside):
            yield screen
    except (typer.Exit, typer.Abort):
        raise
    except KeyboardInterrupt:
        screen.err.print("interrupted", style="yellow")
        raise typer.Exit(130) from None
    except SayCanError as error:
        if traceback:
            raise
        screen.err.print(Text.assemble(("error: ", "bold red"), str(error)))
        raise typer.Exit(2 if isinstance(error, BadInputError) else 1) from None
    except Exception as error:
        if traceback:
            raise
        what = f"{type(error).__name__}: {error}"
        line = Text.assemble(("error in saycan itself: ", "bold red"), what, "; --traceback shows where")
        screen.err.print(line)
        raise typer.Exit(1) from None


@contextmanager
def _quiet(aside: Console) -> Iterator[None]:
    """Our own warnings are shown as lines; the chatter of libraries is not."""
    from rich.logging import RichHandler

    ours = logging.getLogger("saycan")
    handler, before = RichHandler(console=aside, show_time=False, show_path=False, markup=False), ours.propagate
    ours.addHandler(handler)
    ours.propagate = False
    logging.captureWarnings(True)
    chatter = logging.getLogger("py.warnings")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        ours.propagate = before
        logging.captureWarnings(False)
        chatter.setLevel(level)
