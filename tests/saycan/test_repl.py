from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console

from saycan.action import Action
from saycan.errors import MissingPartError
from saycan.recorder import Recorder
from saycan.repl import Repl
from saycan.robots.fake import FakeRobot
from saycan.session import Setup, endings

SCRIPT = "scripted:go to the table|pick up the sponge|go to the far counter"
CTRL_C, CTRL_D, ENTER = "\x03", "\x04", "\r"


class Slow(FakeRobot):
    """A hundredth of a second for each action, with a camera; the newest one is kept for the test to look at."""

    newest: Slow

    def __init__(self) -> None:
        super().__init__(image_size=32)
        Slow.newest = self

    def apply(self, action: Action) -> Action:
        time.sleep(0.01)
        return super().apply(action)


class Conversation:
    """Types at a prompt that runs in another thread, and waits for what it says."""

    def __init__(self, keys: PipeInput, folder: Path) -> None:
        self._keys = keys
        self._console = Console(file=io.StringIO(), width=120)
        setup = Setup(f"{__name__}:Slow", SCRIPT, record=folder / "runs", video=False)
        self.repl = Repl(setup, self._console, input=keys, output=DummyOutput(), history=folder / "history")
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None
        self._read = 0

    def _run(self) -> None:
        with create_app_session(input=self._keys, output=DummyOutput()):
            try:
                self.repl.run()
            except BaseException as error:
                self.error = error

    @property
    def text(self) -> str:
        assert isinstance(self._console.file, io.StringIO)
        return self._console.file.getvalue()

    @property
    def robot(self) -> Slow:
        return Slow.newest

    def type(self, keys: str) -> None:
        self._keys.send_text(keys)

    def hear(self, pattern: str) -> str:
        """Wait until it has said this since the last time that something was heard."""
        found: list[re.Match[str]] = []

        def said() -> bool:
            match = re.search(pattern, self.text[self._read :])
            found.extend([match] if match else [])
            return match is not None

        self.until(said, lambda: f"never said {pattern!r}; said {self.text!r}")
        self._read += found[0].end()
        return found[0].group()

    def until(self, condition: Callable[[], bool], problem: Callable[[], str] = lambda: "it did not happen") -> None:
        end = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < end and self.thread.is_alive(), f"{problem()} {self.error}"
            time.sleep(0.01)

    def move(self) -> None:
        """Wait until the robot has moved on a little."""
        start = len(self.robot.actions)
        self.until(lambda: len(self.robot.actions) > start + 3)

    def leave(self) -> None:
        self.thread.join(timeout=20.0)
        assert not self.thread.is_alive()
        assert self.error is None
        assert self.robot.closed


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    with create_pipe_input() as keys:
        conversation = Conversation(keys, tmp_path)
        conversation.thread.start()
        conversation.hear("Say what to do")
        conversation.hear("privileged: ")
        yield conversation
        if conversation.thread.is_alive():
            conversation.type(CTRL_D)
        conversation.leave()


def test_an_instruction_is_carried_out_and_recorded(talk: Conversation, tmp_path: Path) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("> clean the table")
    talk.hear("1. go to the table: succeeded")
    talk.hear("2. pick up the sponge: succeeded")
    talk.hear("finished: the planner chose done")
    talk.hear("recorded in")
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "summary.md").is_file()
    assert talk.robot.privileged_state().held == "sponge"
    talk.type("quit" + ENTER)
    talk.leave()
    assert "+clean the table" in (tmp_path / "history").read_text()


def test_ctrl_c_holds_and_enter_goes_on(talk: Conversation) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.move()
    holds = talk.robot.holds
    talk.type(CTRL_C)
    talk.hear("held: Enter goes on")
    talk.until(lambda: talk.robot.holds > holds)
    actions = len(talk.robot.actions)
    time.sleep(0.15)
    assert len(talk.robot.actions) == actions
    talk.type(ENTER)
    talk.hear("finished")


def test_ctrl_c_twice_ends_the_run_and_leaves_the_prompt_open(talk: Conversation) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.move()
    talk.type(CTRL_C)
    talk.hear("held: ")
    talk.type(CTRL_C)
    talk.hear(r"\nstopped  ")
    talk.until(lambda: not talk.repl._runner.busy)
    talk.type(CTRL_C)
    talk.hear("nothing is moving")
    talk.type("clean the table" + ENTER)
    talk.hear("finished")


