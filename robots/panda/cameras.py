"""The Panda's cameras, drawn by PyBullet's CPU renderer, which needs no GL library.

They hang where the kitchen's hang: the head camera on a mast at the base, the wrist camera on the hand, each at the
same place from the base and from the fingertips, with the same field of view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.privileged import CameraPose
from saycan.robots.kitchen.appearance import Appearance

NEAR, FAR = 0.02, 8.0  # m
_SKY = (0.72, 0.79, 0.86)


@dataclass(frozen=True)
class Mounting:
    """Where a camera hangs on what carries it.

    Attributes:
        hand: Whether the hand carries it (in the end effector's frame), or the base.
        position: (x, y, z) m.
        right, up: Its axes in that frame, made orthonormal.
        fovy: Vertical field of view, degrees.
    """

    hand: bool
    position: tuple[float, float, float]
    right: tuple[float, float, float]
    up: tuple[float, float, float]
    fovy: float

    def rotation(self) -> NDArray[np.float64]:
        """(3, 3); its columns are right, up and back."""
        right = np.array(self.right) / np.linalg.norm(self.right)
        up = np.array(self.up) - (right @ self.up) * right
        up /= np.linalg.norm(up)
        return np.column_stack([right, up, np.cross(right, up)])


MOUNTINGS = {
    "head": Mounting(False, (0.05, 0.27, 1.62), (-0.442, -0.897, 0.0), (0.645, -0.318, 0.695), 62.0),
    "wrist": Mounting(True, (0.075, 0.0, 0.153), (0.0, -1.0, 0.0), (0.969, 0.0, 0.247), 75.0),
}
"""Camera name to where it hangs; robots/kitchen/robot.xml has the same numbers (its hand is 0.168 m over its tip)."""


def camera_pose(
    mounting: Mounting, position: NDArray[np.float64], rotation: NDArray[np.float64], appearance: Appearance
) -> CameraPose:
    """Where a camera is when what carries it is at (3,) m with (3, 3) axes, with the scene's jitter."""
    turned = rotation @ mounting.rotation() if mounting.hand else mounting.rotation()
    eye = position + rotation @ mounting.position if mounting.hand else np.array(mounting.position)
    x, y, z = appearance.camera_turn
    small = np.array([[1.0, -z, y], [z, 1.0, -x], [-y, x, 1.0]])  # of a turn of two degrees
    axes, _ = np.linalg.qr(turned @ small)
    axes = axes * np.sign((axes * turned).sum(axis=0))  # qr may point an axis the other way
    return CameraPose(eye + turned @ np.array(appearance.camera_shift), axes, float(np.radians(mounting.fovy)))


class Renderer:
    """Draws with ER_TINY_RENDERER: one light, no shadows.

    Args:
        client: The simulation.
        appearance: Light of the scene.
    """

    def __init__(self, client: Any, appearance: Appearance) -> None:
        self._client, self._look = client, appearance

    def render(self, pose: CameraPose, width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(H, W, 3) uint8, and (H, W) float32 depth in m along the optical axis, inf where there is nothing."""
        client, look = self._client, self._look
        forward, up = -pose.rotation[:, 2], pose.rotation[:, 1]
        view = client.computeViewMatrix([*pose.position], [*(pose.position + forward)], [*up])
        projection = client.computeProjectionMatrixFOV(float(np.degrees(pose.fovy)), width / height, NEAR, FAR)
        _, _, rgba, buffer, _ = client.getCameraImage(
            width, height, view, projection, lightDirection=[4.0 * value for value in look.light],
            lightColor=[1.0, 1.0, 1.0], lightAmbientCoeff=look.ambient, lightDiffuseCoeff=float(np.mean(look.diffuse)),
            lightSpecularCoeff=0.0, shadow=0, renderer=client.ER_TINY_RENDERER, flags=client.ER_NO_SEGMENTATION_MASK,
        )  # fmt: skip
        rgb = np.asarray(rgba, np.uint8).reshape(height, width, 4)[..., :3].copy()
        scaled = np.asarray(buffer, np.float64).reshape(height, width)
        nothing = scaled >= 1.0 - 1e-9
        depth = np.where(nothing, np.inf, FAR * NEAR / (FAR - (FAR - NEAR) * scaled))
        rgb[nothing] = np.array(_SKY) * 255
        return rgb, depth.astype(np.float32)
