"""The mock kitchen of Ahn et al. 2022 as a robot: MuJoCo physics behind the four verbs of `saycan.Robot`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import BadInputError, RobotError, UnknownNameError
from saycan.observation import Observation
from saycan.place import Place
from saycan.privileged import PrivilegedState
from saycan.robot import Limits, RobotSpec
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.control import kitchen_arm
from saycan.robots.kitchen.furniture import SPECTATOR
from saycan.robots.kitchen.layout import Layout
from saycan.robots.kitchen.physics import Physics
from saycan.robots.kitchen.render import RayRenderer, View, camera_pose
from saycan.robots.kitchen.scene import Scene, parse_scene
from saycan.robots.kitchen.state import place_states

DEFAULT_SCENE = (
    "with operator, spill on close counter, sponge on table, coke can on table, apple on far counter, "
    "rice chips on far counter"
)
CAMERAS = ("head", "wrist")
LIMITS = Limits(
    ee_speed=0.5,
    ee_turn=1.5,
    base_speed=0.5,
    base_turn=1.0,
    workspace_low=(0.20, -0.70, 0.30),
    workspace_high=(0.98, 0.70, 1.45),
)


class Kitchen:
    """A mobile manipulator in a simulated kitchen: Robot, PrivilegedWorld and Resettable.

    It needs no GL library: its cameras are rays cast by MuJoCo. One `apply` is 0.1 s of simulated time.

    Args:
        scene: Words ("pepsi can on table, spill on close counter"), a Scene, or None for a kitchen with a spill.
        seed: Draws where exactly things stand; the same scene and seed give the same run, bit for bit, on one machine.
            A Scene that has a seed of its own keeps to that.
        image_size: Height and width of camera images, pixels.
        cameras: Which of the cameras "head" and "wrist" see; the privileged experts need none.
        rate: Control rate, Hz; a period is a whole number of physics' steps of 4 ms.

    Attributes:
        looking: Whether `observe` renders; pictures cost more than physics, and not every period needs them.

    Raises:
        SceneError: The scene cannot be built.
        BadInputError: A camera's size or a rate that cannot be.
    """

    def __init__(
        self,
        scene: str | Scene | None = None,
        seed: int = 0,
        image_size: int = 64,
        cameras: Sequence[str] = CAMERAS,
        rate: float = 10.0,
    ) -> None:
        if not 16 <= image_size <= 1024:
            raise BadInputError(f"image_size must be from 16 to 1024 pixels, found {image_size}")
        for camera in cameras:
            if camera not in CAMERAS:
                raise UnknownNameError("camera", camera, CAMERAS)
        self._size, self._cameras, self._rate = image_size, tuple(cameras), rate
        self._kinematics = kitchen_arm()
        self._closed = False
        self._map = _Map()
        self.looking = True
        self._view: View | None = None
        self.reset(DEFAULT_SCENE if scene is None else scene, seed)

    def reset(self, scene: object = None, seed: int | None = None) -> None:
        """Build a scene from words or a Scene (None: the same again) and a seed (None: the same again).

        Raises SceneError; the old scene stays then.
        """
        if scene is None:
            scene = self.scene
        elif isinstance(scene, str):
            scene = parse_scene(scene)
        if not isinstance(scene, Scene):
            raise BadInputError(f"a scene is words or a saycan.robots.kitchen.Scene, found {type(scene).__name__}")
        seed = self.seed if seed is None else seed
        physics = Physics(place_objects(scene, np.random.default_rng(seed)), self._rate, scene.appearance.palette)
        scene.appearance.paint(physics.model)
        self._map.follow(scene.layout)
        self.scene: Scene = scene
        self.seed: int = seed
        self._physics = physics
        self._renderer = RayRenderer(physics.model, self._size, self._size, scene.appearance)
        self._close_view()

    @property
    def spec(self) -> RobotSpec:
        """Two square RGB-D cameras, seven joints, a holonomic base, and a map that follows the scene."""
        shape = (self._size, self._size, 3)
        cameras = dict.fromkeys(self._cameras, shape)
        return RobotSpec("kitchen", self._rate, LIMITS, cameras, joints=7, simulated=True, places=self._map)

    @property
    def energy(self) -> float:
        """Mechanical energy of all joints since reset, J: the sum over actuators of the integral |force x velocity| dt.

        It is the absolute mechanical work of legged locomotion's cost of transport, for a drive that wins nothing back
        when it brakes (Seok et al. 2013, "Design Principles for Highly Efficient Quadrupeds"), without the heat of the
        motors. The arm's own weight is balanced (`gravcomp` in robot.xml) and so costs nothing; what it carries does.
        """
        return self._physics.energy

    def observe(self) -> Observation:
        """Rendered images with depth, and exact proprioception."""
        self._require_open()
        physics = self._physics
        pictures = {camera: self._renderer.render(physics.data, camera) for camera in self._cameras if self.looking}
        joints = physics.joints()
        position, quaternion = self._kinematics.pose(joints)
        return Observation(
            time=float(physics.data.time),
            images={camera: picture.rgb for camera, picture in pictures.items()},
            joints=joints,
            gripper=physics.gripper(),
            ee_position=position,
            ee_quaternion=quaternion,
            base_pose=physics.base_pose(),
            depths={camera: picture.depth for camera, picture in pictures.items()},
        )

    def apply(self, action: Action) -> Action:
        """Simulate one control period. Raises RobotError after close() or when the simulation has diverged."""
        self._require_open()
        self._physics.advance(action)
        self._require_sound()
        return action

    def go(self, base: NDArray[np.float64], joints: NDArray[np.float64], gripper: float) -> None:
        """Simulate one control period towards a base pose (3,), arm joints (7,) and an opening; raises as `apply` does.

        It is what joint controllers do.
        """
        self._require_open()
        self._physics.go(np.concatenate([base, joints]), gripper)
        self._require_sound()

    def _require_sound(self) -> None:
        if self._physics.diverged:
            raise RobotError("the simulation diverged; reset the kitchen")

    def hold(self) -> None:
        """The arm and base stay where they are from now on; simulated time stands still."""
        if not self._closed:
            self._physics.hold()

    def close(self) -> None:
        """Release the pictures' renderer. Idempotent."""
        self._closed = True
        self._close_view()

    def privileged_state(self) -> PrivilegedState:
        """Everything that a goal or a scripted expert may ask about."""
        model, data = self._physics.model, self._physics.data
        cameras = {name: camera_pose(model, data, model.camera(name).id, self.scene.appearance) for name in CAMERAS}
        return replace(self._physics.state(), cameras=cameras)

    def view(self, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, the whole kitchen from a corner; by a GL library where one works, else by rays."""
        self._require_open()
        if self._view is None or self._view.size != (width, height):
            self._close_view()
            self._view = View(self._physics.model, width, height, self.scene.appearance)
        return self._view.render(self._physics.data, SPECTATOR)

    def _close_view(self) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.close()

    def _require_open(self) -> None:
        if self._closed:
            raise RobotError("this kitchen was closed; make a new one")


class _Map(Mapping[str, Place]):
    """The furniture as it stands now, drawer shut: whoever was given it before a reset sees the new scene's too.

    It does not know its kitchen, which whoever keeps a map would keep otherwise.
    """

    def __init__(self) -> None:
        self._places: Mapping[str, Place] = {}

    def follow(self, layout: Layout) -> None:
        """Show this furniture from now on."""
        self._places = place_states(0.0, layout)

    def __getitem__(self, name: str) -> Place:
        return self._places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple[type[dict[str, Place]], tuple[dict[str, Place]]]:
        return dict, (dict(self),)  # a copy does not follow
