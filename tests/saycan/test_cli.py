from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from typer.testing import CliRunner, Result

from saycan import __version__
from saycan.action import Action
from saycan.agent import Agent
from saycan.cli import app
from saycan.errors import RobotError
from saycan.robots.fake import FakeRobot
from saycan.session import Setup

SCRIPT = "scripted:go to the table|pick up the sponge"
FAKE = ("--robot", "fake", "--llm", SCRIPT)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    yield


def saycan(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


class Recording(FakeRobot):
    """Keeps every robot that was made, so that a test can ask what became of it."""

    made: list[FakeRobot] = []  # noqa: RUF012 - shared on purpose

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.made.append(self)


class Interrupted(Recording):
    """Somebody presses Ctrl-C while it moves."""

    presses = 1
    number = signal.SIGINT

    def apply(self, action: Action) -> Action:
        sent = super().apply(action)
        if len(self.actions) in range(5, 5 + self.presses):
            os.kill(os.getpid(), self.number)
        return sent


class InterruptedTwice(Interrupted):
    presses = 2


class HungUp(Interrupted):
    """The line to its terminal drops, which the system says and the shell says again."""

    presses = 3
    number = getattr(signal, "SIGHUP", signal.SIGINT)

    def close(self) -> None:
        if not self.closed:
            os.kill(os.getpid(), self.number)
        super().close()


@pytest.fixture
def made() -> Iterator[list[FakeRobot]]:
    Recording.made.clear()
    yield Recording.made
    Recording.made.clear()


def test_version() -> None:
    result = saycan("--version")
    assert (result.exit_code, result.stdout) == (0, f"saycan {__version__}\n")


def test_a_run_ends_with_0_and_leaves_a_folder() -> None:
    result = saycan("run", "clean the table", *FAKE, "--json", "out/run.json")
    assert result.exit_code == 0, result.output
    assert "finished: the planner chose done" in result.stdout
    assert "privileged: " in result.stdout
    written = json.loads(Path("out/run.json").read_text())
    assert written["plan"] == ["go to the table", "pick up the sponge"]
    assert (written["goal"], written["goal_holds"]) == (None, None)
    folder = Path(written["folder"])
    assert folder.parent == Path("runs")
    assert (folder / "summary.md").is_file()
    assert f"recorded in {folder}" in result.stdout


def test_no_record_leaves_nothing() -> None:
    assert saycan("run", "clean the table", *FAKE, "--no-record").exit_code == 0
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(("goal", "code"), [('holding("sponge")', 0), ('holding("sponge") and visited("drawer")', 1)])
def test_the_goal_decides_the_exit_code_whatever_the_agent_says(goal: str, code: int) -> None:
    result = saycan("run", "hold the sponge", *FAKE, "--no-record", "--goal", goal, "--json", "run.json")
    assert "finished" in result.stdout
    assert result.exit_code == code
    assert ("does not hold in the simulator" in result.stdout) == bool(code)
    assert json.loads(Path("run.json").read_text())["goal_holds"] is not bool(code)
    if code:
        assert 'what is missing: visited("drawer")' in result.stdout


def test_skills_of_ones_own_come_from_a_file() -> None:
    Path("mine.toml").write_text('[[skill]]\nphrase = "go to the table"\nverb = "go to"\nplaces = ["table"]\n')
    listed = saycan("skills", "--robot", "fake", "--library", "mine.toml")
    assert listed.exit_code == 0 and "2 phrases in all" in listed.stdout
    ran = saycan(
        "run", "drive", "--robot", "fake", "--llm", "scripted:go to the table", "--library", "mine.toml", "--no-record"
    )
    assert ran.exit_code == 0, ran.output
    Path("mine.toml").write_text('[[skill]]\nphrase = "go to the table"\nspeed = 3\n')
    wrong = saycan("skills", "--robot", "fake", "--library", "mine.toml")
    assert wrong.exit_code == 2 and "mine.toml, line 3: unknown key 'speed'" in wrong.stderr.replace("\n", " ")


def test_a_run_that_does_not_finish_ends_with_1() -> None:
    result = saycan("run", "clean the table", *FAKE, "--no-record", "--max-steps", "1")
    assert result.exit_code == 1
    assert "timed out: not done after 1 steps" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("run", ""), "the instruction is empty"),
        (("run", "a" * 10_000), "10000 characters"),
        (("run", "go\x07"), "control character"),
        (("run", "go", "--robot", "kitchn"), "Did you mean 'kitchen'?"),
        (("run", "go", "--robot", "fake", "--llm", "gema"), "Did you mean 'gemma'?"),
        (("run", "go", *FAKE, "--goal", "at(coke"), "goal"),
        (("run", "go", *FAKE, "--goal", 'at("unicorn", "table")'), "unicorn"),
        (("run", "go", *FAKE, "--scene", "pepsi can on table"), "scene"),
        (("run", "go", "--max-steps", "0"), "max-steps"),
        (("plan", " "), "the instruction is empty"),
        (("skills", "--robot", "x"), "unknown robot"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_bad_input_is_told_shortly_with_exit_code_2(arguments: tuple[str, ...], part: str) -> None:
    result = saycan(*arguments)
    assert result.exit_code == 2, result.output
    assert part in result.stderr
    assert "Traceback" not in result.output
    if "Usage" not in result.stderr:
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) <= 4  # a goal is shown with a mark where it goes wrong


