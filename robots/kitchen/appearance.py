"""What changes the picture of a scene and nothing else: light, camera jitter, colour jitter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.shapes import Group

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """How a scene is lit and seen; the default is even light, cameras in place and colours as designed.

    Attributes:
        light: Unit vector from the scene towards the light, map frame.
        ambient: Brightness in [0, 1] of a face turned away from the light.
        diffuse: Brightness that full light adds, for red, green and blue.
        camera_shift: Offset of every robot camera in its own frame (right, up, back), m.
        camera_turn: Rotation vector of every robot camera in its own frame, rad.
        color_jitter: Largest change of any colour channel of any geom.
        color_seed: Seed of that change.
        palette: Colours of room and furniture before that change.
    """

    light: Vector = (-0.35, -0.25, 0.90)
    ambient: float = 0.60
    diffuse: Vector = (0.42, 0.42, 0.42)
    camera_shift: Vector = (0.0, 0.0, 0.0)
    camera_turn: Vector = (0.0, 0.0, 0.0)
    color_jitter: float = 0.0
    color_seed: int = 0
    palette: Palette = field(default_factory=Palette)

    def paint(self, model: Any) -> None:
        """Change the colours of a compiled model, once: the same change for all geoms of a body."""
        if not self.color_jitter:
            return
        rng = np.random.default_rng(self.color_seed)
        shifts = rng.uniform(-self.color_jitter, self.color_jitter, (model.nbody, 3))
        drawn = model.geom_group != int(Group.COLLISION)
        bodies = model.geom_bodyid[drawn]
        model.geom_rgba[drawn, :3] = np.clip(model.geom_rgba[drawn, :3] + shifts[bodies], 0.0, 1.0)
