"""A LeRobot robot, behind the four verbs of `saycan.Robot`."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import BadInputError, RobotError, SayCanError
from saycan.lease import Lease
from saycan.lerobot import Bridge
from saycan.observation import Observation
from saycan.robot import RobotSpec
from saycan.robots.arm import ArmKinematics, rotation_between, urdf_model
from saycan.robots.lerobot.config import LeRobotConfig, read_config
from saycan.robots.reference import Reference
from saycan.wire import connect, load_websockets, pack, unpack

_MODULE = "saycan.robots.lerobot.server"
_LAG = 0.1  # s that small servos take to follow
_CONNECT = 5.0  # s


class LeRobotRobot:
    """An arm that LeRobot drives, in a process of its own: Robot, and `MotorDriven` and `Leased` of `saycan.robot`.

    Hand motions become motor positions here, by the arm's description (URDF). Where the arm stands on a base that
    drives, `Observation.base_pose` counts from where it stood at first, and is added up from the speeds it measures.

    Args:
        config: A file, or what was read from one.
        environment: See `saycan.lerobot.find_python`.

    Attributes:
        spec: What it is.
        lease: Of its device, from before LeRobot connects until after it has let go.

    Raises:
        BadInputError: The file or the description cannot be used, or LeRobot cannot make the robot of it.
        MissingPartError: LeRobot's environment is not there.
        RobotError: The robot does not answer, or is not calibrated.
        LeaseError: Another program drives it; nothing was touched.
    """

    def __init__(self, config: str | Path | LeRobotConfig, environment: str | Path | None = None) -> None:
        self._config = config = config if isinstance(config, LeRobotConfig) else read_config(config)
        arm = config.arm
        self._scale, self._offset = np.array(arm.scale), np.array(arm.offset)
        self._kinematics = ArmKinematics(
            urdf_model(_description(config)), arm.joints, arm.tip, arm.home, arm.base, arm.turning or 1.0
        )
        self._closed = False
        with contextlib.ExitStack() as undo:
            at = config.robot.get("port") or config.robot.get("remote_ip") or config.server or config.name
            self.lease = Lease(config.device or f"lerobot:{at}")
            undo.callback(self.lease.release)
            self._link = _Link(config, environment)
            undo.callback(self._link.close)
            self._order, self._speeds, cameras = self._fitted(self._link.about())
            self.spec = RobotSpec(
                config.name,
                config.rate,
                config.limits,
                cameras,
                joints=len(arm.joints),
                freshness=config.freshness,
                device=self.lease.device,
            )
            step = np.full(len(arm.joints), arm.speed / config.rate)
            limits = config.limits
            box = limits.workspace_low, limits.workspace_high
            self._reference = Reference(self._kinematics, step, _LAG * limits.ee_speed, box)
            self._lock = threading.RLock()  # hold() comes from any thread
            self._tick: float | None = None
            self._joints, self._opening, self._seen = np.zeros(0), 1.0, 0.0
            self._base, self._velocity, self._when = np.zeros(3), np.zeros(3), -np.inf
            self.observe()
            self._begin_anew()
            undo.pop_all()

    @property
    def motors(self) -> tuple[str, ...]:
        """LeRobot's names, in its order."""
        return self._order

    def observe(self) -> Observation:
        """What LeRobot observes now; `time` is its process's. Raises RobotError."""
        self._require_open()
        answer = self._link.ask({"do": "observe"})
        try:
            measured = np.array(answer["motors"], np.float64)
            speeds = np.array(answer["speeds"], np.float64)
            images = {str(name): np.asarray(image) for name, image in answer["images"].items()}
            when = float(answer["time"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RobotError(f"{self._config.name}: an observation that is none: {error}") from error
        joints, opening = self._from_motors(measured)
        if np.isfinite(measured).all():
            with self._lock:
                self._joints, self._opening, self._seen = joints, opening, time.monotonic()
        base = self._moved(speeds, when)
        position, quaternion = self._kinematics.pose(joints)
        return Observation(
            time=when,
            images=images,
            joints=joints,
            gripper=opening,
            ee_position=position,
            ee_quaternion=quaternion,
            base_pose=base,
        )

    def apply(self, action: Action) -> Action:
        """Send it, and return it when its control period is over.

        By how much `arm.speed`, or LeRobot, has shortened it is not told. Raises RobotError after close(), for what is
        not finite, and when LeRobot does not answer.
        """
        self._require_open()
        if not action.is_finite():
            raise RobotError(f"{self._config.name}: refused an action that is not finite: {action}")
        period = 1.0 / self._config.rate
        if time.monotonic() - self._seen > 2.0 * period:
            self.observe()  # whoever acts without looking gets a look all the same
        with self._lock:
            now = time.monotonic()
            if self._tick is None or not now - period < self._tick <= now + period:
                if self._tick is None:
                    self._begin_anew()
                self._tick = now
            self._tick = tick = self._tick + period
            self._reference.advance(np.zeros(3), self._joints, action)
            if not action.terminate:
                goal = self._to_motors(self._reference.goal[3:], action.gripper)
                self._link.ask({"do": "send", "motors": goal, "speeds": self._to_speeds(action.base_delta / period)})
            elif self._speeds:
                self._link.ask({"do": "hold"})
        time.sleep(max(0.0, tick - time.monotonic()))
        return action

    def hold(self) -> None:
        """The arm stays where it is, under power; the gripper keeps what it was sent last."""
        if self._closed:
            return
        with contextlib.suppress(Exception), self._lock:
            self._tick = None
            self._link.ask({"do": "hold"})
            self._velocity = np.zeros(3)  # or it would count until somebody looks again

    def close(self) -> None:
        """Hold, then end LeRobot's process. Idempotent."""
        if not self._closed:
            self.hold()
            self._closed = True
            try:
                self._link.close()
            finally:
                self.lease.release()

    def read_motors(self, observation: Observation) -> NDArray[np.float64]:
        """(M,) positions in LeRobot's units."""
        return self._to_motors(observation.joints, observation.gripper)

    def toward(self, motors: NDArray[np.float64]) -> Action:
        """The action that leads to (M,) positions from what was commanded last; the gate shortens a long one."""
        if np.shape(motors) != (len(self._order),):
            raise RobotError(f"{self._config.name} has {len(self._order)} motors, found {np.shape(motors)} positions")
        joints, opening = self._from_motors(np.asarray(motors, np.float64))
        joints = np.clip(joints, self._kinematics.low, self._kinematics.high)
        with self._lock:
            if self._tick is None:
                self._begin_anew()
            here, turned = self._reference.pose
            position, quaternion = self._kinematics.pose(joints)
        return Action(np.concatenate([position - here, rotation_between(turned, quaternion)]), opening)

    def __repr__(self) -> str:
        return f"LeRobotRobot({self._config.name!r})"

    def _begin_anew(self) -> None:
        """What is measured is the reference."""
        self._reference.reset(np.zeros(3), self._joints, self._opening)

    def _fitted(
        self, about: dict[str, Any]
    ) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, tuple[int, int, int]]]:
        """LeRobot's motors and speeds in its order, and the cameras. Raises BadInputError for others in the file."""
        try:
            order, speeds = tuple(map(str, about["motors"])), tuple(map(str, about["speeds"]))
            cameras = {str(name): (int(h), int(w), int(c)) for name, (h, w, c) in about["cameras"].items()}
        except (KeyError, TypeError, ValueError) as error:
            raise BadInputError(f"{self._link.url} serves no LeRobot robot ({error}): {about}") from error
        named = self._config.motors
        if {*order} != {*named}:
            raise BadInputError(
                f"{self._config.name}: arm.motors and gripper.motor name {', '.join(named)}, and LeRobot's "
                f"{about.get('robot')} has {', '.join(order)}; name all of them, as LeRobot does"
            )
        base = self._config.base
        strange = [name for name in (() if base is None else base.speeds) if name and name not in speeds]
        if strange:
            raise BadInputError(
                f"{self._config.name}: base names {', '.join(strange)}, and LeRobot's {about.get('robot')} takes "
                f'{", ".join(speeds) or "no speeds"}; put "" for what it cannot do'
            )
        return order, speeds, cameras

    def _moved(self, speeds: NDArray[np.float64], when: float) -> NDArray[np.float64]:
        """(3,) x m, y m, yaw rad: where the base is, if it went as fast as the mean of now and before.

        Where nobody looked for long, it is for as long as LeRobot's process lets a base go on.
        """
        if speeds.shape != (len(self._speeds),):
            raise RobotError(f"{self._config.name} has {len(self._speeds)} speeds, found {speeds.shape}")
        if not np.isfinite(speeds).all():
            return np.full(3, np.nan)  # for the gate to refuse
        base, velocity = self._config.base, np.zeros(3)
        if base is not None:
            told = {"": 0.0, **dict(zip(self._speeds, speeds.tolist(), strict=True))}
            velocity = np.array([told[name] for name in base.speeds]) * base.scale
        with self._lock:
            if when == self._when:
                return self._base
            if when > self._when > -np.inf:
                seconds = min(when - self._when, _silence(self._config))
                forward, left, turn = 0.5 * (velocity + self._velocity) * seconds
                yaw = self._base[2] + 0.5 * turn
                cos, sin = np.cos(yaw), np.sin(yaw)
                self._base = self._base + [cos * forward - sin * left, sin * forward + cos * left, turn]
            self._velocity, self._when = velocity, when
            return self._base

    def _to_speeds(self, velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """LeRobot's, for (3,) m/s, m/s and rad/s."""
        base = self._config.base
        told = {} if base is None else dict(zip(base.speeds, velocity / base.scale, strict=True))
        return np.array([told.get(name, 0.0) for name in self._speeds])

    def _from_motors(self, measured: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Joints (J,) rad, and the gripper's opening."""
        if measured.shape != (len(self._order),):
            raise RobotError(f"{self._config.name} has {len(self._order)} motors, found {measured.shape}")
        told = dict(zip(self._order, measured.tolist(), strict=True))
        joints = self._scale * [told[name] for name in self._config.arm.motors] + self._offset
        gripper = self._config.gripper
        if gripper is None:
            return joints, 1.0
        opening = (told[gripper.motor] - gripper.closed) / (gripper.open - gripper.closed)
        return joints, float(np.clip(opening, 0.0, 1.0))

    def _to_motors(self, joints: NDArray[np.float64], opening: float) -> NDArray[np.float64]:
        told = dict(zip(self._config.arm.motors, (joints - self._offset) / self._scale, strict=True))
        gripper = self._config.gripper
        if gripper is not None:
            told[gripper.motor] = gripper.closed + opening * (gripper.open - gripper.closed)
        return np.array([told[name] for name in self._order])

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError(f"{self._config.name} was closed; make a new one to go on")


class _Link:
    """The connection to LeRobot's process, and the process where it was started here.

    Attributes:
        url: Where it serves.
    """

    def __init__(self, config: LeRobotConfig, environment: str | Path | None) -> None:
        self._client = load_websockets("LeRobot's robots")
        self._name, self._patience = config.name, config.patience
        self._bridge: Bridge | None = None
        self._lock = threading.Lock()
        self._socket: Any = None
        self._hello: dict[str, Any] = {}
        self.url = config.server
        if not self.url:
            options = [f"--plugin={plugin}" for plugin in config.plugins]
            if config.gripper is not None:
                options.append(f"--keep={config.gripper.motor}")
            arguments = [json.dumps(dict(config.robot)), f"--patience={_silence(config)}", *options]
            self._bridge = Bridge(_MODULE, arguments, environment)
            self._end = weakref.finalize(self, self._bridge.close)
            self.url = self._bridge.url

    def about(self) -> dict[str, Any]:
        """What it serves."""
        with self._lock:
            self._open()
        return self._hello

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question. Raises RobotError where no answer came in time, or one that says no."""
        with self._lock:
            if self._socket is None:
                self._open()
            try:
                self._socket.send(pack(question))
                answer = self._socket.recv(timeout=self._patience)
            except TimeoutError as error:
                self._drop()  # or its answer would be taken for that to the next question
                raise RobotError(f"{self._name}: LeRobot gave no answer in {self._patience:g} s") from error
            except (OSError, self._client.exceptions.WebSocketException) as error:
                self._drop()
                raise RobotError(f"{self._name}: LeRobot's process ended the connection: {self._why(error)}") from error
            if isinstance(answer, str):
                self._drop()
                raise RobotError(f"{self._name}: LeRobot says: {answer.strip()[-400:]}")
            return self._map(answer)

    def close(self) -> None:
        """End the connection, and the process. Idempotent."""
        with self._lock:
            self._drop()
        if self._bridge is not None:
            self._end()

    def _open(self) -> None:
        try:
            self._socket = connect(self.url, _CONNECT)
            hello = self._socket.recv(timeout=_CONNECT)
        except (OSError, ValueError, self._client.exceptions.WebSocketException) as error:
            self._drop()
            raise RobotError(f"{self._name}: nothing answers at {self.url}: {self._why(error)}") from error
        if isinstance(hello, str):
            self._drop()
            raise RobotError(f"{self._name}: LeRobot's process says: {hello.strip()[-400:]}")
        self._hello = self._map(hello)

    def _map(self, message: bytes) -> dict[str, Any]:
        try:
            found = unpack(message)
        except SayCanError as error:
            raise RobotError(f"{self._name}: {error}") from error
        if not isinstance(found, dict):
            raise RobotError(f"{self._name}: an answer that is no map: {type(found).__name__}")
        return found

    def _drop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(Exception):
                self._socket.close()
            self._socket = None

    def _why(self, error: Exception) -> str:
        said = "" if self._bridge is None or self._bridge.alive else self._bridge.said()
        return said[-400:] or str(error) or type(error).__name__


def _silence(config: LeRobotConfig) -> float:
    """s without a command after which LeRobot's process stops the robot."""
    return max(config.freshness.command, 3.0 / config.rate)


def _description(config: LeRobotConfig) -> str:
    try:
        return Path(config.description).read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            f"{config.name}: description is the arm's URDF, which cannot be read: {error}; arms' makers publish them"
        ) from error
