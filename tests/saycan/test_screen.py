from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable

import pytest
import typer

from saycan.errors import BadInputError, RobotError
from saycan.screen import Screen, telling


def attempt(command: Callable[[Screen], object], traceback: bool = False) -> int:
    """Exit code of a command."""
    try:
        with telling(traceback) as screen:
            command(screen)
    except typer.Exit as left:
        return left.exit_code
    return 0


def fail(error: BaseException) -> Callable[[Screen], object]:
    def command(screen: Screen) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (BadInputError("no such scene"), 2, "error: no such scene"),
        (RobotError("the arm [red] is off"), 1, "error: the arm [red] is off"),
        (KeyError("k"), 1, "error in saycan itself: KeyError: 'k'; --traceback shows where"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempt(fail(error)) == code
    seen = capsys.readouterr()
    assert told in seen.err.replace("\n", " ") and "Traceback" not in seen.err and not seen.out


@pytest.mark.parametrize("error", [BadInputError("no such scene"), KeyError("k")])
def test_the_traceback_is_there_for_those_who_ask(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(fail(error), traceback=True)


def test_exits_pass_through() -> None:
    assert attempt(fail(typer.Exit(3))) == 3
    with pytest.raises(typer.Abort), telling(False):
        raise typer.Abort


def test_what_was_asked_for_goes_out_and_remarks_go_aside(capsys: pytest.CaptureFixture[str]) -> None:
    def command(screen: Screen) -> None:
        screen.out.print("the answer")
        screen.aside.print("a remark")

    assert attempt(command) == 0
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("the answer\n", "a remark\n")  # stdout is no terminal here


def test_what_the_output_has_no_character_for_costs_that_character_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), "cp1252")  # of a file or pipe on Windows
    monkeypatch.setattr("sys.stdout", file)
    assert attempt(lambda screen: screen.out.print("\u2713 torch, na\u00efvely")) == 0
    file.seek(0)
    assert file.read().strip() == "? torch, na\u00efvely"


@pytest.mark.filterwarnings("default:a library")
def test_our_own_warnings_are_lines_and_those_of_libraries_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    def command(screen: Screen) -> None:
        logging.getLogger("saycan.agent").warning("the film was not recorded")
        warnings.warn("a library chatters", stacklevel=1)

    attempt(command)
    seen = capsys.readouterr()
    assert "the film was not recorded" in seen.err and "chatters" not in seen.err + seen.out
    assert not logging.getLogger("saycan").handlers
