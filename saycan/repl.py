"""The prompt: plain words make the robot act, and it stays alive while the robot moves.

A line that begins with "/" is a command with its arguments. A line that is nothing but a command's name is that command
too. Every other line is for the robot: an instruction when it is idle or its run is ending, a word on the way when not
(but a line that begins with "stop" stops it then). So no instruction can be mistaken for a command, but for those few
single words.
"""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from saycan.agent import Agent
from saycan.cache import cache_folder
from saycan.completion import PromptCompleter
from saycan.errors import BadInputError, SayCanError, UnknownNameError
from saycan.instruction import check_instruction
from saycan.live import RunView
from saycan.parts import approximation_notice, describe_parts
from saycan.picture import half_blocks, save_png, side_by_side
from saycan.privileged import PrivilegedWorld, Resettable
from saycan.runner import Events, Runner
from saycan.session import Setup, endings, hang_up, load_planner, notices
from saycan.step import Event, Result
from saycan.tables import decision_table, scene_table, skill_table

COMMANDS = {
    "why": "the scores of the last decision; /why 20 shows more of them",
    "skills": "what the robot can be asked to do",
    "scene": "what is where, in simulation",
    "look": "what the cameras see, here and as a PNG",
    "llm": "which language model decides; /llm openai:MODEL takes another one",
    "do": "/do PHRASE carries out one skill, with no decision",
    "reset": "the scene anew; /reset pepsi can on table makes another one",
    "tell": "/tell TEXT is heard before the next decision",
    "stop": "end the run and hold the robot",
    "estop": "emergency stop: nothing moves any more, until /recover",
    "recover": "after an emergency stop, when you have seen that it is safe",
    "help": "this",
    "quit": "hold the robot and leave; so does Ctrl-D",
}

_HELP = (
    "Anything else is for the robot: an instruction when it is idle, a word on the way while it is busy.",
    "Commands go with or without the slash; with something after them only with it.",
    "Ctrl-C holds the robot: Enter goes on, words are told to it and it goes on, Ctrl-C again ends the run.",
)


