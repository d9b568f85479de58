"""From actions to joint commands: the reference pose, inverse kinematics, and servo set-points.

An action moves a reference pose of the end effector, not the measured one, so that a delta of zero holds the pose
without creeping. The reference is on a leash: it never runs further than a few centimetres ahead of the arm, so a
blocked arm pushes with a bounded force and follows at once when it is turned back.

Inverse kinematics is damped least squares on a model of the arm alone,

    dq = J^T (J J^T + lambda I)^-1 e + (I - J^+ J) k (q_home - q),

with the remaining joint freedom pulled towards a home posture (Nakamura and Hanafusa 1986; Buss 2004).
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.action import Action

ROBOT_XML = Path(__file__).with_name("robot.xml")
ARM_JOINTS = tuple(f"arm{index}" for index in range(1, 8))
BASE_JOINTS = ("base_x", "base_y", "base_yaw")
HOME = np.array([0.0, -0.511, 0.0, -1.913, 0.0, 1.402, 0.0])
"""Arm joints in rad with the gripper straight down before the robot, above everything that stands in the kitchen."""
JOINT_SPEED = np.array([2.2, 2.2, 2.2, 2.2, 2.6, 2.6, 2.6])
"""rad/s, the published limits of the arm whose link lengths ours has."""

LEASH = 0.012  # m
LEASH_TURN = 0.12  # rad
DAMPING = 1e-4
POSTURE_GAIN = 0.08
ITERATIONS = 4
NEAR = 0.1  # m; nothing that the controller asks for is farther away than its leash
GRIP_WIDTH = 0.085  # m, between the pads when open


class ArmKinematics:
    """Forward and inverse kinematics of the arm on its base; frames and units are those of the base (m, rad)."""

    def __init__(self) -> None:
        spec = mujoco.MjSpec.from_file(str(ROBOT_XML))
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        self._site = self._model.site("ee").id
        joints = [self._model.joint(name) for name in ARM_JOINTS]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._dofs = np.array([joint.dofadr[0] for joint in joints])
        self.low = np.array([joint.range[0] for joint in joints]) + 0.02
        self.high = np.array([joint.range[1] for joint in joints]) - 0.02
        self._jacobian = np.zeros((6, self._model.nv))

    def pose(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """End-effector position (3,) and quaternion (4,) for (7,) joint angles."""
        self._forward(joints)
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, self._data.site_xmat[self._site])
        return self._data.site_xpos[self._site].copy(), quaternion

    def solve(
        self, start: NDArray[np.float64], position: NDArray[np.float64], quaternion: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(7,) joint angles near `start` that bring the end effector to the pose, as nearly as the joints allow."""
        joints = start.copy()
        error = np.empty(6)
        for _ in range(ITERATIONS):
            self._forward(joints)
            mujoco.mj_jacSite(self._model, self._data, self._jacobian[:3], self._jacobian[3:], self._site)
            error[:3] = position - self._data.site_xpos[self._site]
            now = np.empty(4)
            mujoco.mju_mat2Quat(now, self._data.site_xmat[self._site])
            error[3:] = rotation_between(now, quaternion)
            # Far from a target, as at the edge of the arm's reach, an undamped step would throw the arm about.
            damping = DAMPING + max(0.0, float(np.linalg.norm(error[:3])) - NEAR)
            jacobian = self._jacobian[:, self._dofs]  # (6, 7)
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + damping * np.eye(6))  # (7, 6)
            posture = POSTURE_GAIN * (HOME - joints)
            joints = joints + inverse @ error + posture - inverse @ (jacobian @ posture)
            joints = np.clip(joints, self.low, self.high)
        return joints

    def _forward(self, joints: NDArray[np.float64]) -> None:
        self._data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)


