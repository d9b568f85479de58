"""The thread that owns an agent, so that a prompt stays alive while the robot moves.

One thread opens the agent, carries out every run and answers every question about it, and closes it: drivers and
renderers never see a second one. Questions are answered between two control periods.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from typing import Any, TypeVar

from saycan.agent import Agent
from saycan.session import close_agent
from saycan.step import Event

Events = Generator[Event, None, Any]
Job = Callable[[Agent], object]
Answer = TypeVar("Answer")


class Runner:
    """Runs one thing at a time.

    Args:
        open_agent: Makes the agent; called in the thread.
    """

    def __init__(self, open_agent: Callable[[], Agent]) -> None:
        self._open_agent = open_agent
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._opened: Future[Agent] = Future()
        self._busy, self._paused = threading.Event(), threading.Event()
        self._stopping, self._over = threading.Event(), threading.Event()
        self._next: Job | None = None
        self._changing = threading.RLock()  # all of these together
        self._thread = threading.Thread(target=self._work, name="saycan-robot", daemon=True)

    @property
    def busy(self) -> bool:
        """Whether a run is going on."""
        return self._busy.is_set()

    @property
    def ready(self) -> bool:
        """Whether another run may begin: none is going on, or the one that is hears nothing more, and none waits."""
        with self._changing:
            return not self.busy or (self._is_ending and self._next is None)

    @property
    def paused(self) -> bool:
        """Whether it is paused, with the robot held."""
        return self.busy and self._paused.is_set()

    def open(self) -> Agent:
        """Start the thread and wait for the agent; only its thread-safe methods may be called from here."""
        self._thread.start()
        return self._opened.result()

    @property
    def agent(self) -> Agent:
        """The agent, once it is open: for what any thread may do with it."""
        return self._opened.result()

    def begin(
        self,
        start: Callable[[Agent], Events],
        take: Callable[[Event], object],
        end: Callable[[BaseException | None], object],
    ) -> None:
        """Begin a run and return at once; where another is ending, it begins when that has ended.

        Raises RuntimeError unless `ready`.

        Args:
            start: Makes the events.
            take: Called with each of them, in the thread.
            end: Called when they have ended, with the error that ended them, if one did.
        """
        with self._changing:
            if not self.ready:
                raise RuntimeError("a run is going on")
            self._next = lambda agent: self._carry_out(agent, start, take, end)
            if not self.busy:
                self._begin_next()

    def ask(self, question: Callable[[Agent], Answer]) -> Future[Answer]:
        """Have something answered in the thread: at once when idle, else after the current control period."""
        future: Future[Answer] = Future()

        def answer(agent: Agent) -> None:
            try:
                future.set_result(question(agent))
            except Exception as error:
                future.set_exception(error)

        self._jobs.put(answer)
        return future

    def conclude(self) -> None:
        """Note that the run has its result: what is still done for it, such as recording, hears nothing more."""
        with self._changing:
            self._over.set()
            self.resume()

    def pause(self) -> None:
        """Hold the robot after the current control period, until `resume` or `stop`; a run that is ending just ends."""
        with self._changing:
            if self.busy and not self._is_ending:
                self._paused.set()

    def resume(self) -> None:
        """Go on."""
        self._paused.clear()
        self._jobs.put(lambda agent: None)  # wakes a thread that waits in a pause

    def stop(self) -> None:
        """End the run within one control period, and begin none that waits."""
        with self._changing:
            self._next = None
            self._stopping.set()  # heard even by a run that has not begun yet
            if self._opened.done() and self._opened.exception() is None:
                self._opened.result().stop()
            self.resume()

    def wait(self) -> None:
        """Return when everything asked for so far has been done and no run is going on."""
        while self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                if not self.ask(lambda agent: self.busy).result(timeout=1.0):
                    return
                time.sleep(0.02)

    def close(self) -> None:
        """End the run, hold and release the robot, and end the thread. Idempotent.

        A thread that is still opening the agent is not waited for: nothing has moved. It closes what it opened, unless
        the program has ended by then, which ends it too.
        """
        if not self._thread.is_alive():
            return
        self._jobs.put(None)
        self.stop()
        if self._opened.done():
            self._thread.join()

    def _work(self) -> None:
        try:
            agent = self._open_agent()
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(agent)
        try:
            while (job := self._jobs.get()) is not None:
                job(agent)
        finally:
            close_agent(agent)

    def _carry_out(
        self,
        agent: Agent,
        start: Callable[[Agent], Events],
        take: Callable[[Event], object],
        end: Callable[[BaseException | None], object],
    ) -> None:
        failure: BaseException | None = None
        try:
            with closing(start(agent)) as events:
                for event in events:
                    take(event)
                    self._between(agent)
                    if self._stopping.is_set():
                        agent.stop()
        except Exception as error:
            failure = error
        finally:
            with self._changing:
                self._begin_next()
            end(failure)

    @property
    def _is_ending(self) -> bool:
        return self._stopping.is_set() or self._over.is_set()

    def _begin_next(self) -> None:
        """Let the run that waits begin, where one does."""
        if self._next is None:
            self._busy.clear()
            return
        for flag in (self._paused, self._stopping, self._over):
            flag.clear()
        self._busy.set()
        self._jobs.put(self._next)
        self._next = None

    def _between(self, agent: Agent) -> None:
        """Answer what has been asked; in a pause, hold the robot and wait for more."""
        if self._paused.is_set():
            agent.robot.hold()
        while self._paused.is_set() or not self._jobs.empty():
            job = self._jobs.get()
            if job is None:  # close(): leave it for the main loop, which the stopped run falls back into
                self._jobs.put(None)
                agent.stop()
                self._paused.clear()
                return
            job(agent)
