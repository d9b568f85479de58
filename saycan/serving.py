"""A policy on a server, for robots whose computers are too small for it: openpi's protocol over a websocket.

    saycan serve-policy --robot kitchen --port 8000            and there: --policy remote:ws://127.0.0.1:8000

It is bound to the loopback interface unless told otherwise: whoever can connect can use it, and nobody is asked who
they are. Through a tunnel (ssh -L 8000:127.0.0.1:8000 HOST) it is as safe as the tunnel.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from saycan._version import __version__
from saycan.errors import BadInputError, SayCanError
from saycan.inspection import find_problem
from saycan.library import SkillLibrary
from saycan.policy import Policy
from saycan.robot import RobotSpec
from saycan.wire import LARGEST, load_websockets, pack, to_observation, unpack

_PING = 20.0  # s between two signs of life of a client, and within which each has to come: a tunnel tells of no end
_LOG = logging.getLogger(__name__)


class Server(ABC):
    """Answers one client at a time, question by question; what kind of questions is for its subclasses to say.

    It may ask nothing for as long as it likes; one that has vanished loses its turn. No web page may ask: whoever names
    an origin is refused.

    Args:
        host, port: Where it listens; port 0 takes a free one.
        patience: s without a question after which `quiet` is called; None for never.

    Attributes:
        url: Where clients find it.

    Raises MissingPartError where websockets or msgpack are not installed, BadInputError where it cannot listen there.
    """

    failing = "the policy failed"
    """Begins what a client is told of an error that nobody expected."""
    busy = "another robot is using this policy; end that first, or start a second server"
    """What a second client is told."""

    def __init__(self, host: str = "127.0.0.1", port: int = 8000, patience: float | None = None) -> None:
        pack({})  # msgpack is there, or it is said now
        serve = load_websockets().sync.server.serve
        self._patience = patience
        self._busy = threading.Lock()
        self._connection: Any = None
        try:
            self._server = serve(
                self._serve, host, port, compression=None, max_size=LARGEST, logger=_LOG, ping_interval=_PING,
                ping_timeout=_PING, close_timeout=1.0, origins=[None],
            )  # fmt: skip
        except OSError as error:
            raise BadInputError(f"cannot listen at {host}:{port}: {error}") from error
        self.url = f"ws://{host}:{self._server.socket.getsockname()[1]}"

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What a client is told first."""

    @abstractmethod
    def answer(self, question: Any) -> dict[str, Any]:
        """What is answered. Raises SayCanError for what cannot be; the client is told why, and has to come anew."""

    def begin(self) -> None:  # noqa: B027 - what happens then is up to a subclass; mostly nothing
        """A client has come."""

    def quiet(self) -> None:  # noqa: B027
        """The client has asked nothing for `patience` seconds; called again after as many more."""

    def gone(self) -> None:  # noqa: B027
        """The client has left, in whichever way."""

    def run(self) -> None:
        """Serve until `close` in another thread."""
        self._server.serve_forever()

    def close(self) -> None:
        """Listen no more, and let the robot that is being served go. Not from the thread that runs it."""
        self._server.shutdown()
        if (connection := self._connection) is not None:
            connection.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self.run, name=type(self).__name__, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, connection: Any) -> None:
        """One client, until it leaves."""
        from websockets.exceptions import ConnectionClosed

        if not self._busy.acquire(blocking=False):
            connection.send(self.busy)
            return
        try:
            self._connection = connection
            self.begin()
            connection.send(pack(self.about()))
            while True:
                try:
                    message = connection.recv(timeout=self._patience)
                except TimeoutError:
                    self.quiet()
                    continue
                try:
                    answer = pack(self.answer(unpack(message) if isinstance(message, bytes) else None))
                except SayCanError as error:
                    connection.send(str(error))
                    return
                except Exception as error:
                    _LOG.exception("the question could not be answered")
                    connection.send(f"{self.failing}: {type(error).__name__}: {error}")
                    return
                connection.send(answer)
        except ConnectionClosed:
            pass  # it has left, in whichever way
        finally:
            self._connection = None
            try:
                self.gone()
            finally:
                self._busy.release()


class PolicyServer(Server):
    """Serves one policy; robots take turns, since a policy has one memory. One that has vanished loses its turn.

    Args:
        policy: It.
        spec: Of the robot that it acts for; observations that do not fit it are refused.
        library: The skills that its phrases are looked up in.
        host, port: See `Server`.
    """

    def __init__(
        self, policy: Policy, spec: RobotSpec, library: SkillLibrary, host: str = "127.0.0.1", port: int = 8000
    ) -> None:
        self._policy, self._spec, self._library = policy, spec, library
        self._before: str | None = None
        super().__init__(host, port)

    def begin(self) -> None:
        """Its first question begins a skill."""
        self._before = None

    def about(self) -> dict[str, Any]:
        """The robot that it acts for."""
        spec = self._spec
        shapes = {name: list(shape) for name, shape in spec.cameras.items()}
        return {"server": f"saycan {__version__}", "robot": spec.name, "rate": spec.rate, "cameras": shapes}

    def answer(self, question: Any) -> dict[str, Any]:
        """(1, 11) actions."""
        began = perf_counter()
        observation = to_observation(check_question(question)["observation"])
        problem = find_problem(observation, self._spec)
        if problem:
            raise BadInputError(f"this policy acts for {self._spec.name}: {problem}")
        skill = self._library.find(question["prompt"])
        if question.get("reset", False) or skill.phrase != self._before:
            self._policy.reset(skill)
        self._before = skill.phrase
        action = self._policy.act(observation, skill).to_vector()[None]
        return {"actions": action, "server_timing": {"infer_ms": 1e3 * (perf_counter() - began)}}


def check_question(question: Any) -> Mapping[str, Any]:
    """A question to a policy, with "observation" and "prompt" in it. Raises BadInputError for anything else."""
    if not isinstance(question, Mapping) or not isinstance(question.get("prompt"), str):
        raise BadInputError('a question is a map with "observation" and "prompt", a phrase')
    return {"observation": None, **question}
