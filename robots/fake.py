"""A robot without hardware, physics or pictures worth looking at: for tests, and for writing an application first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from saycan.action import Action
from saycan.errors import RobotError, SceneError
from saycan.observation import Observation
from saycan.privileged import PrivilegedState
from saycan.robot import Limits, RobotSpec
from saycan.robots.kinematic import KinematicKitchen
from saycan.vocabulary import KITCHEN, Vocabulary

OBJECTS = {
    "sponge": "table",
    "coke can": "close counter",
    "pepsi can": "table",
    "apple": "far counter",
    "rice chips": "far counter",
}
"""What stands where unless told otherwise."""

_CARRY = np.array([0.47, 0.0, 1.14])  # end effector in the base frame at rest, m


class FakeRobot:
    """A robot for tests, without physics, where what is commanded happens at once: Robot, PrivilegedWorld, Resettable.

    Args:
        objects: Object id to place; see `KinematicKitchen`.
        spills: Surfaces with a spill.
        rate: Control rate, Hz.
        image_size: Height and width of a plain grey "head" picture; None for a robot without a camera.
        fail_after: Actions after which observe() and apply() raise RuntimeError, like a cable that has come out.
        vocabulary: Nouns of its world.

    Attributes:
        actions: Every action that was applied, in order.
        holds: How often it was held.
        closed: Whether it was closed.
    """

    def __init__(
        self,
        objects: Mapping[str, str] = OBJECTS,
        spills: Iterable[str] = ("close counter",),
        *,
        rate: float = 10.0,
        image_size: int | None = None,
        fail_after: int | None = None,
        vocabulary: Vocabulary = KITCHEN,
    ) -> None:
        cameras = {} if image_size is None else {"head": (image_size, image_size, 3)}
        self.spec = RobotSpec("fake", rate, Limits(), cameras, joints=7, simulated=True)
        self.fail_after = fail_after
        self._scene: Mapping[str, str] = dict(objects)
        self._spills, self._vocabulary = tuple(spills), vocabulary
        self.closed = False
        self.reset()

    def reset(self, scene: object = None, seed: int | None = None) -> None:
        """Start again, with another mapping of objects to places when one is given. Raises SceneError for words."""
        if isinstance(scene, Mapping):
            self._scene = {str(thing): str(place) for thing, place in scene.items()}
        elif scene is not None:
            raise SceneError(f"the fake robot takes a mapping of object to place as its scene, found {scene!r}")
        self.actions: list[Action] = []
        self.holds = 0
        self._world = KinematicKitchen(self._vocabulary, self._scene, self._spills)
        self._base = np.zeros(3)
        self._ee = _CARRY.copy()
        self._quaternion = (1.0, 0.0, 0.0, 0.0)
        self._gripper = 1.0
        self._visited: tuple[str, ...] = ()

    @property
    def time(self) -> float:
        """Seconds on its own clock."""
        return len(self.actions) / self.spec.rate

    def observe(self) -> Observation:
        """Proprioception, and a grey picture that gets lighter from tick to tick."""
        self._require_working()
        images = {
            camera: np.full(shape, len(self.actions) % 256, np.uint8) for camera, shape in self.spec.cameras.items()
        }
        return Observation(
            time=self.time,
            images=images,
            joints=np.zeros(self.spec.joints),
            gripper=self._gripper,
            ee_position=self._ee.copy(),
            ee_quaternion=np.array(self._quaternion),
            base_pose=self._base.copy(),
        )

    def apply(self, action: Action) -> Action:
        """Move at once; the clock goes on by one control period."""
        self._require_working()
        self.actions.append(action)
        if not action.terminate:
            self._move(action)
        return action

    def hold(self) -> None:
        """Counted."""
        self.holds += 1

    def close(self) -> None:
        """No resource to release."""
        self.closed = True

    def privileged_state(self) -> PrivilegedState:
        """A snapshot that later actions do not change."""
        return self._world.state(self._base, self._hand(), self._hand_yaw(), self._gripper, self._visited)

    def __repr__(self) -> str:
        return "FakeRobot()"

    def _move(self, action: Action) -> None:
        before = self._hand()
        forward, left, turn = action.base_delta.tolist()
        c, s = math.cos(self._base[2]), math.sin(self._base[2])
        self._base += (c * forward - s * left, s * forward + c * left, turn)
        self._ee += action.ee_delta[:3]
        self._quaternion = _rotated(self._quaternion, *action.ee_delta[3:].tolist())

        yaw = self._hand_yaw()
        reached = self._world.carry(before, self._hand(), yaw, self._gripper)
        self._ee[2] = reached[2]
        self._gripper = self._world.grip(reached, yaw, self._gripper, action.gripper)

        place = self._world.place_of(self._base)
        if place is not None and place not in self._visited:
            self._visited = (*self._visited, place)

    def _hand(self) -> NDArray[np.float64]:
        """(3,) point between the fingertips, map frame."""
        x, y, z = self._ee.tolist()
        c, s = math.cos(self._base[2]), math.sin(self._base[2])
        return np.array([self._base[0] + c * x - s * y, self._base[1] + s * x + c * y, z])

    def _hand_yaw(self) -> float:
        """Direction in which the fingers close, map frame: the hand's y axis."""
        w, x, y, z = self._quaternion
        return float(self._base[2]) + math.atan2(1 - 2 * (x * x + z * z), 2 * (x * y - w * z))

    def _require_working(self) -> None:
        if self.closed:
            raise RobotError("the fake robot was closed; make a new one")
        if self.fail_after is not None and len(self.actions) >= self.fail_after:
            raise RuntimeError(f"the fake robot fails after {self.fail_after} actions, as it was told to")


def _rotated(
    quaternion: tuple[float, float, float, float], x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """exp(rotation vector) * quaternion, as (w, x, y, z)."""
    angle = math.sqrt(x * x + y * y + z * z)
    if angle == 0.0:
        return quaternion
    w, scale = math.cos(0.5 * angle), math.sin(0.5 * angle) / angle
    a, b, c = x * scale, y * scale, z * scale
    d, e, f, g = quaternion
    return (
        w * d - a * e - b * f - c * g,
        w * e + a * d + b * g - c * f,
        w * f - a * g + b * d + c * e,
        w * g + a * f - b * e + c * d,
    )
