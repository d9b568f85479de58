"""One compiled kitchen and its clock: building it, and moving it on by one control period."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import SceneError
from saycan.privileged import PrivilegedState, SpillState
from saycan.robots.kitchen.arrangement import Arrangement
from saycan.robots.kitchen.control import ARM_JOINTS, BASE_JOINTS, GRIP_WIDTH, HOME, ROBOT_XML, WholeBodyController
from saycan.robots.kitchen.furniture import DRAWER_JOINT, add_furniture
from saycan.robots.kitchen.objects import add_object, grasp_depth
from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.shapes import yaw_quaternion
from saycan.robots.kitchen.spill import SpillCells, add_spill
from saycan.robots.kitchen.state import StateReader, robot_place

SETTLE_SECONDS = 0.4
_BAD = (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)


class Physics:
    """MuJoCo model and data of one scene, the controller in front of them and the state reader behind.

    Args:
        arrangement: What stands where at the start.
        rate: Control rate in Hz.
        palette: Colours of room and furniture; None are the standard ones.

    Attributes:
        energy: Mechanical energy that the actuators have put in or taken out since the start, J.
    """

    def __init__(self, arrangement: Arrangement, rate: float = 10.0, palette: Palette | None = None) -> None:
        spec = mujoco.MjSpec.from_file(str(ROBOT_XML))
        layout, self._models = arrangement.layout, arrangement.models
        self._layout = layout
        add_furniture(spec, layout, palette or Palette())
        things = {placement.id: placement.name for placement in arrangement.placements}
        for placement in arrangement.placements:
            add_object(
                spec, placement.id, self._models[placement.name], placement.position, placement.yaw, placement.tilt
            )
        if arrangement.in_hand is not None:
            id, name = arrangement.in_hand
            things[id] = name
            add_object(spec, id, self._models[name], (0.0, 0.0, -1.0))
        for spill in arrangement.spills:
            add_spill(spec, spill, layout)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._controller = WholeBodyController(self.model, rate)
        self._reader = StateReader(self.model, {id: self._models[name] for id, name in things.items()}, layout)
        self._spills = [SpillCells(self.model, spill, layout) for spill in arrangement.spills]
        self._sponges = {id: self._colliding_geoms(id) for id, name in things.items() if name == "sponge"}
        self._base = np.array([self.model.joint(name).qposadr[0] for name in BASE_JOINTS])
        self._arm = np.array([self.model.joint(name).qposadr[0] for name in ARM_JOINTS])
        self._fingers = np.array([self.model.joint(f"{side}_finger").qposadr[0] for side in ("left", "right")])
        self._visited: tuple[str, ...] = ()

        self.data.qpos[self._base] = arrangement.base
        self.data.qpos[self._arm] = HOME
        self.data.qpos[self._fingers] = 0.5 * GRIP_WIDTH
        self.data.qpos[self.model.joint(DRAWER_JOINT).qposadr[0]] = arrangement.drawer
        mujoco.mj_forward(self.model, self.data)
        self._controller.reset(self.data)
        if arrangement.in_hand is not None:
            self._put_in_hand(*arrangement.in_hand, arrangement.grip)
        self._settle()
        self.data.time = 0.0
        self.energy = 0.0
        self._force, self._velocity = self.data.actuator_force, self.data.actuator_velocity  # they follow `data`
        self._powers = np.zeros((self._controller.substeps, self.model.nu))
        self._note_visit()

    def advance(self, action: Action) -> None:
        """Carry out one action; the clock moves on by one control period."""
        self._follow(self._controller.plan(self.data, action))

    def go(self, goal: NDArray[np.float64], gripper: float) -> None:
        """The same towards base and arm joints (10,), as a joint controller does."""
        self._follow(self._controller.go(goal, gripper))

    def _follow(self, commands: NDArray[np.float64]) -> None:
        for command, power in zip(commands, self._powers, strict=True):
            self._controller.track(self.data, command)
            mujoco.mj_step(self.model, self.data)
            np.multiply(self._force, self._velocity, out=power)
        self.energy += float(np.abs(self._powers).sum()) * self.model.opt.timestep
        if self._spills:
            self._wipe()
        self._note_visit()

    @property
    def diverged(self) -> bool:
        """Whether positions, velocities or accelerations were once no numbers: MuJoCo then begins anew by itself."""
        return any(self.data.warning[kind].number for kind in _BAD)

    def hold(self) -> None:
        """Stop: the reference becomes the measured pose; the gripper keeps its command. The clock stands still."""
        self._controller.hold(self.data)

    def state(self) -> PrivilegedState:
        """A snapshot of everything."""
        spills = tuple(SpillState(cells.spill.place, cells.dirty, cells.total) for cells in self._spills)
        return self._reader.read(self.data, spills, self._visited)

    def gripper(self) -> float:
        """Measured opening, 0 to 1."""
        return self._reader.gripper(self.data)

    def joints(self) -> NDArray[np.float64]:
        """(7,) arm joint positions, rad."""
        return np.array(self.data.qpos[self._arm])

    def base_pose(self) -> NDArray[np.float64]:
        """(3,) x, y in m and yaw in rad, map frame."""
        return np.array(self.data.qpos[self._base])

    def _wipe(self) -> None:
        """A sponge that merely lies there wipes nothing."""
        held = self._reader.held(self.data)
        if held in self._sponges:
            for cells in self._spills:
                cells.wipe(self.model, self.data, self._sponges[held])

    def _colliding_geoms(self, id: str) -> NDArray[np.int64]:
        body = self.model.body(id).id
        return np.flatnonzero((self.model.geom_bodyid == body) & (self.model.geom_contype != 0))

    def _note_visit(self) -> None:
        place = robot_place(self.base_pose(), self._layout)
        if place is not None and place not in self._visited:
            self._visited = (*self._visited, place)

    def _settle(self) -> None:
        for _ in range(round(SETTLE_SECONDS / self.model.opt.timestep)):
            mujoco.mj_step(self.model, self.data)

    def _put_in_hand(self, id: str, name: str, lower: float) -> None:
        """Close the gripper on a thing that is kept in place until the pads have it; from then on friction holds it."""
        model = self._models[name]
        joint = self.model.joint(id)
        pose, velocity = joint.qposadr[0], joint.dofadr[0]
        site = self.model.site("ee").id
        rotation = self.data.site_xmat[site].reshape(3, 3)
        yaw = float(np.arctan2(rotation[1, 1], rotation[0, 1])) - model.grasp_yaw
        below = max(0.5 * model.size[2] - grasp_depth(model), 0.0) + lower
        target = np.concatenate([self.data.site_xpos[site] - [0, 0, below], yaw_quaternion(yaw)])
        self._controller.gripper = 0.0
        self._controller.hold(self.data)
        for _ in range(round(0.6 / self.model.opt.timestep)):
            self.data.qpos[pose : pose + 7] = target
            self.data.qvel[velocity : velocity + 6] = 0.0
            mujoco.mj_step(self.model, self.data)
        self._settle()
        if self._reader.held(self.data) != id:
            raise SceneError(f"the gripper could not hold the {name}; put it on a place and let it be picked up")
