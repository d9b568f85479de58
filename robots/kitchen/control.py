"""The kitchen's robot: its joints, and the servo commands that bring them where they are to be."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.robots.arm import ArmKinematics
from saycan.robots.reference import Reference, steps_of_period

ROBOT_XML = Path(__file__).with_name("robot.xml")
ARM_JOINTS = tuple(f"arm{index}" for index in range(1, 8))
BASE_JOINTS = ("base_x", "base_y", "base_yaw")
HOME = np.array([0.0, -0.511, 0.0, -1.913, 0.0, 1.402, 0.0])
"""Arm joints in rad with the gripper straight down before the robot, above everything that stands in the kitchen."""
JOINT_SPEED = np.array([2.2, 2.2, 2.2, 2.2, 2.6, 2.6, 2.6])
"""rad/s, the published limits of the arm whose link lengths ours has."""

GRIP_WIDTH = 0.085  # m, between the pads when open


def kitchen_arm() -> ArmKinematics:
    """The arm's kinematics in the frame of the robot's base."""
    model = mujoco.MjSpec.from_file(str(ROBOT_XML)).compile()
    return ArmKinematics(model, ARM_JOINTS, "ee", HOME)


class WholeBodyController:
    """Turns actions into servo commands for each physics step.

    Args:
        model: The compiled kitchen with the robot in it.
        rate: Control rate in Hz.

    Raises BadInputError for a rate whose period is no whole number of physics steps.
    """

    def __init__(self, model: mujoco.MjModel, rate: float) -> None:
        self.substeps = steps_of_period(rate, model.opt.timestep)
        self._period = 1.0 / rate
        names = (*BASE_JOINTS, *ARM_JOINTS)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._actuators = np.array([model.actuator(name).id for name in names])
        self._grip = model.actuator("grip").id
        self._all = np.append(self._actuators, self._grip)
        self._lead = -model.actuator_biasprm[self._actuators, 2] / model.actuator_gainprm[self._actuators, 0]  # kv / kp
        self._reference = Reference(kitchen_arm(), JOINT_SPEED * self._period)

    @property
    def gripper(self) -> float:
        """Commanded opening, 0 to 1."""
        return self._reference.gripper

    @gripper.setter
    def gripper(self, opening: float) -> None:
        self._reference.gripper = opening

    def reset(self, data: mujoco.MjData, gripper: float = 1.0) -> None:
        """Take the measured posture as the reference."""
        joints = data.qpos[self._qpos]  # (10,) base and arm
        self._reference.reset(joints[:3], joints[3:], gripper)
        self.track(data, self._commands(self._reference.goal[None], np.zeros(10))[0])

    def hold(self, data: mujoco.MjData) -> None:
        """Stay where the robot is now; the gripper keeps its command."""
        self.reset(data, self.gripper)

    def plan(self, data: mujoco.MjData, action: Action) -> NDArray[np.float64]:
        """(substeps, 11) servo commands for one control period: base, arm, gripper; `track` takes them one by one."""
        start, measured = self._reference.goal, data.qpos[self._qpos]
        return self._way(start, self._reference.advance(measured[:3], measured[3:], action))

    def go(self, goal: NDArray[np.float64], gripper: float) -> NDArray[np.float64]:
        """The same for base and arm joints (10,) that are to be reached in one period."""
        start = self._reference.goal
        return self._way(start, self._reference.go(goal, gripper))

    def track(self, data: mujoco.MjData, command: NDArray[np.float64]) -> None:
        """Give one command (11,) of the period that `plan` laid out."""
        data.ctrl[self._all] = command

    def _way(self, start: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.float64]:
        fractions = np.arange(1, self.substeps + 1)[:, None] / self.substeps
        return self._commands(start + fractions * step, step / self._period)

    def _commands(self, joints: NDArray[np.float64], velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 11) from (N, 10) joints on their way at (10,) velocities."""
        commands = np.empty((len(joints), 11))
        commands[:, :10] = joints + self._lead * velocity
        commands[:, 10] = self.gripper * GRIP_WIDTH
        return commands
