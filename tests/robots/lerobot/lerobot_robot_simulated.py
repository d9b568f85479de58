"""A plug-in for LeRobot: an arm whose motors are simulated, as one would be written for an arm of one's own."""

import json
import socket
from dataclasses import dataclass

import numpy as np
from lerobot.robots import Robot, RobotConfig


@RobotConfig.register_subclass("simulated_arm")
@dataclass(kw_only=True)
class SimulatedArmConfig(RobotConfig):
    port: int
    camera: bool = True
    calibrated: bool = True
    disable_torque_on_disconnect: bool = True


class SimulatedArm(Robot):
    config_class = SimulatedArmConfig
    name = "simulated_arm"

    def __init__(self, config: SimulatedArmConfig) -> None:
        super().__init__(config)
        self.config = config
        self._socket = None
        self._noise = np.random.default_rng(0)

    @property
    def action_features(self) -> dict:
        return {f"{motor}.pos": float for motor in ("pan", "lift", "elbow", "flex", "roll", "gripper")}

    @property
    def observation_features(self) -> dict:
        return self.action_features | ({"front": (48, 64, 3)} if self.config.camera else {})

    @property
    def is_connected(self) -> bool:
        return self._socket is not None

    @property
    def is_calibrated(self) -> bool:
        return self.config.calibrated

    def connect(self, calibrate: bool = True) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self.config.port), timeout=5)
        self._file = self._socket.makefile("rw")
        self._ask({"power": True})

    def calibrate(self) -> None:
        raise AssertionError("calibration asks at a terminal")

    def configure(self) -> None:
        pass

    def get_observation(self) -> dict:
        seen = {f"{name}.pos": value for name, value in self._ask({"read": 1})["at"].items()}
        if self.config.camera:
            seen["front"] = self._noise.integers(0, 256, (48, 64, 3), np.uint8)
        return seen

    def send_action(self, action: dict) -> dict:
        self._ask({"goal": {name.removesuffix(".pos"): value for name, value in action.items()}})
        return action

    def disconnect(self) -> None:
        self._ask({"power": not self.config.disable_torque_on_disconnect})
        self._socket.close()
        self._socket = None

    def _ask(self, question: dict) -> dict:
        print(question, flush=True)  # libraries print; it must not be taken for an answer
        self._file.write(json.dumps(question) + "\n")
        self._file.flush()
        return json.loads(self._file.readline())
