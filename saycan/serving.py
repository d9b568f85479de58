"""A policy on a server, for robots whose computers are too small for it: openpi's protocol over a websocket.

    saycan serve-policy --robot kitchen --port 8000            and there: --policy remote:ws://127.0.0.1:8000

It is bound to the loopback interface unless told otherwise: whoever can connect can use it, and nobody is asked who
they are. Through a tunnel (ssh -L 8000:127.0.0.1:8000 HOST) it is as safe as the tunnel.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from time import perf_counter
from types import TracebackType
from typing import Any

from saycan._version import __version__
from saycan.errors import BadInputError, MissingPartError, SayCanError
from saycan.inspection import find_problem
from saycan.library import SkillLibrary
from saycan.policy import Policy
from saycan.robot import RobotSpec
from saycan.wire import pack, to_observation, unpack

_LARGEST = 64 * 2**20  # bytes of a message
_LOG = logging.getLogger(__name__)


class PolicyServer:
    """Serves one policy; robots take turns, since a policy has one memory.

    Args:
        policy: It.
        spec: Of the robot that it acts for; observations that do not fit it are refused.
        library: The skills that its phrases are looked up in.
        host, port: Where it listens; port 0 takes a free one.

    Attributes:
        url: Where clients find it.

    Raises MissingPartError where websockets or msgpack are not installed, BadInputError where it cannot listen there.
    """

    def __init__(
        self, policy: Policy, spec: RobotSpec, library: SkillLibrary, host: str = "127.0.0.1", port: int = 8000
    ) -> None:
        pack({})  # msgpack is there, or it is said now
        try:
            from websockets.sync.server import serve
        except ImportError as error:
            raise MissingPartError(
                "policy servers need msgpack and websockets: python -m pip install 'saycan-robotics[remote]'"
            ) from error
        self._policy, self._spec, self._library = policy, spec, library
        self._busy = threading.Lock()
        self._connection: Any = None
        try:
            self._server = serve(
                self._serve, host, port, compression=None, max_size=_LARGEST, logger=_LOG, ping_interval=None,
                close_timeout=1.0,
            )  # fmt: skip
        except OSError as error:
            raise BadInputError(f"cannot listen at {host}:{port}: {error}") from error
        self.url = f"ws://{host}:{self._server.socket.getsockname()[1]}"

    def run(self) -> None:
        """Serve until `close` in another thread."""
        self._server.serve_forever()

    def close(self) -> None:
        """Listen no more, and let the robot that is being served go. Not from the thread that runs it."""
        self._server.shutdown()
        if (connection := self._connection) is not None:
            connection.close()

    def __enter__(self) -> PolicyServer:
        threading.Thread(target=self.run, name="policy server", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, connection: Any) -> None:
        """One client, until it leaves."""
        from websockets.exceptions import ConnectionClosed

        if not self._busy.acquire(blocking=False):
            connection.send("another robot is using this policy; end that first, or start a second server")
            return
        try:
            self._connection = connection
            connection.send(pack(self._about()))
            phrase = None
            for message in connection:
                began = perf_counter()
                try:
                    phrase, action = self._answer(message, phrase)
                except SayCanError as error:
                    connection.send(str(error))
                    return
                except Exception as error:
                    _LOG.exception("the policy failed")
                    connection.send(f"the policy failed: {type(error).__name__}: {error}")
                    return
                connection.send(
                    pack({"actions": action, "server_timing": {"infer_ms": 1e3 * (perf_counter() - began)}})
                )
        except ConnectionClosed:
            pass  # it has left, in whichever way
        finally:
            self._connection = None
            self._busy.release()

    def _about(self) -> dict[str, Any]:
        spec = self._spec
        shapes = {name: list(shape) for name, shape in spec.cameras.items()}
        return {"server": f"saycan {__version__}", "robot": spec.name, "rate": spec.rate, "cameras": shapes}

    def _answer(self, message: Any, before: str | None) -> tuple[str, Any]:
        """The phrase, and (1, 11) actions."""
        asked = unpack(message) if isinstance(message, bytes) else None
        if not isinstance(asked, Mapping) or not isinstance(asked.get("prompt"), str):
            raise BadInputError('a question is a map with "observation" and "prompt", a phrase')
        observation = to_observation(asked.get("observation"))
        problem = find_problem(observation, self._spec)
        if problem:
            raise BadInputError(f"this policy acts for {self._spec.name}: {problem}")
        skill = self._library.find(asked["prompt"])
        if asked.get("reset", False) or skill.phrase != before:
            self._policy.reset(skill)
        return skill.phrase, self._policy.act(observation, skill).to_vector()[None]
