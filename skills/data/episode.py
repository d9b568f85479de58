"""One attempt at one skill, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.place import Place
from saycan.skill import Skill

PROPRIOCEPTION = {"joints": 7, "gripper": 1, "ee_position": 3, "ee_quaternion": 4, "base_pose": 3, "time": 1}
"""Name of each field of `saycan.Observation` that is no image, and how many numbers it has on a seven-joint arm."""


@dataclass(frozen=True, eq=False)
class Episode:
    """T periods of one skill: what was seen, what the expert would have done, what was done.

    Row t of every array belongs to the observation before action t. The last row is the observation at which the
    attempt ended, so it is also what a success detector sees afterwards.

    Attributes:
        skill: What was attempted.
        seed: Number of the scene.
        source: Who acted: "experts", or the name of a policy.
        scene: The scene in words.
        success: Whether the simulator says that the skill was done.
        terminated: Whether whoever acted ended it itself, in time.
        observations: "head_image" and the like (T, H, W, 3) uint8, and the names of `PROPRIOCEPTION` (T, n) float32.
        actions: (T, 11) float32, the expert's action in that state: the label.
        executed: (T, 11) float32, what was sent to the robot, noise included.
        possible: (T, N) bool, for each phrase of the library whether its precondition held.
        done: (T, N) bool, for each phrase whether it counted as done.
        labels: What only a simulator knows, each (T, ...) float32: "goal" (3,) m in the map frame (NaN where there is
            none), "CAMERA_point" (3,) where the goal appears (x, y in [-1, 1], visible), "objects" (K, 4) position in m
            and whether held, "cameras" (C, 13) position, rotation and field of view.
        places: The robot's map of the furniture, by name.
        phrases: The N phrases.
        objects: Names of the K objects.
    """

    skill: Skill
    seed: int
    source: str
    scene: str
    success: bool
    terminated: bool
    observations: Mapping[str, NDArray[np.generic]]
    actions: NDArray[np.float32]
    executed: NDArray[np.float32]
    possible: NDArray[np.bool_]
    done: NDArray[np.bool_]
    labels: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def period(self) -> NDArray[np.int64]:
        """(T,) control periods of the rows since the start; one after the other where nobody noted them."""
        return self.labels.get("period", np.arange(len(self))).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> Episode:
        """The same episode with these rows only."""

        def some(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows] if len(array) == len(self) else array

        return replace(
            self,
            observations={name: some(array) for name, array in self.observations.items()},
            actions=some(self.actions),
            executed=some(self.executed),
            possible=some(self.possible),
            done=some(self.done),
            labels={name: some(array) for name, array in self.labels.items()},
        )
