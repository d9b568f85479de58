"""Serves a LeRobot robot; runs in LeRobot's environment, where `saycan.lerobot.Bridge` starts it.

    {"do": "observe"} -> {"motors": (M,), "speeds": (S,), "images": {NAME: (H, W, 3) uint8}, "time": s}
    {"do": "send", "motors": (M,), "speeds": (S,)} -> {}
    {"do": "hold"} -> {}

Motors and the speeds of a base, of which most robots have none, are in the order that is told first, in LeRobot's
units. Time stands still while nothing new comes from a robot behind a network: LeRobot hands out the very same
observation then. What is not finite is refused here too, since LeRobot's own clamp lets NaN through. The arm holds
where it is, the gripper keeps what it was sent last and the base stands when they are told to, when nothing was asked
for a while, when the client leaves, and before the process ends; a base stands too when it is only looked at for so
long.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import json
import math
import pkgutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, MissingPartError, RobotError, UnsafeActionError
from saycan.lerobot import TESTED, require_lerobot, serve
from saycan.serving import Server

_POSITION, _SPEED = ".pos", ".vel"
_FIRST = 3.0  # s that a robot behind a network may take to observe for the first time


class ArmServer(Server):
    """Serves one robot; see the module.

    Args:
        table: What LeRobot makes the robot of: type, port, id, cameras, ...
        plugins: Modules that register further types.
        patience: s without a question, after which the arm is held.
        port: See `Server`.
        keep: Motors that stay at what they were sent last when the others are held where they are: of a gripper, which
            does not get to where it squeezes.

    Raises:
        BadInputError: LeRobot knows no such robot, or cannot make it of this; or it has no such motor to keep.
        MissingPartError: LeRobot, or what this robot needs, is not installed.
        RobotError: It does not answer, or is not calibrated.
    """

    failing = "the robot failed"
    busy = "another program drives this robot; end that first"

    def __init__(
        self,
        table: Mapping[str, Any],
        plugins: Sequence[str] = (),
        patience: float = 0.5,
        port: int = 0,
        keep: Sequence[str] = (),
    ) -> None:
        self._version = require_lerobot()
        self._robot = _make(table, plugins, self._version)
        self._lock = threading.Lock()
        self._ended = self._held = False
        self._speeds_last, self._stop_at = patience, math.inf  # s, and when what a base was told runs out
        self._seen: Any = None
        self._seen_at = 0.0
        names, cameras = self._robot.action_features, self._robot.observation_features
        self._names = [str(name) for name in names if name.endswith(_POSITION)]
        self._speeds = [str(name) for name in names if name.endswith(_SPEED)]
        if not self._names or len(self._names) + len(self._speeds) < len(names):
            raise BadInputError(
                f"{self._robot.name} is moved by {', '.join(names) or 'nothing'}; what can be driven here is an arm "
                f"whose motors take positions (NAME{_POSITION}), on a base that takes speeds (NAME{_SPEED}) or stands"
            )
        motors = self._motors()
        strange = [name for name in keep if name not in motors]
        if strange:
            raise BadInputError(
                f"keep, or gripper.motor in the robot's file, names {', '.join(strange)}, and {self._robot.name} has "
                f"{', '.join(motors)}"
            )
        self._kept = np.array([name in keep for name in motors])  # (M,)
        self._cameras = {str(name): tuple(shape) for name, shape in cameras.items() if isinstance(shape, tuple)}
        self._connect()
        try:
            self._last = self._first()["motors"]
            super().__init__("127.0.0.1", port, patience)
        except BaseException:
            self._robot.disconnect()
            raise

    def about(self) -> dict[str, Any]:
        """Its motors and cameras."""
        return {
            "server": f"lerobot {self._version}", "robot": self._robot.name, "motors": [*self._motors()],
            "speeds": [*self._speeds], "cameras": {name: list(shape) for name, shape in self._cameras.items()},
        }  # fmt: skip

    def answer(self, question: Any) -> dict[str, Any]:
        """See the module."""
        verb = question.get("do") if isinstance(question, Mapping) else None
        with self._lock:
            if verb == "observe":
                return self._observe()
            if verb == "send":
                self._send(question.get("motors"), question.get("speeds", np.zeros(len(self._speeds))))
                return {}
            if verb == "hold":
                self._hold()
                return {}
        raise BadInputError(f'a question to a robot is a map with "do": observe, send or hold; found {verb!r}')

    def quiet(self) -> None:
        """Nobody says how to go on: it holds."""
        with self._lock:
            self._hold()

    def gone(self) -> None:
        """The same."""
        self.quiet()

    def close(self) -> None:
        """Hold, then let go of the robot, whose motors stay under power unless its table says otherwise."""
        super().close()
        with self._lock:
            if not self._ended:
                self._hold()
                self._ended = True
                with contextlib.suppress(Exception):
                    self._robot.disconnect()

    def _motors(self) -> list[str]:
        return [name.removesuffix(_POSITION) for name in self._names]

    def _connect(self) -> None:
        try:
            # Calibration asks at a terminal, which there is none; the client of a robot elsewhere takes no word of it.
            asks = "calibrate" in inspect.signature(self._robot.connect).parameters
            self._robot.connect(**({"calibrate": False} if asks else {}))
            calibrated = self._robot.is_calibrated is not False
        except Exception as error:
            raise RobotError(f"{self._robot.name} cannot be connected: {type(error).__name__}: {error}") from error
        if not calibrated:
            self._robot.disconnect()
            name, one = self._robot.name, self._robot.id or "ID"
            raise RobotError(
                f"{name} {one} is not calibrated; run, in LeRobot's environment: "
                f"lerobot-calibrate --robot.type={name} --robot.id={one} --robot.port=PORT"
            )

    def _first(self) -> dict[str, Any]:
        deadline = time.monotonic() + _FIRST
        while True:
            try:
                return self._observe()
            except RobotError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _observe(self) -> dict[str, Any]:
        if self._ended:
            raise RobotError("the robot was let go")
        if time.monotonic() > self._stop_at:  # it is looked at, and not told how to go on
            self._hold()
        seen = self._look()
        missing = [name for name in (*self._names, *self._speeds, *self._cameras) if name not in seen]
        if missing:
            raise RobotError(f"{self._robot.name} observes no {', '.join(missing)}; found {', '.join(map(str, seen))}")
        return {
            "motors": np.array([float(seen[name]) for name in self._names]),
            "speeds": np.array([float(seen[name]) for name in self._speeds]),
            "images": {name: np.asarray(seen[name], np.uint8) for name in self._cameras},
            "time": self._seen_at,
        }

    def _look(self) -> Any:
        seen = self._robot.get_observation()
        if seen is not self._seen:
            self._seen, self._seen_at = seen, time.monotonic()
        return seen

    def _send(self, motors: Any, speeds: Any) -> None:
        if self._ended:
            raise RobotError("the robot was let go")
        for told, names, what in (
            (motors, self._names, "a position for each of its {} motors"),
            (speeds, self._speeds, "each of its {} speeds"),
        ):
            if not isinstance(told, np.ndarray) or told.shape != (len(names),):
                found = getattr(told, "shape", type(told).__name__)
                raise BadInputError(f"{self._robot.name} takes {what.format(len(names))}: {found}")
        goal = {**self._told(motors), **dict(zip(self._speeds, speeds.tolist(), strict=True))}
        if not np.isfinite([*goal.values()]).all():
            told = {name.removesuffix(_POSITION): value for name, value in goal.items()}
            raise UnsafeActionError(f"refused positions that are not finite: {told}; the robot is held")
        self._held = False
        self._stop_at = time.monotonic() + self._speeds_last if speeds.any() else math.inf
        sent = self._robot.send_action(goal)
        self._last = np.array([float(sent.get(name, goal)) for name, goal in zip(self._names, motors, strict=True)])

    def _hold(self) -> None:
        """Send motors where they are; where they were sent last if kept, or if none says where it is. Never raises."""
        if self._held or self._ended:
            return
        here = self._last
        with contextlib.suppress(Exception):
            seen = self._look()
            measured = np.array([float(seen[name]) for name in self._names])
            here = np.where(self._kept, here, measured) if np.isfinite(measured).all() else here
        with contextlib.suppress(Exception):
            self._robot.send_action({**self._told(here), **dict.fromkeys(self._speeds, 0.0)})
            self._held, self._stop_at = True, math.inf

    def _told(self, motors: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self._names, motors.tolist(), strict=True))


def _make(table: Mapping[str, Any], plugins: Sequence[str], version: str) -> Any:
    """The robot, not connected."""
    try:
        import draccus
        import lerobot.cameras
        import lerobot.robots
        from lerobot.robots import RobotConfig, make_robot_from_config
        from lerobot.utils.import_utils import register_third_party_plugins
    except ImportError as error:
        raise MissingPartError(
            f"LeRobot {version} cannot be used as {TESTED} can, which this was written for: {error}"
        ) from error
    absent: dict[str, str] = {}
    for package in (lerobot.robots, lerobot.cameras):  # a type is known once its module has been imported
        for module in pkgutil.iter_modules(package.__path__):
            try:
                importlib.import_module(f"{package.__name__}.{module.name}")
            except ImportError as error:
                absent[module.name] = str(error)
    register_third_party_plugins()
    for plugin in plugins:
        try:
            importlib.import_module(plugin)
        except ImportError as error:
            raise MissingPartError(
                f"the plug-in {plugin!r} cannot be imported in LeRobot's environment: {error}"
            ) from error
    known = RobotConfig.get_known_choices()
    kind = table.get("type")
    if kind not in known:
        left_out = f"; not there: {absent}" if absent else ""
        raise BadInputError(f"LeRobot {version} knows no robot {kind!r}; valid: {', '.join(sorted(known))}{left_out}")
    settings = dict(table)
    choice = known[kind]
    powered = "disable_torque_on_disconnect"  # an arm without power drops what it holds, and itself
    if is_dataclass(choice) and powered in {field.name for field in fields(choice)}:
        settings.setdefault(powered, False)
    try:
        return make_robot_from_config(draccus.decode(RobotConfig, settings))
    except ImportError as error:
        raise MissingPartError(
            f"{kind} needs {error.name or error}, which LeRobot's environment lacks; LeRobot has an extra for it, such "
            "as lerobot[feetech] for the SO arms"
        ) from error
    except Exception as error:  # draccus' and LeRobot's own have no common root
        raise BadInputError(f"LeRobot cannot make {kind} of {settings}: {type(error).__name__}: {error}") from error


def main() -> None:
    """What the process does."""
    parser = argparse.ArgumentParser(description="Serve a LeRobot robot on the loopback interface.")
    parser.add_argument("robot", help='JSON: {"type": "so101_follower", "port": "/dev/ttyACM0", "id": "mine"}')
    parser.add_argument("--plugin", action="append", default=[])
    parser.add_argument("--patience", type=float, default=0.5)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep", action="append", default=[], help="a gripper's motor, which keeps its goal in a hold")
    asked = parser.parse_args()
    try:
        table = json.loads(asked.robot)
    except ValueError as error:
        parser.error(f"the robot is JSON: {error}")
    serve(lambda: ArmServer(table, asked.plugin, asked.patience, asked.port, asked.keep))


if __name__ == "__main__":
    main()
