"""A simulated arm's file, and waiting for what takes its time, for tests of LeRobot's robots."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from saycan.errors import RobotError

HERE = Path(__file__).resolve().parent
FILE = """
name = "simulated"
description = "{here}/arm.urdf"
plugins = ["lerobot_robot_simulated"]
rate = 10

[robot]
type = "simulated_arm"
port = {port}
id = "test"
calibration_dir = "{folder}"

[arm]
motors = ["pan", "lift", "elbow", "flex", "roll"]
joints = ["1", "2", "3", "4", "5"]
base = "base"
tip = "tip"
home = [0.0, -0.8, 1.57, 0.0, 0.0]
scale = [0.01745329252, 0.01745329252, 0.01745329252, -0.01745329252, 0.01745329252]
speed = 2.0

[gripper]
motor = "gripper"

[limits]
ee_speed = 0.2
workspace_low = [-0.4, -0.4, 0.0]
workspace_high = [0.4, 0.4, 0.5]
"""


def wait_for(holds: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def until(attempt: Callable[[], object]) -> None:
    """Until the server has noticed that the connection before is gone, and it works."""

    def free() -> bool:
        try:
            attempt()
        except RobotError:
            return False
        return True

    wait_for(free)