def test_a_missing_part_ends_with_1_and_traceback_shows_where() -> None:
    arguments = ("run", "go", "--robot", "no_such_module:Robot")
    result = saycan(*arguments)
    assert result.exit_code == 1
    assert "pip install" in result.stderr
    assert "Traceback" not in result.output
    assert type(saycan(*arguments, "--traceback").exception).__name__ == "MissingPartError"


def test_an_error_of_our_own_making_is_told_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("saycan.session.Setup.open", broken)
    result = saycan("skills")
    assert result.exit_code == 1
    assert "error in saycan itself: ZeroDivisionError: oops" in result.stderr


@pytest.mark.parametrize("robot", ["Interrupted", "InterruptedTwice"])
def test_ctrl_c_holds_the_robot_and_ends_with_130(made: list[FakeRobot], robot: str) -> None:
    result = saycan("run", "clean the table", "--robot", f"{__name__}:{robot}", "--llm", SCRIPT, "--record", "runs")
    assert result.exit_code == 130, result.output
    (used,) = made
    assert len(used.actions) <= 6
    assert used.holds > 0
    assert used.closed
    (folder,) = Path("runs").iterdir()
    assert (folder / "summary.md").is_file()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def hangup() -> Iterator[int]:
    """SIGHUP, whose handler is put back."""
    number = getattr(signal, "SIGHUP", None)
    if number is None:
        pytest.skip("no SIGHUP here")
    before = signal.signal(number, signal.SIG_DFL)
    yield number
    signal.signal(number, before)


def test_a_line_that_drops_holds_and_closes_the_robot(
    made: list[FakeRobot], hangup: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saycan.session.hang_up", lambda: None)  # the tests' own terminal is still there
    result = saycan("run", "clean the table", "--robot", f"{__name__}:HungUp", "--llm", SCRIPT, "--record", "runs")
    assert result.exit_code == 129, result.output
    (used,) = made
    assert len(used.actions) == 5 and used.holds > 0 and used.closed
    (folder,) = Path("runs").iterdir()
    assert json.loads((folder / "result.json").read_text())["end"] == "stopped"


@pytest.mark.usefixtures("hangup")
def test_a_terminal_that_is_gone_costs_no_result(tmp_path: Path) -> None:
    """Every word to it is an error then, in the live view, too."""
    import pty

    (tmp_path / "hung.py").write_text(
        "import os, signal, time\n"
        "from saycan.robots.fake import FakeRobot\n"
        "class Hung(FakeRobot):\n"
        "    def apply(self, action):\n"
        "        if len(self.actions) == 5:\n"
        "            open('moving', 'w').close()\n"
        "            while not os.path.exists('gone'): time.sleep(0.01)\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "        return super().apply(action)\n"
        "    def close(self):\n"
        "        open('closed', 'w').close()\n"
        "        super().close()\n"
    )
    mine, terminal = pty.openpty()
    run = [sys.executable, "-m", "saycan", "run", "clean the table", "--robot", "hung:Hung", "--llm", SCRIPT]
    with subprocess.Popen(run, cwd=tmp_path, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        try:
            reader = threading.Thread(target=_drained, args=(mine, tmp_path / "moving"))
            reader.start()
            reader.join(60.0)
            os.close(mine)
            (tmp_path / "gone").touch()
            assert process.wait(60.0) == 129
        finally:
            process.kill()
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "result.json").read_text())["end"] == "stopped" and (tmp_path / "closed").exists()


