"""One simulated table with its Panda, and its clock: building it, and moving it on by one control period.

What the fingers hold they hold by friction; no constraint ties a thing to the hand. Both fingers hang on one motor, as
the real gripper's do, which a gear constraint between the two stands for.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import SceneError
from saycan.quaternion import rotation_matrix
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.objects import ObjectModel, grasp_depth
from saycan.robots.kitchen.scene import Thing
from saycan.robots.kitchen.spill import CELL
from saycan.robots.panda.arrangement import Arrangement
from saycan.robots.panda.bodies import add_cells, add_furniture, add_thing
from saycan.robots.panda.kinematics import FINGERS, JOINT_FORCE, JOINT_SPEED, JOINTS, panda_arm, write_urdf
from saycan.robots.reference import Reference, steps_of_period

STEP = 1.0 / 240.0  # s, Bullet's own
GRIP_WIDTH = 0.08  # m, between the pads when open
GRIP_FORCE, GRIP_SPEED = 20.0, 0.2  # N and m/s of each finger, as the URDF says
HELD_FORCE = 0.5  # N of each finger, from which a thing counts as held
SETTLE_SECONDS = 0.5
_FINGER_FRICTION = 1.0
_UNDER = [0.0, 0.0, -5.0]  # where what has been wiped away lies


class World:
    """See the module.

    Args:
        client: A simulation; what is in it is thrown away.
        arrangement: What stands where.
        appearance: Colours.
        rate: Control rate, Hz.
        detail: Whether the Panda is drawn with its fine meshes.

    Attributes:
        time: Seconds simulated since the scene was built.
        bodies: Thing to its number in the simulation.

    Raises BadInputError for a rate whose period is no whole number of steps.
    """

    def __init__(
        self, client: Any, arrangement: Arrangement, appearance: Appearance, rate: float, detail: bool = False
    ) -> None:
        self._steps, self._period = steps_of_period(rate, STEP), 1.0 / rate
        self.client = client
        self.time = 0.0
        client.resetSimulation()
        client.setGravity(0, 0, -9.81)
        client.setPhysicsEngineParameter(fixedTimeStep=STEP, numSolverIterations=100, deterministicOverlappingPairs=1)
        self._surfaces = add_furniture(client, appearance.palette)
        with tempfile.TemporaryDirectory() as folder:
            file = write_urdf(Path(folder), "visual" if detail else "")
            self.robot = int(client.loadURDF(str(file), useFixedBase=True))
        self._find_joints()
        self._kinematics = panda_arm()
        self._reference = Reference(self._kinematics, JOINT_SPEED * self._period)
        self.bodies: dict[Thing, int] = {}
        self.models: dict[Thing, ObjectModel] = {}
        for placed in arrangement.placements:
            self._add(placed.thing, placed.model, placed.position, placed.yaw, placed.tilt)
        self.spills = {place: (cells, np.ones(len(cells), bool)) for place, cells in arrangement.spills.items()}
        self._cells = {place: add_cells(client, cells) for place, cells in arrangement.spills.items()}
        self._begin()

    def put_in_hand(self, thing: Thing, model: ObjectModel, lower: float = 0.0) -> None:
        """Close the gripper on a thing that is kept in place until the pads have it. Raises SceneError."""
        position, quaternion = self.hand()
        below = max(0.5 * model.size[2] - grasp_depth(model), 0.0) + lower
        at = position - np.array([0.0, 0.0, below])
        yaw = _yaw_of(quaternion) - model.grasp_yaw
        self._add(thing, model, (float(at[0]), float(at[1]), float(at[2])), yaw)
        body = self.bodies[thing]
        kept = self.client.getBasePositionAndOrientation(body)
        self._reference.gripper = 0.0
        self._command(self._reference.goal[3:], np.zeros(7))
        for _ in range(round(0.5 / STEP)):
            self.client.resetBasePositionAndOrientation(body, *kept)
            self.client.resetBaseVelocity(body, [0, 0, 0], [0, 0, 0])
            self.client.stepSimulation()
        self.settle()
        if self.held() != thing:
            raise SceneError(f"the gripper could not hold the {model.name}; put it on a place and let it be picked up")

    def advance(self, action: Action) -> None:
        """Carry out one action, but for its base; the clock moves on by one control period."""
        start = self._reference.goal
        step = self._reference.advance(np.zeros(3), self.joints(), action)
        speed = step[3:] / self._period
        for index in range(1, self._steps + 1):
            self._command(start[3:] + step[3:] * (index / self._steps), speed)
            self.client.stepSimulation()
        self.time += self._period
        self._wipe()

    def hold(self) -> None:
        """Stop: the reference becomes the measured posture; the gripper keeps its command. The clock stands still."""
        self._reference.reset(np.zeros(3), self.joints(), self._reference.gripper)
        self._command(self._reference.goal[3:], np.zeros(7))

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Let everything come to rest, off the clock."""
        for _ in range(round(seconds / STEP)):
            self.client.stepSimulation()

    def joints(self) -> NDArray[np.float64]:
        """(7,) rad, in Franka's terms."""
        return np.array([state[0] for state in self.client.getJointStates(self.robot, self._arm)])

    def gripper(self) -> float:
        """Measured opening, 0 to 1."""
        states = self.client.getJointStates(self.robot, self._fingers)
        return float(np.clip(sum(state[0] for state in states) / GRIP_WIDTH, 0.0, 1.0))

    def hand(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(3,) and (4,) (w, x, y, z): the end effector's frame in the base's, as the joints say."""
        return self._kinematics.pose(self.joints())

    def pose(self, thing: Thing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(3,) m and (4,) (w, x, y, z) of a thing's body in the map frame."""
        position, (x, y, z, w) = self.client.getBasePositionAndOrientation(self.bodies[thing])
        return np.array(position), np.array([w, x, y, z])

    def held(self) -> Thing | None:
        """The thing that both fingers press on."""
        for thing, body in self.bodies.items():
            if all(self._pressure(body, finger) >= HELD_FORCE for finger in self._fingers):
                return thing
        return None

    def is_sound(self) -> bool:
        """Whether the simulation still makes sense: finite, and no joint flung about."""
        states = self.client.getJointStates(self.robot, self._arm)
        values = np.array([state[:2] for state in states])
        return bool(np.isfinite(values).all() and (np.abs(values) < 100.0).all())

    def _pressure(self, body: int, finger: int) -> float:
        """N with which a finger presses on a body."""
        contacts = self.client.getContactPoints(self.robot, body, finger, -1)
        return float(sum(contact[9] for contact in contacts))

    def _wipe(self) -> None:
        """Cells under a held sponge that touches their surface are gone."""
        held = self.held() if self.spills else None
        if held is None or held.name != "sponge":
            return
        for place, (cells, dirty) in self.spills.items():
            if not dirty.any() or not self.client.getContactPoints(self.bodies[held], self._surfaces[place]):
                continue
            position, (w, x, y, z) = self.pose(held)
            rotation = np.array(self.client.getMatrixFromQuaternion([x, y, z, w])).reshape(3, 3)
            reach = 0.5 * np.array(self.models[held].size)
            reach[int(np.argmax(np.abs(rotation[2])))] += CELL
            under = (np.abs((cells - position) @ rotation) <= reach).all(axis=1)
            for index in np.flatnonzero(under & dirty):
                self.client.resetBasePositionAndOrientation(self._cells[place][index], _UNDER, [0, 0, 0, 1])
            dirty[under] = False

    def _find_joints(self) -> None:
        """Numbers of joints in the simulation, by their names in the URDF."""
        infos = [self.client.getJointInfo(self.robot, k) for k in range(self.client.getNumJoints(self.robot))]
        by_joint = {info[1].decode(): int(info[0]) for info in infos}
        by_link = {info[12].decode(): int(info[0]) for info in infos}
        self._arm = [by_joint[name] for name in JOINTS]
        self._fingers = [by_link[name] for name in FINGERS]

    def _begin(self) -> None:
        """The home posture with open fingers, and everything at rest."""
        client, home = self.client, self._kinematics.home
        for joint, angle in zip(self._arm, home, strict=True):
            client.resetJointState(self.robot, joint, angle)
        for finger in self._fingers:
            client.resetJointState(self.robot, finger, 0.5 * GRIP_WIDTH)
            client.changeDynamics(self.robot, finger, lateralFriction=_FINGER_FRICTION, jointLowerLimit=0.0,
                                  jointUpperLimit=0.5 * GRIP_WIDTH)  # fmt: skip
        left, right = self._fingers
        gear = client.createConstraint(
            self.robot, left, self.robot, right, client.JOINT_GEAR, [1, 0, 0], [0, 0, 0], [0, 0, 0]
        )
        client.changeConstraint(gear, gearRatio=-1, erp=0.1, maxForce=2.5 * GRIP_FORCE)
        self._reference.reset(np.zeros(3), home, 1.0)
        self._command(home, np.zeros(7))
        self.settle()

    def _add(
        self, thing: Thing, model: ObjectModel, position: tuple[float, float, float], yaw: float, tilt: float = 0.0
    ) -> None:
        self.bodies[thing] = add_thing(self.client, model, position, yaw, tilt)
        self.models[thing] = model

    def _command(self, joints: NDArray[np.float64], speed: NDArray[np.float64]) -> None:
        client = self.client
        client.setJointMotorControlArray(
            self.robot, self._arm, client.POSITION_CONTROL, targetPositions=joints.tolist(),
            targetVelocities=speed.tolist(), forces=JOINT_FORCE.tolist(),
        )  # fmt: skip
        opening = 0.5 * GRIP_WIDTH * self._reference.gripper
        for finger in self._fingers:
            client.setJointMotorControl2(
                self.robot, finger, client.POSITION_CONTROL, targetPosition=opening, force=GRIP_FORCE,
                maxVelocity=GRIP_SPEED,
            )  # fmt: skip


def _yaw_of(quaternion: NDArray[np.float64]) -> float:
    """Direction of a frame's y axis about the vertical, rad."""
    x, y, _ = rotation_matrix(quaternion)[:, 1]
    return float(np.arctan2(y, x))