class WholeBodyController:
    """Keeps the references of arm, base and gripper, and writes servo commands for each physics step.

    Args:
        model: The compiled kitchen with the robot in it.
        rate: Control rate in Hz.
    """

    def __init__(self, model: mujoco.MjModel, rate: float) -> None:
        self._kinematics = ArmKinematics()
        self._period = 1.0 / rate
        self.substeps = round(self._period / model.opt.timestep)
        names = (*BASE_JOINTS, *ARM_JOINTS)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._actuators = np.array([model.actuator(name).id for name in names])
        self._grip = model.actuator("grip").id
        self._all = np.append(self._actuators, self._grip)
        self._lead = -model.actuator_biasprm[self._actuators, 2] / model.actuator_gainprm[self._actuators, 0]  # kv / kp
        self._max_step = np.concatenate([np.full(3, np.inf), JOINT_SPEED * self._period])

    def reset(self, data: mujoco.MjData, gripper: float = 1.0) -> None:
        """Take the measured posture as the reference."""
        self._joints = data.qpos[self._qpos].copy()  # (10,) base and arm
        self._position, self._quaternion = self._kinematics.pose(self._joints[3:])
        self.gripper = gripper
        self.track(data, self._commands(self._joints[None], np.zeros(10))[0])

    def hold(self, data: mujoco.MjData) -> None:
        """Stay where the robot is now; the gripper keeps its command."""
        self.reset(data, self.gripper)

    def plan(self, data: mujoco.MjData, action: Action) -> NDArray[np.float64]:
        """(substeps, 11) servo commands for one control period: base, arm, gripper; `track` takes them one by one."""
        start = self._joints
        if action.terminate:
            return self._commands(np.tile(start, (self.substeps, 1)), np.zeros(10))
        measured = data.qpos[self._qpos]
        yaw = measured[2]
        turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
        base = start[:3].copy()
        base[:2] = _leashed(base[:2], measured[:2], 0.05) + turn @ action.base_delta[:2]
        base[2] += action.base_delta[2]

        position, quaternion = self._kinematics.pose(measured[3:])
        self._position = _leashed(self._position, position, LEASH) + action.ee_delta[:3]
        self._quaternion = rotated(_leashed_rotation(self._quaternion, quaternion, LEASH_TURN), action.ee_delta[3:])
        arm = self._kinematics.solve(start[3:], self._position, self._quaternion)
        self.gripper = action.gripper

        goal = np.concatenate([base, arm])
        step = np.clip(goal - start, -self._max_step, self._max_step)
        self._joints = start + step
        fractions = np.arange(1, self.substeps + 1)[:, None] / self.substeps
        return self._commands(start + fractions * step, step / self._period)

    def track(self, data: mujoco.MjData, command: NDArray[np.float64]) -> None:
        """Give one command (11,) of the period that `plan` laid out."""
        data.ctrl[self._all] = command

    def _commands(self, joints: NDArray[np.float64], velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 11) from (N, 10) joints on their way at (10,) velocities."""
        commands = np.empty((len(joints), 11))
        commands[:, :10] = joints + self._lead * velocity
        commands[:, 10] = self.gripper * GRIP_WIDTH
        return commands


def rotation_between(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) rotation vector w with end = exp(w) start, both unit quaternions (w, x, y, z)."""
    inverse, delta, vector = np.empty(4), np.empty(4), np.empty(3)
    mujoco.mju_negQuat(inverse, start)
    mujoco.mju_mulQuat(delta, end, inverse)
    mujoco.mju_quat2Vel(vector, delta, 1.0)
    return vector


def rotated(quaternion: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) exp(vector) quaternion."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return quaternion
    turn, result = np.empty(4), np.empty(4)
    mujoco.mju_axisAngle2Quat(turn, vector / angle, angle)
    mujoco.mju_mulQuat(result, turn, quaternion)
    return result


def _leashed(reference: NDArray[np.float64], measured: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    gap = reference - measured
    distance = float(np.linalg.norm(gap))
    return reference if distance <= length else measured + gap * (length / distance)


def _leashed_rotation(
    reference: NDArray[np.float64], measured: NDArray[np.float64], angle: float
) -> NDArray[np.float64]:
    gap = rotation_between(measured, reference)
    size = float(np.linalg.norm(gap))
    return reference if size <= angle else rotated(measured, gap * (angle / size))