def _drained(terminal: int, until: Path) -> None:
    """Read what is printed, for a terminal that nobody reads stops who prints."""
    import select

    while not until.exists():
        if select.select([terminal], [], [], 0.05)[0]:
            os.read(terminal, 65536)


def test_under_nohup_a_line_that_drops_is_nothing(made: list[FakeRobot], hangup: int) -> None:
    signal.signal(hangup, signal.SIG_IGN)
    result = saycan("run", "clean the table", "--robot", f"{__name__}:HungUp", "--llm", SCRIPT, "--no-record")
    assert result.exit_code == 0, result.output
    assert made[0].closed and signal.getsignal(hangup) == signal.SIG_IGN


def test_the_robot_is_closed_when_the_language_model_is_missing(made: list[FakeRobot]) -> None:
    result = saycan("run", "go", "--robot", f"{__name__}:Recording", "--llm", "transformers:/nowhere")
    assert result.exit_code == 1
    assert made[0].closed


class Pressed:
    """Ctrl-C before a line of that number, in what runs within, or else after a while."""

    at = 0

    def __init__(self, stop: Callable[[], None], tell: object) -> None:
        self.stop, self.lines = stop, itertools.count()

    def __enter__(self) -> None:
        self.late = threading.Timer(0.2, self.stop)
        self.late.daemon = True
        self.late.start()
        sys.settrace(self.trace)

    def trace(self, frame: object, event: str, _: object) -> Any:
        if event == "line" and next(self.lines) == self.at:
            self.stop()
        return self.trace

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        self.late.cancel()


