"""Pictures of the kitchen: rays cast by MuJoCo, which need no GL library, and a view for people.

The robot's own cameras are always rays, so that what is trained on one machine looks the same on every other. The view
for people is drawn by GL where a probe finds that it works, because large pictures are cheaper there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from saycan.errors import UnknownNameError
from saycan.privileged import CameraPose
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.gl import GlRenderer, find_gl
from saycan.robots.kitchen.shapes import Group

_DRAWN = np.array([group != Group.COLLISION and group in [*Group] for group in range(6)], dtype=np.uint8)
_MOST_RAYS = 80_000  # for one picture of the view, about 30 ms; larger ones are drawn with larger pixels
_SKY_LOW, _SKY_HIGH = np.array([0.80, 0.84, 0.88]), np.array([0.62, 0.72, 0.84])


@dataclass(frozen=True, eq=False)
class RenderedImage:
    """One picture of one camera.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth: (H, W) float32, m along the optical axis; inf where there is nothing.
        segmentation: (H, W, 2) int32, body id and geom id; -1 where there is nothing.
    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    segmentation: NDArray[np.int32]


class RayRenderer:
    """Casts one ray for each pixel with `mj_multiRay` and shades what it hits by Lambert's law:

        rgb = color * (ambient (0.9 + 0.1 n_z) + diffuse max(0, n . light))

    with the surface normal n. A geom with alpha 0 and every geom of the collision group is not seen.

    Args:
        model: Compiled kitchen; colours are read anew for every picture.
        width, height: Pixels.
        appearance: Light, and the jitter of the cameras that the robot carries; fixed cameras stand still.
    """

    def __init__(self, model: Any, width: int, height: int, appearance: Appearance | None = None) -> None:
        self.size = (width, height)
        self._model = model
        self._appearance = appearance or Appearance()
        self._light = np.asarray(self._appearance.light) / np.linalg.norm(self._appearance.light)
        self._rays: dict[float, NDArray[np.float64]] = {}
        count = width * height
        self._geoms = np.empty(count, np.int32)
        self._distances = np.empty(count)
        self._normals = np.empty((count, 3))

    def render(self, data: Any, camera: str) -> RenderedImage:
        """What a camera sees. `data` must be up to date (`mj_forward`). Raises UnknownNameError."""
        index = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        if index < 0:
            raise UnknownNameError("camera", camera, [self._model.camera(k).name for k in range(self._model.ncam)])
        pose = camera_pose(self._model, data, index, self._appearance)
        rays = self._directions(float(self._model.cam_fovy[index]))
        world = rays @ pose.rotation.T  # (N, 3)
        self._cast(data, np.ascontiguousarray(pose.position), np.ascontiguousarray(world))
        hit = self._geoms >= 0
        width, height = self.size
        depth = np.where(hit, -self._distances * rays[:, 2], np.inf).astype(np.float32)
        bodies = np.where(hit, self._model.geom_bodyid[self._geoms], -1)
        segmentation = np.stack([bodies, self._geoms], axis=-1).astype(np.int32)
        return RenderedImage(
            rgb=self._shade(world, hit).reshape(height, width, 3),
            depth=depth.reshape(height, width),
            segmentation=segmentation.reshape(height, width, 2),
        )

    def _cast(self, data: Any, eye: NDArray[np.float64], world: NDArray[np.float64]) -> None:
        mujoco.mj_multiRay(
            self._model,
            data,
            eye,
            world.ravel(),
            _DRAWN,
            1,  # with what stands still
            -1,  # no body is left out
            self._geoms,
            self._distances,
            self._normals.ravel(),
            len(self._geoms),
            mujoco.mjMAXVAL,
        )

    def _shade(self, world: NDArray[np.float64], hit: NDArray[np.bool_]) -> NDArray[np.uint8]:
        look = self._appearance
        color = self._model.geom_rgba[self._geoms, :3]
        ambient = look.ambient * (0.9 + 0.1 * self._normals[:, 2:])
        direct = np.maximum(self._normals @ self._light, 0.0)[:, None] * look.diffuse
        high = np.clip(2.5 * world[:, 2:] + 0.5, 0.0, 1.0)
        sky = (1.0 - high) * _SKY_LOW + high * _SKY_HIGH
        shaded = np.where(hit[:, None], color * (ambient + direct), sky * (look.ambient + 0.45))
        return np.asarray(np.clip(shaded, 0.0, 1.0) * 255.0 + 0.5, dtype=np.uint8)

    def _directions(self, fovy: float) -> NDArray[np.float64]:
        """(N, 3) unit vectors through the pixels' middles, row by row, in the camera's frame: it looks along -z."""
        if fovy not in self._rays:
            width, height = self.size
            half = np.tan(np.radians(fovy) / 2)
            right = (2 * (np.arange(width) + 0.5) - width) / height * half
            up = (1 - 2 * (np.arange(height) + 0.5) / height) * half
            x, y = np.meshgrid(right, up)
            rays = np.stack([x, y, -np.ones_like(x)], axis=-1).reshape(-1, 3)
            self._rays[fovy] = rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return self._rays[fovy]


