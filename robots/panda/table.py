"""A Franka Panda at a table as a robot: PyBullet's physics behind the four verbs of `saycan.Robot`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import BadInputError, RobotError, UnknownNameError
from saycan.observation import Observation
from saycan.privileged import CameraPose, PrivilegedState
from saycan.quaternion import rotation_matrix
from saycan.robot import Limits, RobotSpec
from saycan.robots.kitchen.scene import Scene, parse_scene
from saycan.robots.panda.arrangement import arrange
from saycan.robots.panda.bullet import connect
from saycan.robots.panda.cameras import MOUNTINGS, Renderer, camera_pose
from saycan.robots.panda.kinematics import JOINT_ZERO, panda_arm
from saycan.robots.panda.layout import PLACES
from saycan.robots.panda.state import read
from saycan.robots.panda.world import World

DEFAULT_SCENE = "spill on table, sponge on table, coke can on table, apple on table"
CAMERAS = tuple(MOUNTINGS)
SPECTATOR = ((1.75, 1.05, 1.75), (0.38, -0.05, 0.86), 48.0)
"""Eye and target of the view for people, m, and its field of view, degrees."""


class PandaTable:
    """A Franka Panda, bolted down, at a table with a bin and a tray: Robot, PrivilegedWorld and Resettable.

    Its model is the one that comes with PyBullet; it draws on the CPU and needs no window. One `apply` is one control
    period of simulated time. The base does not drive: what an action says of it is left out, and the specification says
    so (`base_speed` and `base_turn` are 0).

    Args:
        scene: Words ("pepsi can on table, sponge on table"), a Scene of the kitchen, or None for a table with a spill.
            Its places are "table", "trash can" and "operator".
        seed: Draws where exactly things stand; the same scene and seed give the same run on one machine.
        image_size: Height and width of camera images, pixels.
        cameras: Which of the cameras "head" and "wrist" see; the privileged experts need none.
        rate: Control rate, Hz; a period is a whole number of physics' steps of 1/240 s.
        detail: Whether the Panda is drawn with its fine meshes; they take about eight times as long.

    Attributes:
        looking: Whether `observe` renders; pictures cost more than physics, and not every period needs them.

    Raises:
        SceneError: The scene cannot be built.
        BadInputError: A camera's size or a rate that cannot be.
        MissingPartError: PyBullet is not installed.
    """

    def __init__(
        self,
        scene: str | Scene | None = None,
        seed: int = 0,
        image_size: int = 64,
        cameras: Sequence[str] = CAMERAS,
        rate: float = 10.0,
        detail: bool = False,
    ) -> None:
        if not 16 <= image_size <= 1024:
            raise BadInputError(f"image_size must be from 16 to 1024 pixels, found {image_size}")
        for camera in cameras:
            if camera not in CAMERAS:
                raise UnknownNameError("camera", camera, CAMERAS)
        self._size, self._cameras, self._rate, self._detail = image_size, tuple(cameras), rate, detail
        self._client = connect()
        arm = panda_arm()
        limits = replace(
            LIMITS, joints_low=_numbers(arm.low - JOINT_ZERO - 0.03), joints_high=_numbers(arm.high - JOINT_ZERO + 0.03)
        )
        shapes = dict.fromkeys(self._cameras, (image_size, image_size, 3))
        self.spec = RobotSpec("panda", rate, limits, shapes, joints=7, simulated=True, places=PLACES)
        self._closed = False
        self.looking = True
        self.reset(DEFAULT_SCENE if scene is None else scene, seed)

    def reset(self, scene: object = None, seed: int | None = None) -> None:
        """Build a scene from words or a Scene (None: the same again) and a seed (None: the same again).

        Raises SceneError; where things do not fit the old scene stays then.
        """
        self._require_open()
        if scene is None:
            scene = self.scene
        elif isinstance(scene, str):
            scene = parse_scene(scene)
        if not isinstance(scene, Scene):
            raise BadInputError(f"a scene is words or a saycan.robots.kitchen.Scene, found {type(scene).__name__}")
        seed = self.seed if seed is None else seed
        arrangement = arrange(scene, seed)
        self.scene: Scene = scene
        self.seed: int = seed
        self._world = World(self._client, arrangement, scene.appearance, self._rate, self._detail)
        if arrangement.held is not None:
            self._world.put_in_hand(arrangement.held, scene.model(arrangement.held.name), scene.grip)
        self._world.hold()
        self._renderer = Renderer(self._client, scene.appearance)

    def observe(self) -> Observation:
        """Rendered images with depth, and exact proprioception."""
        self._require_open()
        world = self._world
        poses = self._poses() if self.looking else {}
        pictures = {name: self._renderer.render(poses[name], self._size, self._size) for name in self._seeing}
        position, quaternion = world.hand()
        return Observation(
            time=world.time,
            images={name: rgb for name, (rgb, _) in pictures.items()},
            joints=world.joints() - JOINT_ZERO,
            gripper=world.gripper(),
            ee_position=position,
            ee_quaternion=quaternion,
            base_pose=np.zeros(3),
            depths={name: depth for name, (_, depth) in pictures.items()},
        )

    def apply(self, action: Action) -> Action:
        """Simulate one control period; what is returned has no base motion.

        Raises RobotError after close() or when the simulation has diverged.
        """
        self._require_open()
        sent = Action(action.ee_delta, action.gripper, (0.0, 0.0, 0.0), action.terminate)
        self._world.advance(sent)
        if not self._world.is_sound():
            raise RobotError("the simulation diverged; reset the robot")
        return sent

    def hold(self) -> None:
        """The arm stays where it is from now on; simulated time stands still."""
        if not self._closed:
            self._world.hold()

    def close(self) -> None:
        """End the simulation. Idempotent."""
        if not self._closed:
            self._client.disconnect()
        self._closed = True

    def privileged_state(self) -> PrivilegedState:
        """Everything that a goal or a scripted expert may ask about."""
        self._require_open()
        return read(self._world, self._poses())

    def view(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, the whole table from a corner."""
        self._require_open()
        eye, target, fovy = SPECTATOR
        back = np.array(eye) - np.array(target)
        back /= np.linalg.norm(back)
        right = np.cross([0.0, 0.0, 1.0], back)
        right /= np.linalg.norm(right)
        rotation = np.column_stack([right, np.cross(back, right), back])
        pose = CameraPose(np.array(eye), rotation, float(np.radians(fovy)))
        return self._renderer.render(pose, width, height)[0]

    def __repr__(self) -> str:
        return f"PandaTable({self.scene.describe()!r}, seed={self.seed})"

    @property
    def _seeing(self) -> tuple[str, ...]:
        return self._cameras if self.looking else ()

    def _poses(self) -> dict[str, CameraPose]:
        position, quaternion = self._world.hand()
        rotation, look = rotation_matrix(quaternion), self.scene.appearance
        return {name: camera_pose(mounting, position, rotation, look) for name, mounting in MOUNTINGS.items()}

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError("this Panda was closed; make a new one")


LIMITS = Limits(
    ee_speed=0.5,
    ee_turn=1.5,
    base_speed=0.0,
    base_turn=0.0,
    workspace_low=(0.20, -0.70, 0.30),
    workspace_high=(0.82, 0.70, 1.35),
)
"""But for the joints', which the arm's own model says."""


def _numbers(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
