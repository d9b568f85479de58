"""What the gate costs, and how soon a simulated robot stands still when something goes wrong.

    python benchmarks/gate.py [--actions 20000] [--json FILE]

The cost is that of `apply` and `observe` through the gate less that of the same driver without, side by side. For the
times to standstill the kitchen's robot drives at full speed and lifts its hand; the clock, the simulation's, starts
when something goes wrong and ends when hand and base are slower than 1 cm/s. What is measured is the whole loop:
executor, gate, driver, at 50 Hz; at the kitchen's own 10 Hz up to a tenth of a second comes on top. An agent that is
killed takes its simulation with it; where ROS 2 is installed (.venv-ros2/bin/python), the kitchen runs in a process of
its own, and the agent's gets SIGKILL while it drives.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from report import Row, write_json
from rich.console import Console
from rich.table import Table

from saycan.action import Action
from saycan.errors import RobotError
from saycan.executor import execute
from saycan.gate import Gate
from saycan.observation import Observation
from saycan.robot import RobotSpec
from saycan.robots.kitchen import Kitchen
from saycan.skill import Skill

RATE = 50.0
SLOW = 0.01  # m/s
GO = Action([0.0, 0.0, 0.002, 0.0, 0.0, 0.0], base_delta=[-0.01, 0.0, 0.0])
FULL_SPEED = 0.6  # s of it before something goes wrong


class Nothing:
    """A driver that does nothing at all, so that what is left is the gate."""

    def __init__(self, size: tuple[int, int], cameras: int) -> None:
        names = [f"camera {number}" for number in range(cameras)]
        self.spec = RobotSpec("nothing", RATE, cameras=dict.fromkeys(names, (*size, 3)), joints=7, simulated=False)
        rng = np.random.default_rng(0)
        self._pictures = [
            {name: rng.integers(0, 255, (*size, 3), np.uint8) for name in names} for _ in range(2)
        ]  # fmt: skip
        self._seen = Observation(
            0.0, self._pictures[0], np.zeros(7), 1.0, np.array([0.4, 0.0, 1.0]), np.array([1.0, 0, 0, 0]), np.zeros(3)
        )
        self._count = 0

    def observe(self) -> Observation:
        """Another time and another picture."""
        self._count += 1
        return replace(self._seen, time=float(self._count), images=self._pictures[self._count % 2])

    def apply(self, action: Action) -> Action:
        """Nothing."""
        return action

    def hold(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Faulty:
    """The kitchen with a camera that freezes."""

    def __init__(self, kitchen: Kitchen) -> None:
        self.kitchen, self.spec = kitchen, kitchen.spec
        self.frozen: dict[str, NDArray[np.uint8]] | None = None
        self.apply, self.hold, self.close = kitchen.apply, kitchen.hold, kitchen.close

    def observe(self) -> Observation:
        """With the old pictures from when it froze on."""
        seen = self.kitchen.observe()
        return seen if self.frozen is None else replace(seen, images=self.frozen)


def cost(actions: int, size: tuple[int, int], cameras: int) -> tuple[float, float]:
    """Seconds that the gate adds to an `apply` and to an `observe`."""
    found = []
    for through in (True, False):
        driver = Nothing(size, cameras)
        robot = Gate(driver) if through else driver
        wild = [Action(np.random.default_rng(n).normal(0.0, 0.05, 6), base_delta=[0.1, 0.0, 0.0]) for n in range(64)]
        spent = np.zeros(2)
        for number in range(actions):
            began = perf_counter()
            robot.observe()
            between = perf_counter()
            robot.apply(wild[number % 64])
            spent += (perf_counter() - between, between - began)
        found.append(spent / actions)
        robot.close()
    apply, observe = found[0] - found[1]
    return float(apply), float(observe)


def standstill(trouble: str) -> float:
    """Simulated seconds from when something goes wrong to standstill."""
    kitchen = Kitchen("at table, apple on far counter", rate=RATE)
    robot = Faulty(kitchen)
    gate = Gate(robot)
    wrong: list[float] = []

    class Policy:
        """Drives on; goes wrong in time."""

        def reset(self, skill: Skill) -> None:
            """Nothing to forget."""

        def act(self, observation: Observation, skill: Skill) -> Action:
            """Full speed ahead, until it is not."""
            if observation.time < FULL_SPEED:
                return GO
            if not wrong:
                wrong.append(observation.time)
                if trouble == "Ctrl-C":
                    raise KeyboardInterrupt
                if trouble == "a NaN in an action":
                    return Action([float("nan")] * 6)
                if trouble == "a camera that freezes":
                    robot.frozen = dict(observation.images)
                if trouble == "an emergency stop":
                    gate.emergency_stop()
            return GO

    for _ in execute(gate, Policy(), Skill("drive", "drive", None, None)):
        pass
    before = kitchen.observe().time - wrong[0]
    return before + _slowing(kitchen)


def _slowing(kitchen: Kitchen) -> float:
    """Seconds until a robot that was held is slow for good; its driver is told nothing new."""
    moving, seen = 0.0, kitchen.observe()
    for number in range(1, int(10 * RATE)):
        kitchen.apply(Action(gripper=seen.gripper))
        now = kitchen.observe()
        hand = float(np.linalg.norm(now.ee_position - seen.ee_position))
        base = float(np.linalg.norm((now.base_pose - seen.base_pose)[:2]))
        seen = now
        if max(hand, base) * RATE > SLOW:
            moving = number / RATE
        elif number / RATE > moving + 0.5:
            return moving
    raise RobotError("it never stood still")


DRIVE = """
from saycan.action import Action
from saycan.gate import Gate
from saycan.robots.ros2.driver import Ros2Robot
with Gate(Ros2Robot("kitchen")) as robot:
    while True:
        robot.observe()
        robot.apply(Action(gripper=1.0, base_delta=[-0.05, 0.0, 0.0]))
