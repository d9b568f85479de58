from __future__ import annotations

import dataclasses

from rich.console import Console

from saycan.decision import Decision
from saycan.tables import decision_table
from tests.saycan.events import make_decision


def printed(decision: Decision) -> str:
    console = Console(width=100, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(decision_table(decision))
    return captured.get()


def test_a_decision_shows_its_note_below_its_options() -> None:
    plain = make_decision()
    noted = dataclasses.replace(plain, note="4 of 21 skills scored [not markup]; 17 can succeed")
    assert printed(noted) == printed(plain) + "  4 of 21 skills scored [not markup]; 17 can succeed\n"
    nothing = dataclasses.replace(noted, chosen=None)
    assert "nothing is worth trying\n  4 of 21" in printed(nothing)
