"""Our driver without LeRobot: whose its device is, and where a base is that says how fast it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saycan.errors import LeaseError, MissingPartError
from saycan.robots.lerobot.config import read_config
from saycan.robots.lerobot.driver import LeRobotRobot
from tests.robots.lerobot.arm import FILE, HERE
from tests.robots.lerobot.motors import NAMES


class Link:
    """LeRobot's process as a test wants it: its time, and how fast the base goes ahead, in m/s."""

    url = "nowhere"

    def __init__(self, *_: object) -> None:
        self.time, self.speed = 100.0, 0.0

    def about(self) -> dict[str, Any]:
        return {"robot": "test", "motors": [*NAMES], "speeds": ["x.vel", "y.vel", "theta.vel"], "cameras": {}}

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        motors, speeds = np.array([0.0, -45.0, 90.0, 0.0, 0.0, 50.0]), np.array([self.speed, 0.0, 0.0])
        return {"motors": motors, "speeds": speeds, "images": {}, "time": self.time}

    def close(self) -> None:
        pass


@pytest.fixture
def robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeRobotRobot]:
    monkeypatch.setattr("saycan.robots.lerobot.driver._Link", Link)
    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    path = tmp_path / "arm.toml"
    path.write_text(FILE.format(here=HERE, port=1, folder=tmp_path) + "\n[base]\n")
    made = LeRobotRobot(path)
    yield made
    made.close()


def test_a_robot_behind_a_network_is_one_device_whatever_it_is_called(robot: LeRobotRobot, tmp_path: Path) -> None:
    config = read_config(tmp_path / "arm.toml")
    config = replace(config, robot={"type": "lekiwi_client", "remote_ip": "10.0.0.7"}, server="ws://127.0.0.1:1")
    one = LeRobotRobot(config)
    assert one.spec.device == "lerobot:10.0.0.7"
    with pytest.raises(LeaseError, match="is driven by"):
        LeRobotRobot(replace(config, name="another", server="ws://127.0.0.1:2"))
    one.close()


def test_lerobots_process_is_told_which_motor_keeps_what_is_in_the_gripper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(module: str, arguments: list[str], environment: object) -> None:
        raise MissingPartError(" ".join(arguments[1:]))

    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    monkeypatch.setattr("saycan.robots.lerobot.driver.Bridge", start)
    path = tmp_path / "arm.toml"
    path.write_text(FILE.format(here=HERE, port=1, folder=tmp_path))
    with pytest.raises(MissingPartError, match=r"--keep=gripper$"):
        LeRobotRobot(path)
    with pytest.raises(MissingPartError, match=r"--plugin=lerobot_robot_simulated$"):
        LeRobotRobot(replace(read_config(path), gripper=None))


def drive(robot: LeRobotRobot) -> float:
    """Half a second at 0.1 m/s; how far it says that it has come."""
    for _ in range(5):
        far = later(robot, 0.1, 0.1)
    return far


def later(robot: LeRobotRobot, seconds: float, speed: float) -> float:
    """How far it says that it has come when somebody looks again after so long."""
    link: Any = robot._link
    link.time, link.speed = link.time + seconds, speed
    return float(robot.observe().base_pose[0])


def test_a_base_that_was_held_does_not_count_as_driving_until_somebody_looks(robot: LeRobotRobot) -> None:
    far = drive(robot)
    assert far == pytest.approx(0.045)
    robot.hold()
    robot.observe()  # nothing new has come, and what it said last is said again
    assert later(robot, 60.0, 0.0) == pytest.approx(far)


def test_a_base_counts_as_driving_for_no_longer_than_it_is_let(robot: LeRobotRobot) -> None:
    far = drive(robot)
    assert later(robot, 60.0, 0.1) == pytest.approx(far + 0.1 * 0.5)
