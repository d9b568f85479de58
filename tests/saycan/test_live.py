from __future__ import annotations

import io

import pytest
from rich.console import Console

from saycan.action import Action
from saycan.live import RunView, show_run
from saycan.skill import Skill
from saycan.step import Feedback, Tick
from saycan.tables import bar
from tests.saycan.events import make_observation, make_run


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    result = show_run(make_run(ticks=5), RunView("clean the table"), console)
    text = printed(console)
    assert result.message == "the planner chose done"
    assert "\x1b" not in text
    order = [
        "step 1",
        "\u25b8 find the sponge",
        "\u2713 1. find the sponge: succeeded",
        "human says: the blue one",
        "step 2",
        "\u2717 2. pick up the sponge: failed  it | slipped",
        "step 3",
        "\u25b8 done",
        "finished: the planner chose done",
    ]
    positions = [text.index(part) for part in order]
    assert positions == sorted(positions)
    row = next(line for line in text.splitlines() if "\u25b8 find the sponge" in line)
    assert [word for word in row.split() if word.replace(".", "").isdigit()] == ["0.75", "1.00", "0.82"]


def test_a_terminal_shows_progress_and_ends_with_the_same_lines() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    show_run(make_run(ticks=5), RunView("clean the table"), console)
    assert "finished: the planner chose done" in printed(console)


def test_the_view_tells_what_is_being_done_and_how_far_it_is() -> None:
    view = RunView("go", rate=10.0)
    console = Console(file=io.StringIO(), width=100)
    console.print(view)
    view.take(Tick(Skill("wave", "wave"), 50, 100, make_observation(), Action()))
    console.print(view)
    view.pause(True)
    console.print(view)
    deciding, waving, held = printed(console).splitlines()
    assert "deciding step 1" in deciding
    assert "wave" in waving
    assert "5.0 of at most 10 s" in waving
    assert waving.count("\u2588") == 12
    assert held.strip() == "held in the middle of: wave"


def test_draining_closes_the_run_when_the_screen_fails() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("gone")

    events = make_run()
    with pytest.raises(OSError, match="gone"):
        show_run(events, RunView("go"), Console(file=Broken(), force_terminal=False))
    assert events.gi_frame is None


def test_words_that_look_like_markup_are_shown_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=100)
    for lasting in RunView("go").take(Feedback("human", "[red]no[/] [/nonsense]")):
        console.print(lasting)
    assert "[red]no[/] [/nonsense]" in printed(console)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "    "),
        (1.0, "████"),
        (0.5, "██  "),
        (0.53125, "██▏ "),
        (7.0, "████"),
        (-1.0, "    "),
        (float("nan"), "    "),
    ],
)
def test_bar(fraction: float, text: str) -> None:
    assert bar(fraction, 4) == text