"""


def killed() -> float:
    """Simulated seconds from SIGKILL of a process that drives a ROS 2 robot to standstill."""
    from nav_msgs.msg import Odometry

    from saycan.ros import Session, seconds

    way: list[tuple[float, float]] = []
    watching = Session("watching")
    watching.node.create_subscription(
        Odometry, "/odom", lambda one: way.append((seconds(one.header.stamp), one.pose.pose.position.x)), 50
    )
    watching.start()

    def speed() -> float:
        (t0, x0), (t1, x1) = way[-4], way[-1]
        return abs(x1 - x0) / max(t1 - t0, 1e-6)

    def until(condition: Callable[[], bool]) -> None:
        end = perf_counter() + 60.0
        while len(way) < 4 or not condition():
            if perf_counter() > end:
                raise RobotError("the kitchen's node, or whoever drives it, does not do what it should")
            time.sleep(0.002)

    kitchen = [sys.executable, "-m", "saycan.robots.ros2.kitchen", "--scene", "at table"]
    with subprocess.Popen(kitchen, stdout=subprocess.DEVNULL) as robot:
        try:
            until(lambda: True)
            with subprocess.Popen([sys.executable, "-c", DRIVE]) as agent:
                until(lambda: speed() > 0.4)
                agent.kill()
                began = way[-1][0]
            until(lambda: speed() < SLOW)
            return way[-1][0] - began
        finally:
            robot.terminate()
            watching.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=20_000, help="how many are timed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    console = Console()
    rows: list[Row] = []
    table = Table("what the gate adds", "to an action", "to an observation")
    cases: dict[str, tuple[int, tuple[tuple[int, int], int]]] = {
        "no camera": (options.actions, ((64, 64), 0)),
        "two cameras, 64 x 64": (options.actions, ((64, 64), 2)),
        "two cameras, 640 x 480": (options.actions // 20 + 1, ((480, 640), 2)),
    }
    for name, (actions, what) in cases.items():
        apply, observe = cost(actions, *what)
        table.add_row(name, f"{1e6 * apply:.1f} µs", f"{1e6 * observe:.1f} µs")
        rows += [Row(f"apply/{name}", 1e6 * apply, "us"), Row(f"observe/{name}", 1e6 * observe, "us")]
    console.print(table)
    table = Table("the kitchen's robot at 0.5 m/s, and then", "stands still after")
    for name in ("Ctrl-C", "a NaN in an action", "an emergency stop", "a camera that freezes"):
        seconds = standstill(name)
        table.add_row(name, f"{seconds:.2f} s")
        rows.append(Row(f"standstill/{name}", seconds, "s"))
    if importlib.util.find_spec("rclpy") is not None:
        seconds = killed()
        table.add_row("the agent's process is killed (ROS 2)", f"{seconds:.2f} s")
        rows.append(Row("standstill/killed", seconds, "s"))
    console.print(table)
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