def camera_pose(model: Any, data: Any, index: int, appearance: Appearance) -> CameraPose:
    """Where a camera is; one that the robot carries is moved by the scene's jitter, a fixed one stands still."""
    eye, rotation = data.cam_xpos[index].copy(), data.cam_xmat[index].reshape(3, 3).copy()
    if model.cam_bodyid[index] != 0:
        eye += rotation @ appearance.camera_shift
        rotation = rotation @ _rotation(appearance.camera_turn)
    return CameraPose(eye, rotation, float(np.radians(model.cam_fovy[index])))


def _rotation(vector: tuple[float, float, float]) -> NDArray[np.float64]:
    """(3, 3) of a rotation vector in rad."""
    angle = float(np.linalg.norm(vector))
    quaternion, matrix = np.empty(4), np.empty(9)
    axis = np.asarray(vector) / angle if angle > 0 else np.array([1.0, 0.0, 0.0])
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    mujoco.mju_quat2Mat(matrix, quaternion)
    return matrix.reshape(3, 3)


class View:
    """Pictures for people: by GL where it works, by rays otherwise; `choice` says which and why.

    Args:
        model: Compiled kitchen.
        width, height: Pixels.
        appearance: See `RayRenderer`; GL takes no notice of it.
    """

    def __init__(self, model: Any, width: int, height: int, appearance: Appearance | None = None) -> None:
        self.size = (width, height)
        self.choice = choose_renderer()
        self._gl = GlRenderer(model, width, height) if self.choice.gl else None
        shrink = max(1, round(np.sqrt(width * height / _MOST_RAYS)))
        self._shrink = shrink
        small = (-(-width // shrink), -(-height // shrink))
        self._rays = None if self._gl else RayRenderer(model, *small, appearance)

    def render(self, data: Any, camera: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8."""
        if self._gl is not None:
            return self._gl.render(data, camera)
        assert self._rays is not None
        small = self._rays.render(data, camera).rgb
        width, height = self.size
        return small.repeat(self._shrink, axis=0).repeat(self._shrink, axis=1)[:height, :width]

    def close(self) -> None:
        """Release what GL holds. Idempotent."""
        if self._gl is not None:
            self._gl.close()


@dataclass(frozen=True)
class RendererChoice:
    """Which renderer draws the view for people.

    Attributes:
        name: "rays", or "gl (egl)" and the like.
        gl: Whether it is OpenGL.
        reason: One line.
    """

    name: str
    gl: bool
    reason: str


def choose_renderer() -> RendererChoice:
    """Which renderer runs here and why; the probe behind it runs once in a process."""
    backend, reason = find_gl()
    if backend is None:
        return RendererChoice("rays", False, f"no GL library works here ({reason}); rays need none")
    return RendererChoice(f"gl ({backend})", True, reason)
