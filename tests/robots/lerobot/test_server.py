"""LeRobot's process, with a robot in LeRobot's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from websockets.sync.client import connect

from saycan.errors import BadInputError
from saycan.robots.lerobot.server import ArmServer
from tests.silent import silent


class Kiwi:
    """Hands out the very same observation until a new one has come, as LeKiwi's client does."""

    name, id, is_calibrated = "kiwi", "", None
    action_features = dict.fromkeys(("pan.pos", "x.vel"), float)
    observation_features = action_features

    def __init__(self) -> None:
        self.hear(0.0)

    def hear(self, pan: float) -> None:
        self.newest = {"pan.pos": pan, "x.vel": 0.0}

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def get_observation(self) -> dict[str, Any]:
        return self.newest

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        return action


class Squeezing(Kiwi):
    """Its gripper closes on something that stops it at 35."""

    action_features = observation_features = dict.fromkeys(("pan.pos", "gripper.pos", "x.vel"), float)

    def hear(self, pan: float) -> None:
        self.newest = {"pan.pos": pan, "gripper.pos": 35.0, "x.vel": 0.0}

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        self.told = action
        return action


@contextmanager
def served(robot: Kiwi, **options: Any) -> Iterator[ArmServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saycan.robots.lerobot.server.require_lerobot", lambda: "none")
        patch.setattr("saycan.robots.lerobot.server._make", lambda *_: robot)
        with ArmServer({}, **options) as server:
            yield server


def test_time_stands_still_while_nothing_new_comes_from_the_robot() -> None:
    robot = Kiwi()
    with served(robot) as server:
        first, second = (server.answer({"do": "observe"})["time"] for _ in range(2))
        server.answer({"do": "hold"})
        assert server.answer({"do": "observe"})["time"] == second == first
        robot.hear(1.0)
        assert server.answer({"do": "observe"})["time"] > first


def test_a_gripper_that_something_stops_goes_on_squeezing_while_the_robot_is_held() -> None:
    robot = Squeezing()
    with served(robot, keep=["gripper"]) as server:
        for held in (lambda: server.answer({"do": "hold"}), server.quiet, server.gone, server.close):
            server.answer({"do": "send", "motors": np.array([20.0, 0.0]), "speeds": np.array([0.1])})
            robot.hear(12.0)
            held()
            assert robot.told == {"pan.pos": 12.0, "gripper.pos": 0.0, "x.vel": 0.0}


def test_a_gripper_that_was_sent_nowhere_is_held_where_it_is() -> None:
    robot = Squeezing()
    with served(robot, keep=["gripper"]) as server:
        server.quiet()
        assert robot.told == {"pan.pos": 0.0, "gripper.pos": 35.0, "x.vel": 0.0}


def test_a_motor_that_is_not_there_cannot_be_kept() -> None:
    told = r"keep, or gripper\.motor .* names grip, and kiwi has pan, gripper"
    with pytest.raises(BadInputError, match=told), served(Squeezing(), keep=["grip"]):
        pass


def test_a_client_that_has_vanished_loses_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.serving._PING", 1.0)
    with served(Kiwi()) as server, silent(server.url, "kiwi"):
        deadline = time.monotonic() + 10.0
        while True:
            with connect(server.url, compression=None) as client:
                told = client.recv()
            if isinstance(told, bytes):
                return
            assert "another program drives this robot" in told and time.monotonic() < deadline
            time.sleep(0.05)