@pytest.mark.parametrize(
    "command",
    [("serve-policy", "--port", "0", "--policy", "tests.saycan.test_serving:Still"), ("ros2", "--llm", SCRIPT)],
)
def test_what_serves_ends_wherever_a_signal_comes(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    node = SimpleNamespace(require_serving=lambda: None, close=lambda: None)
    monkeypatch.setattr("saycan.node.AgentNode", lambda *_: node)
    monkeypatch.setattr("saycan.session.Interrupts", Pressed)
    codes: list[int] = []
    for Pressed.at in range(10):
        thread = threading.Thread(
            target=lambda: codes.append(saycan(*command, "--robot", "fake").exit_code), daemon=True
        )
        thread.start()
        thread.join(timeout=20.0)
        assert not thread.is_alive(), f"it hangs when the signal comes before line {Pressed.at}"
    assert codes == [0] * 10


def test_a_ros_2_node_that_hears_nothing_any_more_ends_with_an_error(
    made: list[FakeRobot], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        closed = False

        def __init__(self, agent: Agent, died: Callable[[], object]) -> None:
            threading.Timer(0.1, died).start()

        def require_serving(self) -> None:
            raise RobotError("the node hears nothing any more")

        def close(self) -> None:
            Deaf.closed = True

    monkeypatch.setattr("saycan.node.AgentNode", Deaf)
    result = saycan("ros2", "--robot", f"{__name__}:Recording", "--llm", SCRIPT)
    assert result.exit_code == 1 and "the node hears nothing any more" in result.output
    assert Deaf.closed and made[0].closed


def test_plan_shows_the_scores_and_moves_nothing(made: list[FakeRobot]) -> None:
    robot = f"{__name__}:Recording"
    result = saycan("plan", "clean it", "--robot", robot, "--llm", SCRIPT, "--json", "p.json", "--figure", "p.png")
    assert result.exit_code == 0, result.output
    assert "\u25b8 go to the table" in result.stdout
    assert "156 options scored" in result.stdout
    assert made[0].actions == []
    assert made[0].closed
    written = json.loads(Path("p.json").read_text())
    assert written["chosen"] == "go to the table"
    assert sum(option["say"] for option in written["options"]) == pytest.approx(1.0)
    assert Path("p.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_never_said_is_null_in_json(made: list[FakeRobot]) -> None:
    robot = f"{__name__}:Recording"
    result = saycan(
        "plan", "clean it", "--robot", robot, "--llm", SCRIPT, "--planner", "generative", "--json", "p.json"
    )
    assert result.exit_code == 0, result.output
    written = json.loads(Path("p.json").read_text(), parse_constant=pytest.fail)
    said = {option["skill"]: option["log_say"] for option in written["options"]}
    assert said["go to the table"] == 0.0 and said["done"] is None


def test_skills_are_listed_by_kind() -> None:
    result = saycan("skills", "--robot", "fake")
    assert result.exit_code == 0
    assert "place the OBJECT on the PLACE" in result.stdout
    assert "156 phrases in all" in result.stdout
    assert "coke can, pepsi can" in result.stdout


def test_a_run_from_another_thread_needs_no_signals() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(saycan("run", "go", *FAKE, "--no-record").exit_code))
    thread.start()
    thread.join()
    assert codes == [0]


def test_without_a_command_it_opens_the_prompt_with_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Setup] = []

    class Prompt:
        def __init__(self, setup: Setup, console: object) -> None:
            opened.append(setup)

        def run(self) -> None:
            pass

    monkeypatch.setattr("saycan.repl.Repl", Prompt)
    assert saycan().exit_code == 0
    assert saycan("repl", "--robot", "fake", "--seed", "3", "--no-record").exit_code == 0
    assert opened == [Setup(), Setup(robot="fake", seed=3, record=None)]


def test_the_prompt_takes_lines_from_a_pipe() -> None:
    result = CliRunner().invoke(app, ["repl", *FAKE, "--no-record"], input="clean the table\nwhy\n")
    assert result.exit_code == 0, result.output
    assert "finished: the planner chose done" in result.stdout
    assert "last decision" in result.stdout


def test_a_spill_in_the_kitchen_is_wiped_and_filmed() -> None:
    script = "find the sponge|pick up the sponge|go to the close counter|wipe the close counter with the sponge"
    scene = ("--scene", "sponge on table, spill on close counter", "--seed", "1")
    goal = ("--goal", 'clean("close counter") and holding("sponge")', "--json", "run.json")
    parts = ("--policy", "experts", "--values", "geometric", "--detector", "privileged")
    result = saycan("run", "clean the counter", "--llm", f"scripted:{script}", *scene, *goal, *parts)
    assert result.exit_code == 0, result.output
    folder = Path(json.loads(Path("run.json").read_text())["folder"])
    with av.open(str(folder / "video.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) > 50
    assert frames[30][:480].std() > 20  # the kitchen, not an empty picture
    assert len(list((folder / "decisions").iterdir())) == 5
    assert json.loads((folder / "result.json").read_text())["not_recorded"] == []


def test_a_server_that_does_not_answer_is_told_of_or_stood_in_for() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://me:open-sesame@127.0.0.1:{free.getsockname()[1]}/v1#model"
    arguments = ("run", "clean the table", "--robot", "fake", "--llm", url, "--no-record")
    failed = saycan(*arguments)
    assert failed.exit_code == 1
    assert "Start the server, or correct its URL" in failed.output
    stood_in = saycan(*arguments, "--fallback", SCRIPT, "--json", "out.json")
    assert stood_in.exit_code == 0, stood_in.output
    assert "scripted stands in" in stood_in.output
    assert "sesame" not in failed.output + stood_in.output + Path("out.json").read_text()


def test_the_planner_and_the_scoring_are_options() -> None:
    for more in (("--planner", "generative"), ("--planner", "shortlist"), ("--scoring", "prior")):
        assert saycan("plan", "clean the table", *FAKE, *more).exit_code == 0
    for wrong in (("--planner", "none"), ("--scoring", "best")):
        answer = saycan("plan", "clean the table", *FAKE, *wrong)
        assert answer.exit_code == 2
        assert "unknown" in answer.output