def test_words_on_the_way_are_told_also_out_of_a_pause(talk: Conversation) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.type("the blue one" + ENTER)
    talk.hear("hears that before its next decision")
    talk.hear("human says: the blue one")
    talk.type(CTRL_C)
    talk.hear("held: ")
    talk.type("and the red one" + ENTER)
    talk.hear("human says: and the red one")
    talk.hear("finished")
    decision = talk.repl._runner.agent.last_decision
    assert decision is not None
    assert "the blue one" in decision.prompt
    assert "and the red one" in decision.prompt


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Runs take long to be recorded: whether one has its result, and leave to go on."""
    over, recorded, close = threading.Event(), threading.Event(), Recorder.close

    def late(recorder: Recorder) -> None:
        over.set()
        recorded.wait(10)
        close(recorder)

    monkeypatch.setattr(Recorder, "close", late)
    yield over, recorded
    recorded.set()


def test_words_after_the_result_are_a_new_instruction(
    talk: Conversation, recording: tuple[threading.Event, threading.Event], tmp_path: Path
) -> None:
    over, recorded = recording
    talk.type("clean the table" + ENTER)
    talk.until(over.is_set)
    talk.type("clean it again" + ENTER)
    talk.hear("that begins when the last run has ended")
    talk.type("with the sponge" + ENTER)
    talk.hear("the robot hears that before its next decision")
    recorded.set()
    talk.hear("recorded in")
    talk.hear("human says: with the sponge")
    talk.hear("recorded in")
    assert "human says: clean it again" not in talk.text
    assert sorted(folder.name[16:] for folder in (tmp_path / "runs").iterdir()) == ["clean-it-again", "clean-the-table"]


def test_ctrl_c_after_the_result_takes_back_what_waits(
    talk: Conversation, recording: tuple[threading.Event, threading.Event], tmp_path: Path
) -> None:
    over, recorded = recording
    talk.type("clean the table" + ENTER)
    talk.until(over.is_set)
    talk.type("clean it again" + ENTER)
    talk.hear("that begins when the last run has ended")
    talk.type(CTRL_C)
    talk.hear("ending the run")
    recorded.set()
    talk.hear("recorded in")
    talk.until(lambda: not talk.repl._runner.busy)
    assert len([*(tmp_path / "runs").iterdir()]) == 1


@pytest.mark.parametrize("line", ["stop", "/stop", "Stop!", "stop, not that one"])
def test_stop_ends_the_run(talk: Conversation, line: str) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.move()
    talk.type(line + ENTER)
    talk.hear("stopped")


def test_after_an_emergency_stop_nothing_moves_until_somebody_has_looked(talk: Conversation) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.move()
    talk.type("estop" + ENTER)
    talk.hear("emergency stop: nothing moves until")
    talk.hear("recorded in")
    actions = len(talk.robot.actions)
    talk.type("clean the table" + ENTER)
    talk.hear(r"error: .*does not move, an emergency stop: said at the prompt; see that it is safe")
    talk.type("/do go to the table" + ENTER)
    talk.hear(r"error: .*does not move, an emergency stop")
    assert len(talk.robot.actions) == actions
    talk.type("recover" + ENTER)
    talk.hear("ready")
    talk.type("/do go to the far counter" + ENTER)
    talk.hear("1. go to the far counter: succeeded")


@pytest.mark.parametrize("keys", [CTRL_D, "quit" + ENTER, "/exit" + ENTER])
def test_leaving_in_mid_run_stops_and_closes(talk: Conversation, keys: str) -> None:
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.move()
    talk.type(keys)
    talk.leave()
    actions = len(talk.robot.actions)
    time.sleep(0.1)
    assert len(talk.robot.actions) == actions
    assert "stopped" in talk.text


def test_commands_that_show_something(talk: Conversation, tmp_path: Path) -> None:
    talk.type("why" + ENTER)
    talk.hear("error: nothing has been decided yet")
    talk.type("skills" + ENTER)
    talk.hear("156 phrases in all")
    talk.type("scene" + ENTER)
    talk.hear(r"table +sponge, pepsi can")
    talk.type("look" + ENTER)
    path = talk.hear(r"head   \S+\.png").split()[-1]
    assert Path(path).read_bytes()[:4] == b"\x89PNG"
    talk.type("/do go to the table" + ENTER)
    talk.hear("1. go to the table: succeeded")
    talk.type("scene" + ENTER)
    talk.hear("\u25b8 table")
    talk.type("reset" + ENTER)
    talk.hear(r"  table +sponge")
    talk.type("clean the table" + ENTER)
    talk.hear("finished")
    talk.type("/why 2" + ENTER)
    talk.hear(r"last decision[^\n]*\n\S done")
    for strange in ("many", "\u00b2"):
        talk.type(f"/why {strange}" + ENTER)
        talk.hear("how many options")
    talk.type("help" + ENTER)
    talk.hear("Ctrl-C holds the robot")


def test_commands_that_cannot_be_followed_say_why(talk: Conversation) -> None:
    for line, answer in {
        "/rest": r"unknown command 'rest'. Did you mean 'reset'\?",
        "/why many": "nothing has been decided yet",
        "/do fly": "unknown skill 'fly'",
        "/tell": "/tell needs words",
        "/reset moon": "error: the fake robot takes a mapping",
        "stop": "nothing is moving",
        "x" * 2000: "2000 characters",
    }.items():
        talk.type(line + ENTER)
        talk.hear(answer)
    talk.type("clean the table" + ENTER)
    talk.hear("step 1")
    talk.type("reset" + ENTER)
    talk.hear("has to wait until the run is over")
    talk.type("/do go to the table" + ENTER)
    talk.hear("has to wait until the run is over")
    talk.type("scene" + ENTER)
    talk.hear("in the gripper")
    talk.hear("finished")


def test_the_language_model_is_changed_without_a_restart(talk: Conversation) -> None:
    talk.type("llm" + ENTER)
    talk.hear("\nscripted decides")
    talk.type("/llm scripted:go to the far counter" + ENTER)
    talk.hear("\nscripted decides")
    talk.type("/llm scripted" + ENTER)
    talk.hear("error: unknown language model 'scripted'")
    talk.type("go" + ENTER)
    talk.hear("1. go to the far counter: succeeded")
    talk.hear("finished")


def test_telling_an_idle_robot_is_heard_in_the_next_run(talk: Conversation) -> None:
    talk.type("/tell only the blue one" + ENTER)
    talk.hear("when it decides next")
    talk.type("clean the table" + ENTER)
    talk.hear("human says: only the blue one")


def test_lines_from_a_pipe_are_done_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("clean the table\n\nwhy\nquit\nnever read\n"))
    console = Console(file=io.StringIO(), width=120)
    Repl(Setup(f"{__name__}:Slow", SCRIPT, record=None), console).run()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.index("finished") < text.index("> why") < text.index("last decision")
    assert "never read" not in text
    assert Slow.newest.closed


def test_what_is_missing_is_raised_and_the_robot_closed() -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(MissingPartError):
        Repl(Setup(f"{__name__}:Slow", "transformers:/nowhere", record=None), console).run()
    assert Slow.newest.closed


def test_a_history_that_cannot_be_kept_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with create_pipe_input() as keys:
        setup = Setup(f"{__name__}:Slow", SCRIPT, record=None)
        console = Console(file=io.StringIO())
        keys.send_text(CTRL_D)
        Repl(setup, console, input=keys, output=DummyOutput(), history=tmp_path / "file" / "history").run()
    assert Slow.newest.closed


class Signalled(Slow):
    """While it moves, and while it is closed, its program is asked to end."""

    number = signal.SIGTERM

    def apply(self, action: Action) -> Action:
        if len(self.actions) == 5:
            os.kill(os.getpid(), self.number)
        return super().apply(action)

    def close(self) -> None:
        if not self.closed:
            for number in endings():  # as who ends a session sends one after the other
                os.kill(os.getpid(), number)
            time.sleep(0.1)
        super().close()


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends a process there")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_who_is_asked_to_end_closes_the_robot(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = getattr(signal, name)
    monkeypatch.setattr("saycan.repl.hang_up", lambda: None)
    monkeypatch.setattr(Signalled, "number", number)
    monkeypatch.setattr("sys.stdin", io.StringIO("clean the table\n"))
    before = signal.signal(number, signal.default_int_handler)  # unless it is caught, a KeyboardInterrupt
    try:
        with pytest.raises(SystemExit) as left:
            Repl(Setup(f"{__name__}:Signalled", SCRIPT, record=None), Console(file=io.StringIO())).run()
        assert left.value.code == 128 + number and Slow.newest.closed and len(Slow.newest.actions) < 200
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
