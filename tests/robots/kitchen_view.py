"""What the kitchen's head camera sees, with the truth beside it: pictures, its pose, and where things really are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saycan.privileged import ObjectState
from saycan.robots.kitchen.kitchen import Kitchen


@dataclass(frozen=True, eq=False)
class KitchenView:
    """One look.

    Attributes:
        rgb, depth: The picture; depth in m.
        K: (3, 3) pinhole matrix, pixels.
        T_base_camera: (4, 4), the optical frame (x right, y down, z forward) in the base frame.
        T_base_map: (4, 4).
        objects: Those that are in the picture.
    """

    rgb: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    T_base_camera: np.ndarray
    T_base_map: np.ndarray
    objects: tuple[ObjectState, ...]

    def position(self, thing: ObjectState) -> np.ndarray:
        """(3,) the simulator's centre of a thing, in the base frame."""
        return (self.T_base_map @ [*thing.position, 1.0])[:3]

    def box(self, thing: ObjectState) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) pixels, around its eight corners: what a perfect detector says."""
        w, x, y, z = thing.quaternion
        assert abs(x) + abs(y) < 0.05  # it stands
        yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3), -1).reshape(-1, 3)
        corners = thing.position + (signs * thing.size) @ turn.T
        T_camera_map = np.linalg.inv(self.T_base_camera) @ self.T_base_map
        seen = self.K @ (T_camera_map[:3, :3] @ corners.T + T_camera_map[:3, 3:])
        u, v = seen[:2] / seen[2]
        return float(u.min()), float(v.min()), float(u.max()), float(v.max())


def look(scene: str, seed: int, size: int = 240) -> KitchenView:
    kitchen = Kitchen(scene, seed, image_size=size, cameras=("head",))
    observation, state = kitchen.observe(), kitchen.privileged_state()
    camera = state.cameras["head"]
    x, y, yaw = observation.base_pose
    T_map_base, T_map_camera = np.eye(4), np.eye(4)
    T_map_base[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T_map_base[:2, 3] = x, y
    T_map_camera[:3, :3] = camera.rotation * [1, -1, -1]  # right, up, back to right, down, forward
    T_map_camera[:3, 3] = camera.position
    T_base_map = np.linalg.inv(T_map_base)
    focal, middle = size / 2 / np.tan(camera.fovy / 2), (size - 1) / 2  # pixel 0's middle is half a pixel inside
    K = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    view = KitchenView(
        observation.images["head"], observation.depths["head"], K, T_base_map @ T_map_camera, T_base_map, ()
    )
    inside = [thing for thing in state.objects if (lambda b: min(b) >= 0 and max(b) <= size - 1)(view.box(thing))]
    kitchen.close()
    return KitchenView(view.rgb, view.depth, K, view.T_base_camera, T_base_map, tuple(inside))
