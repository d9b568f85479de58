"""LeRobot's process, with a robot in LeRobot's place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from saycan.robots.lerobot.server import ArmServer


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


@contextmanager
def served(robot: Kiwi) -> Iterator[ArmServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saycan.robots.lerobot.server.require_lerobot", lambda: "none")
        patch.setattr("saycan.robots.lerobot.server._make", lambda *_: robot)
        with ArmServer({}) as server:
            yield server


def test_time_stands_still_while_nothing_new_comes_from_the_robot() -> None:
    robot = Kiwi()
    with served(robot) as server:
        first, second = (server.answer({"do": "observe"})["time"] for _ in range(2))
        server.answer({"do": "hold"})
        assert server.answer({"do": "observe"})["time"] == second == first
        robot.hear(1.0)
        assert server.answer({"do": "observe"})["time"] > first