class Repl:
    """One session at a prompt.

    Args:
        setup: Which robot and model, and how to record.
        console: Where everything is printed.
        input, output: A terminal to use in place of the real one.
        history: File that keeps the lines typed; None keeps them for this session only.
    """

    def __init__(
        self,
        setup: Setup,
        console: Console,
        *,
        input: Input | None = None,
        output: Output | None = None,
        history: Path | None = None,
    ) -> None:
        self._setup, self._console = setup, console
        self._input, self._output = input, output
        self._history = history
        self._runner = Runner(setup.open)
        self._view: RunView | None = None
        self._session: PromptSession[str] | None = None
        self._completer = PromptCompleter(COMMANDS)
        # What changes is drawn by the prompt itself, as text: two live displays on one terminal would fight.
        colours: Any = console.color_system
        self._canvas = Console(file=io.StringIO(), force_terminal=True, color_system=colours)
        self._closing = False

    def run(self) -> None:
        """Open the robot, take lines until the end, and close the robot whatever happens. Raises SayCanError."""
        before: dict[int, Any] = {}
        try:
            if threading.current_thread() is threading.main_thread():
                before = {number: signal.signal(number, _leave) for number in endings()}
            self._open()
            if self._input is None and not sys.stdin.isatty():
                self._take_lines()
            else:
                self._prompt()
        finally:
            self._closing = True
            self._runner.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _open(self) -> None:
        with self._console.status(f"setting up the robot {self._setup.robot}", spinner="dots"):
            agent = self._runner.open()
        self._completer.learn(agent.library)
        self._runner.ask(lambda agent: load_planner(agent, self._setup, self._console)).result()
        says = "".join(f", {part.name}" for part in describe_parts(agent) if part.role == "say")
        self._say(Text.assemble(("saycan", "bold"), f"  {agent.robot.spec.name}{says}"))
        self._say(Text('Say what to do, such as "clean the counter"; /help lists what else there is.', "dim"))
        for line in notices(agent):
            self._say(Text(line, "yellow"))

    def _take_lines(self) -> None:
        """Lines from a pipe: each is done before the next is read."""
        for line in map(str.strip, sys.stdin):
            if line:
                self._say(Text(f"> {line}", "bold cyan"))
            if not self._take(line):
                return
            self._runner.wait()

    def _prompt(self) -> None:
        self._session = PromptSession(
            self._message,
            history=self._open_history(),
            completer=self._completer,
            complete_while_typing=True,
            erase_when_done=True,  # else every line typed in mid-run would leave a copy of the view behind
            refresh_interval=0.25,
            input=self._input,
            output=self._output,
        )
        self._session.app.min_redraw_interval = 0.05
        with patch_stdout(raw=True):
            while True:
                try:
                    line = self._session.prompt().strip()
                except KeyboardInterrupt:
                    self._interrupt()
                    continue
                except EOFError:
                    return
                if line:
                    self._say(Text(f"> {line}", "bold cyan"))
                if not self._take(line):
                    return

    def _open_history(self) -> History:
        file = self._history or cache_folder() / "history"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        except OSError:
            return InMemoryHistory()
        return FileHistory(str(file))

    def _message(self) -> ANSI:
        view = self._view
        if view is None or not self._runner.busy:
            return ANSI("\x1b[1msaycan>\x1b[0m ")
        view.pause(self._runner.paused)
        with self._canvas.capture() as captured:
            self._canvas.print(view, width=max(20, self._console.width - 1))
        word = "held" if self._runner.paused else "saycan" if self._runner.ready else "tell"
        return ANSI(f"{captured.get()}\x1b[1m{word}>\x1b[0m ")

    def _take(self, line: str) -> bool:
        """Carry out one line; False when it says to leave."""
        try:
            return self._dispatch(line)
        except SayCanError as error:
            self._complain(error)
        return True

    def _dispatch(self, line: str) -> bool:
        if not line:
            if self._runner.paused:
                self._runner.resume()
            return True
        if line.startswith("/"):
            name, _, argument = line[1:].partition(" ")
            name = {"exit": "quit"}.get(name, name)
            if name not in COMMANDS:
                raise UnknownNameError("command", name, COMMANDS)
        elif (bare := line.lower().rstrip(" .!?")) in (*COMMANDS, "exit"):
            name, argument = {"exit": "quit"}.get(bare, bare), ""
        elif self._runner.busy and (bare.split() or [""])[0].rstrip(",;:") == "stop":
            name, argument = "stop", ""  # "stop, not that one": whoever says so wants nothing to move
        else:
            self._hear(line)
            return True
        if name == "quit":
            return False
        command: Callable[[str], None] = getattr(self, f"_{name}")
        command(argument.strip())
        return True

    def _hear(self, text: str) -> None:
        if self._runner.ready:
            instruction = check_instruction(text)
            if self._runner.busy:
                self._say(Text("that begins when the last run has ended", "dim"))
            self._begin(instruction, lambda agent: self._setup.start(agent, instruction, self._runner.conclude))
            return
        self._tell(text)
        if self._runner.paused:
            self._runner.resume()

    def _begin(self, title: str, start: Callable[[Agent], Events]) -> None:
        agent = self._runner.agent
        view = self._view = RunView(title, agent.robot.spec.rate)

        def take(event: Event) -> None:
            for lasting in view.take(event):
                self._say(lasting)
            if isinstance(event, Result) and event.folder is not None:
                self._say(Text(f"recorded in {event.folder}", "dim"))
            self._redraw()

        def end(failure: BaseException | None) -> None:
            if failure is not None:
                self._complain(failure)
            self._redraw()

        self._runner.begin(start, take, end)

    def _interrupt(self) -> None:
        """Ctrl-C: the first holds the robot, the second ends the run; where that is ending, so does the first."""
        held = self._runner.paused
        self._runner.pause()
        if not self._runner.busy:
            self._say(Text("nothing is moving; quit or Ctrl-D leaves", "dim"))
        elif held or not self._runner.paused:
            self._say(Text("ending the run", "yellow"))
            self._runner.stop()
        else:
            self._say(Text("held: Enter goes on, words are told to the robot, Ctrl-C again ends the run", "yellow"))

    def _why(self, argument: str) -> None:
        decision = self._runner.agent.last_decision
        if decision is None:
            raise BadInputError("nothing has been decided yet; say what to do first")
        if argument and not (argument.isdecimal() and int(argument)):
            raise BadInputError(f"/why takes how many options to show, such as /why 20; found {argument!r}")
        self._say(decision_table(decision, int(argument or 10), "last decision"))

    def _skills(self, _: str) -> None:
        self._say(skill_table(self._runner.agent.library))

    def _scene(self, _: str) -> None:
        self._answer(_scene_of)

    def _look(self, _: str) -> None:
        self._answer(self._look_of)

    def _llm(self, name: str) -> None:
        if not name:
            self._answer(_model_of)
            return
        self._require_idle("llm")
        self._say(Text(f"loading {name.partition('#')[2] or name}", "dim"))  # a URL may hold a password

        def take(agent: Agent) -> RenderableType:
            agent.use(name)
            return _model_of(agent)

        self._answer(take)

    def _do(self, phrase: str) -> None:
        self._require_idle("do")
        skill = self._runner.agent.library.find(phrase)
        self._begin(skill.phrase, lambda agent: agent.perform(skill))

    def _reset(self, words: str) -> None:
        self._require_idle("reset")

        def reset(agent: Agent) -> RenderableType:
            robot: Any = agent.robot.driver
            if not isinstance(robot, Resettable):
                raise BadInputError(f"{agent.robot.spec.name} is no simulator, so its scene cannot be reset")
            robot.reset(words or None)
            return _scene_of(agent)

        self._answer(reset)

    def _tell(self, text: str) -> None:
        if not text:
            raise BadInputError("/tell needs words, such as /tell the pepsi can, not the coke can")
        self._runner.agent.tell(text)
        when = "when it decides next" if self._runner.ready else "before its next decision"
        self._say(Text(f"the robot hears that {when}", "dim"))

    def _stop(self, _: str) -> None:
        if not self._runner.busy:
            self._say(Text("nothing is moving", "dim"))
        self._runner.stop()

    def _estop(self, _: str) -> None:
        self._runner.agent.emergency_stop("said at the prompt")
        self._runner.stop()
        self._say(Text("emergency stop: nothing moves until you have seen that it is safe and say recover", "bold red"))

    def _recover(self, _: str) -> None:
        gate = self._runner.agent.robot
        gate.recover()
        self._say(Text("ready: say what you want", "green"))

    def _help(self, _: str) -> None:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        for name, meaning in COMMANDS.items():
            table.add_row(Text(name, "bold"), meaning)
        self._say(Group(table, *map(Text, _HELP)))

    def _look_of(self, agent: Agent) -> RenderableType:
        images = dict(agent.robot.observe().images)
        if not images:
            raise BadInputError(f"{agent.robot.spec.name} has no camera")
        where = (self._setup.record or Path(gettempdir())) / f"look-{datetime.now():%Y%m%d-%H%M%S}.png"
        picture = side_by_side(images)
        try:
            save_png(where, picture)
        except OSError as error:
            raise SayCanError(f"the picture cannot be saved: {error}") from error
        text = half_blocks(picture, min(self._console.width - 1, 32 * len(images)))
        return Text.assemble(text, (f"{', '.join(images)}   {where}", "dim"))

    def _require_idle(self, command: str) -> None:
        if self._runner.busy:
            raise BadInputError(f"/{command} has to wait until the run is over; stop ends it")

    def _answer(self, question: Callable[[Agent], RenderableType]) -> None:
        """Print what the robot's thread says, as soon as it says it."""

        def show(future: Future[RenderableType]) -> None:
            error = future.exception()
            if error is None:
                self._say(future.result())
            else:
                self._complain(error)

        self._runner.ask(question).add_done_callback(show)

    def _complain(self, error: BaseException) -> None:
        known = isinstance(error, SayCanError)
        head = "error: " if known else f"error in saycan itself: {type(error).__name__}: "
        self._say(Text.assemble((head, "bold red"), str(error)))

    def _say(self, what: RenderableType) -> None:
        # A terminal is wrapped between words; into a file, a line stays a line.
        wide = isinstance(what, Text) and not self._console.is_terminal
        self._console.print(what, highlight=False, soft_wrap=wide)

    def _redraw(self) -> None:
        """Draw the prompt anew, from any thread."""
        loop = None if self._session is None else self._session.app.loop
        if self._session is None or loop is None or self._closing:
            return
        # invalidate() itself looks at the loop twice, and between two lines there is none: from this thread it would
        # sometimes find it gone in between. Called in the loop's own thread it cannot.
        with contextlib.suppress(RuntimeError):  # the loop is closed: the next prompt draws everything anyway
            loop.call_soon_threadsafe(self._session.app.invalidate)


def _scene_of(agent: Agent) -> RenderableType:
    robot = agent.robot.driver
    if not isinstance(robot, PrivilegedWorld):
        raise BadInputError(f"{agent.robot.spec.name} is no simulator: what is where, only its cameras see; try look")
    return scene_table(robot.privileged_state())


def _model_of(agent: Agent) -> RenderableType:
    parts = describe_parts(agent)
    lines = [Text(f"{part.name} decides") for part in parts if part.role == "say"]
    lost = approximation_notice(parts)
    return Group(*lines, *([Text(lost, "yellow")] if lost else []))


def _leave(number: int, _: object) -> None:
    """Once: whatever of them comes next finds the robot being closed."""
    for one in endings():
        signal.signal(one, signal.SIG_IGN)
    if number != signal.SIGTERM:
        hang_up()
    sys.exit(128 + number)
