"""The kinematics of an arm, from a MuJoCo model or a URDF, and its inverse.

Inverse kinematics is damped least squares,

    dq = J^T (J J^T + lambda I)^-1 e + (I - J^+ J) k (q_home - q),

with the remaining joint freedom pulled towards a home posture (Nakamura and Hanafusa 1986; Buss 2004).
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from saycan.errors import BadInputError

DAMPING = 1e-4
POSTURE_GAIN = 0.08
ITERATIONS = 4
NEAR = 0.1  # m; nothing that a controller asks for is farther away than its leash
_FREE = 6  # joints that a hand needs to be anywhere in any direction
MARGIN = 0.02  # rad that is kept from the ends of a joint's range


class ArmKinematics:
    """Forward and inverse kinematics of the joints between a base and a tip; frames and units are the base's (m, rad).

    Args:
        model: With the arm in it; joints that are not the arm's stay at zero.
        joints: Names of the arm's joints, from the base on.
        tip: Name of the site, or else of the body, that is moved.
        base: Name of the body whose frame counts; None is the world's.
        home: (J,) rad, the posture that spare freedom is pulled towards.
        turning: m that a radian of the tip's direction counts as, against its position. An arm of fewer than six joints
            cannot have both, and needs a small one to get where it is sent.

    Attributes:
        low, high: (J,) rad, what `solve` keeps to; infinite for joints that have no limits.

    Raises BadInputError for a name that the model lacks.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        joints: Sequence[str],
        tip: str,
        home: ArrayLike,
        base: str | None = None,
        turning: float = 1.0,
    ) -> None:
        self._turning = turning
        self._model, self._data = model, mujoco.MjData(model)
        found = [_number(model, mujoco.mjtObj.mjOBJ_JOINT, "joint", name) for name in joints]
        self._qpos, self._dofs = model.jnt_qposadr[found], model.jnt_dofadr[found]
        limited = model.jnt_limited[found].astype(bool)
        self.low = np.where(limited, model.jnt_range[found, 0] + MARGIN, -np.inf)
        self.high = np.where(limited, model.jnt_range[found, 1] - MARGIN, np.inf)
        self.home = np.asarray(home, np.float64)
        if self.home.shape != (len(joints),):
            raise BadInputError(f"home has a number for each of the {len(joints)} joints, found {self.home.shape}")
        self._site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, tip)
        if self._site < 0:
            self._body = _number(model, mujoco.mjtObj.mjOBJ_BODY, "site or body", tip)
        self._base = 0 if base is None else _number(model, mujoco.mjtObj.mjOBJ_BODY, "body", base)
        self._jacobian = np.zeros((6, model.nv))

    def pose(self, joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The tip's position (3,) and quaternion (4,) for (J,) joint angles."""
        self._forward(joints)
        position, matrix = self._tip()
        return position, _quaternion(matrix)

    def solve(
        self, start: NDArray[np.float64], position: NDArray[np.float64], quaternion: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(J,) joint angles near `start` that bring the tip to the pose, as nearly as the joints allow."""
        joints = start.copy()
        error = np.empty(6)
        for _ in range(ITERATIONS):
            self._forward(joints)
            here, matrix = self._tip()
            error[:3] = position - here
            error[3:] = self._turning * rotation_between(_quaternion(matrix), quaternion)
            # Far from a target, as at the edge of the arm's reach, an undamped step would throw the arm about.
            damping = DAMPING + max(0.0, float(np.linalg.norm(error[:3])) - NEAR)
            jacobian = self._tip_jacobian()  # (6, J)
            jacobian[3:] *= self._turning
            posture = POSTURE_GAIN * (self.home - joints)
            step = _step(jacobian, error, posture, damping)
            if len(joints) < _FREE:  # no joint stands in for one at its end: the others go without it
                stuck = (joints + step < self.low) | (joints + step > self.high)
                step = _step(jacobian * ~stuck, error, posture * ~stuck, damping)
            joints = np.clip(joints + step, self.low, self.high)
        return joints

    def _forward(self, joints: NDArray[np.float64]) -> None:
        self._data.qpos[self._qpos] = joints
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)

    def _tip(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (3,) and rotation matrix (3, 3) in the base's frame."""
        data = self._data
        if self._site >= 0:
            position, matrix = data.site_xpos[self._site].copy(), data.site_xmat[self._site].reshape(3, 3)
        else:
            position, matrix = data.xpos[self._body].copy(), data.xmat[self._body].reshape(3, 3)
        if not self._base:
            return position, matrix
        turn = data.xmat[self._base].reshape(3, 3).T
        return turn @ (position - data.xpos[self._base]), turn @ matrix

    def _tip_jacobian(self) -> NDArray[np.float64]:
        full = self._jacobian
        if self._site >= 0:
            mujoco.mj_jacSite(self._model, self._data, full[:3], full[3:], self._site)
        else:
            mujoco.mj_jacBody(self._model, self._data, full[:3], full[3:], self._body)
        found = full[:, self._dofs]
        if self._base:
            turn = self._data.xmat[self._base].reshape(3, 3).T
            found = np.concatenate([turn @ found[:3], turn @ found[3:]])
        return np.array(found)


def _step(
    jacobian: NDArray[np.float64], error: NDArray[np.float64], posture: NDArray[np.float64], damping: float
) -> NDArray[np.float64]:
    """(J,) rad of one iteration."""
    inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + damping * np.eye(6))  # (J, 6)
    return np.asarray(inverse @ error + posture - inverse @ (jacobian @ posture))


def urdf_model(text: str) -> mujoco.MjModel:
    """The joints and links of a URDF as a model; meshes, masses and collisions are left out. Raises BadInputError."""
    try:
        robot = xml.fromstring(text)
    except xml.ParseError as error:
        raise BadInputError(f"the robot description is no URDF: {error}") from error
    if robot.tag != "robot":
        raise BadInputError(f"the robot description is no URDF: it is a <{robot.tag}>, not a <robot>")
    for element in robot.iter("link"):
        for child in list(element):
            element.remove(child)
    for element in list(robot):
        if element.tag not in ("link", "joint"):  # transmissions, ros2_control, gazebo, ...
            robot.remove(element)
    bounds = {"boundmass": "0.001", "boundinertia": "0.000001", "fusestatic": "false", "strippath": "true"}
    xml.SubElement(xml.SubElement(robot, "mujoco"), "compiler", bounds)
    try:
        return mujoco.MjModel.from_xml_string(xml.tostring(robot, encoding="unicode"))
    except ValueError as error:
        raise BadInputError(f"the robot description cannot be read: {error}") from error


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


def _quaternion(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(matrix).reshape(9))
    return quaternion


def _number(model: mujoco.MjModel, kind: mujoco.mjtObj, what: str, name: str) -> int:
    number = mujoco.mj_name2id(model, kind, name)
    if number < 0:
        names = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_JOINT, one) for one in range(model.njnt)]
        raise BadInputError(f"the robot has no {what} {name!r}; its joints: {', '.join(map(str, names))}")
    return int(number)
