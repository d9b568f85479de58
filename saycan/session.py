"""An agent for somebody at a terminal: opened by names, loaded while they watch, stopped by a signal, always closed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from saycan import compose
from saycan.agent import Agent
from saycan.errors import BadInputError
from saycan.parts import approximation_notice, describe_parts, privileged_notice
from saycan.privileged import Resettable
from saycan.recorder import Recorder
from saycan.skill_file import SkillFile, read_skills
from saycan.step import Event, Result


@dataclass(frozen=True)
class Setup:
    """What was asked for on the command line.

    Attributes:
        robot, llm: Names, as `saycan.compose` knows them.
        scene: Words that make the simulated scene; None for the robot's own.
        seed: Makes the simulated scene repeatable; None for the robot's own.
        fallback: Name of a language model that stands in while `llm` does not answer; None for none.
        planner, scoring: As of `saycan.Agent`.
        max_steps: Skills after which a run times out.
        record: Where run folders are made; None records nothing.
        video: Whether to film.
        policy, values, detector: Names, as `saycan.compose` knows them; None takes the robot's defaults.
        library: A file of skills (`saycan.skill_file`); None takes the robot's.
    """

    robot: str = "kitchen"
    llm: str = "gemma"
    scene: str | None = None
    seed: int | None = None
    fallback: str | None = None
    planner: str = "saycan"
    scoring: str = "sum"
    max_steps: int = 20
    record: Path | None = Path("runs")
    video: bool = True
    policy: str | None = None
    values: str | None = None
    detector: str | None = None
    library: Path | None = None

    def open(self) -> Agent:
        """The agent; whoever opens it closes it with `close_agent`. Raises SayCanError."""
        given = SkillFile() if self.library is None else read_skills(self.library)
        robot = compose.make_robot(self.robot)
        try:
            if self.scene is not None or self.seed is not None:
                if not isinstance(robot, Resettable):
                    raise BadInputError(
                        f"robot {self.robot!r} is no simulator, so it takes no --scene and no --seed; leave them out"
                    )
                robot.reset(self.scene, self.seed)
            return Agent(
                robot,
                llm=self.llm,
                library=given.library,
                policy=self.policy or given.policy,
                values=self.values or given.values,
                detector=self.detector or given.detector,
                fallback=self.fallback,
                planner=self.planner,
                scoring=self.scoring,
                max_steps=self.max_steps,
                record=None,
            )
        except BaseException:
            robot.close()
            raise

    def start(
        self, agent: Agent, instruction: str, over: Callable[[], object] = lambda: None
    ) -> Generator[Event, None, Result]:
        """A run's events, recorded when that is wanted; `over` as of `Recorder.watch`.

        Raises SayCanError before anything moves.
        """
        events = agent.stream(instruction)
        if self.record is None:
            return events
        return Recorder(self.record, instruction, agent, video=self.video).watch(events, over)


def close_agent(agent: Agent) -> None:
    """Hold the robot and release it, which a session's agent leaves to whoever opened it."""
    agent.stop()
    try:
        agent.robot.close()
    finally:
        agent.close()


@contextmanager
def opened(setup: Setup, console: Console) -> Iterator[Agent]:
    """The agent of a setup, closed on every way out. Raises SayCanError."""
    with console.status(f"setting up the robot {setup.robot}", spinner="dots"):
        agent = setup.open()
    try:
        yield agent
    finally:
        close_agent(agent)


def load_planner(agent: Agent, setup: Setup, console: Console) -> None:
    """Load the language model while somebody watches. Raises SayCanError."""
    if setup.llm.partition(":")[0] == "gemma" and compose.probe("gemma") is None:
        _ = agent.planner  # unpacked at its first use, with a progress bar of its own
        return
    with console.status("loading the language model", spinner="dots"):
        _ = agent.planner


def notices(agent: Agent) -> list[str]:
    """A line about privileged parts and one about scores that are not exact, where there is something to say."""
    parts = describe_parts(agent)
    return [line for line in (privileged_notice(parts), approximation_notice(parts)) if line]


def endings() -> list[int]:
    """Signals by which this program is asked to end: SIGTERM, and SIGHUP, for the line to its terminal may drop.

    Not SIGHUP where the system has none, or where it is ignored already, as under nohup.
    """
    hangup: int | None = getattr(signal, "SIGHUP", None)
    if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, hangup]


def hang_up() -> None:
    """What is printed from now on goes nowhere: where a line has dropped, every word to the terminal is an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        with contextlib.suppress(OSError):  # it is closed already
            if stat.S_ISCHR(os.fstat(number).st_mode):  # a terminal, no file
                os.dup2(nowhere, number)
    os.close(nowhere)


class Interrupts:
    """Ctrl-C (and a request to end) while a run goes on: the first stops it, the second ends it at once.

    Either way the robot is held: by the run, within one control period, or by its generator as it is closed. A line
    that drops is told several times, by the system and by the shell, and counts once.

    Args:
        stop: Called at the first.
        tell: Called with a line for the user.

    Attributes:
        exit_code: What a shell expects after the first signal: 130 for Ctrl-C; None when there was none.
    """

    def __init__(self, stop: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._stop, self._tell = stop, tell
        self._before: dict[int, Any] = {}
        self.exit_code: int | None = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is not threading.main_thread():
            return self  # signals are the main thread's business
        for number in (signal.SIGINT, *endings()):
            self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            self._before[number] = signal.SIG_IGN  # the robot is still to be closed afterwards
            hang_up()
            if self.exit_code is not None:
                return
        elif self.exit_code is not None:
            raise KeyboardInterrupt
        self.exit_code = 128 + number
        self._stop()
        self._tell("stopping: the robot is held within one control period; once more to end at once")
