"""A policy that runs elsewhere: on a server that speaks openpi's protocol, ours (`saycan serve-policy`) or another.

A client sends one message for an observation and gets one back with a chunk of actions, one for each control period
from then on. What is late is not done late: actions whose time has passed are left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from saycan.action import ACTION_SIZE, Action
from saycan.errors import BadInputError, PolicyError, SayCanError
from saycan.observation import Observation
from saycan.robot import Robot
from saycan.skill import Skill
from saycan.wire import connect, load_websockets, observation_fields, pack, unpack

Fields = Callable[[Observation, Skill], Mapping[str, Any]]
ToAction = Callable[[NDArray[np.float64], Observation], Action]


def saycan_fields(observation: Observation, skill: Skill) -> Mapping[str, Any]:
    """All that is observed, under the names of `saycan.Observation`, and the phrase as "prompt"."""
    return {"observation": observation_fields(observation), "prompt": skill.phrase}


def saycan_action(vector: NDArray[np.float64], observation: Observation) -> Action:
    """Eleven numbers in the order of `saycan.Action.to_vector`."""
    return Action.from_vector(vector)


def libero_fields(observation: Observation, skill: Skill) -> Mapping[str, Any]:
    """What openpi's policies for LIBERO take: both pictures at 224 x 224, and (8,) end effector and gripper."""
    turn = _axis_angle(observation.ee_quaternion)
    fingers = 0.04 * np.array([observation.gripper, -observation.gripper])
    return {
        "observation/image": _square(observation.images["head"], 224),
        "observation/wrist_image": _square(observation.images["wrist"], 224),
        "observation/state": np.concatenate([observation.ee_position, turn, fingers]).astype(np.float32),
        "prompt": skill.phrase,
    }


def libero_action(vector: NDArray[np.float64], observation: Observation) -> Action:
    """Seven numbers: translation (1 is 5 cm), rotation vector (1 is 0.5 rad), gripper (-1 open, 1 closed)."""
    if vector.shape != (7,):
        raise PolicyError(f"an action of LIBERO has 7 numbers, found {vector.shape}")
    return Action(np.concatenate([0.05 * vector[:3], 0.5 * vector[3:6]]), 0.5 - 0.5 * float(np.clip(vector[6], -1, 1)))


class RemotePolicy:
    """Implements `saycan.policy.Policy`.

    Args:
        url: "ws://127.0.0.1:8000".
        rate: Control rate of the robot, Hz.
        fields: What is sent; `saycan_fields` or `libero_fields`.
        to_action: What is made of one row of the answer's "actions".
        timeout: s that an answer may take.
        connect: s that a connection may take; a lost one is made anew once for each request.
        chunk: The most actions of an answer that are carried out before the next one is asked for.
        headers: Sent when connecting, such as {"Authorization": "Api-Key ..."}.

    Raises BadInputError for another kind of URL, MissingPartError where websockets or msgpack are not installed.
    """

    def __init__(
        self,
        url: str,
        rate: float = 10.0,
        *,
        fields: Fields = saycan_fields,
        to_action: ToAction = saycan_action,
        timeout: float = 1.0,
        connect: float = 5.0,
        chunk: int = 8,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
            raise BadInputError(f"a policy server's URL is ws://HOST:PORT, found {url!r}")
        if chunk < 1:
            raise BadInputError(f"chunk is at least 1, found {chunk}")
        self._url, self._rate, self._fields, self._to_action = url, rate, fields, to_action
        self._timeout, self._connect, self._chunk, self._headers = timeout, connect, chunk, headers
        self._client = load_websockets()
        self._socket: Any = None
        self.metadata: Mapping[str, Any] = {}
        self._actions: NDArray[np.float64] = np.zeros((0, ACTION_SIZE))
        self._since = 0.0
        self._begins = True

    def reset(self, skill: Skill) -> None:
        """The next observation begins anew."""
        self._actions, self._begins = self._actions[:0], True

    def act(self, observation: Observation, skill: Skill) -> Action:
        """The action for this moment, of the chunk at hand or of a new one.

        Raises PolicyError when no answer came in time, or one that is none.
        """
        late = round((observation.time - self._since) * self._rate)
        if not 0 <= late < min(len(self._actions), self._chunk):
            self._actions, late = self._ask(observation, skill), 0
            self._since = observation.time
        try:
            return self._to_action(self._actions[late], observation)
        except (ValueError, IndexError) as error:
            raise PolicyError(
                f"{self._url} answers with actions of {self._actions.shape[1]} numbers; to_action= makes an Action of "
                f"them ({error})"
            ) from error

    def close(self) -> None:
        """End the connection. Idempotent."""
        if self._socket is not None:
            with contextlib.suppress(Exception):
                self._socket.close()
            self._socket = None

    def __repr__(self) -> str:
        return f"RemotePolicy({self._url!r})"

    def _ask(self, observation: Observation, skill: Skill) -> NDArray[np.float64]:
        """(H, A). One request; a connection that turns out to be lost is made anew once."""
        message = pack({**self._fields(observation, skill), "reset": self._begins})
        for again in (True, False):
            fresh = self._socket is None
            if fresh:
                self._open()
            try:
                deadline = monotonic() + self._timeout
                self._socket.send(message)
                answer = self._socket.recv(timeout=max(0.0, deadline - monotonic()))
                break
            except TimeoutError as error:
                self.close()  # or its answer would be taken for that to the next question
                raise PolicyError(f"{self._url} gave no answer in {self._timeout:g} s") from error
            except (OSError, self._client.exceptions.WebSocketException) as error:
                self.close()
                if fresh or not again:
                    raise PolicyError(f"{self._url} ended the connection: {error}") from error
        if isinstance(answer, str):
            self.close()
            raise PolicyError(f"{self._url} says: {answer.strip()[-400:]}")
        self._begins = False
        return self._rows(answer)

    def _rows(self, answer: bytes) -> NDArray[np.float64]:
        try:
            found = unpack(answer)
            actions = np.array(found["actions"], np.float64)
        except (SayCanError, KeyError, TypeError, ValueError) as error:
            raise PolicyError(f"{self._url} answered with something that holds no actions: {error}") from error
        actions = actions[None] if actions.ndim == 1 else actions
        if actions.ndim != 2 or not len(actions) or not np.isfinite(actions).all():
            raise PolicyError(
                f"{self._url} answered with actions of shape {actions.shape}, or not finite; expected (H, A)"
            )
        return actions

    def _open(self) -> None:
        try:
            self._socket = connect(self._url, self._connect, self._headers)
            hello = self._socket.recv(timeout=self._connect)
            if isinstance(hello, str):  # why it does not serve, such as that another program is connected
                raise PolicyError(hello.strip()[-400:])
            self.metadata = unpack(hello)
        except (OSError, SayCanError, self._client.exceptions.WebSocketException) as error:
            self.close()
            raise PolicyError(f"no policy server answers at {self._url}: {error or type(error).__name__}") from error


def remote_policy(robot: Robot, url: str) -> RemotePolicy:
    """A policy on one of our servers, for a robot."""
    return RemotePolicy(url, robot.spec.rate)


def _axis_angle(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) rotation vector of (w, x, y, z)."""
    w, *axis = quaternion / np.linalg.norm(quaternion) * (1.0 if quaternion[0] >= 0 else -1.0)
    length = float(np.linalg.norm(axis))
    return np.array(axis) * (2.0 * np.arctan2(length, w) / length if length > 1e-9 else 2.0)


def _square(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Brought to size x size, with black where it is not square, as openpi pads."""
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.pad(Image.fromarray(image), (size, size), Image.Resampling.BILINEAR))
