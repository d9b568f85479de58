from __future__ import annotations

from collections.abc import Callable

import mujoco
import numpy as np
import pytest

from saycan.robots.kitchen.arrangement import Arrangement, place_objects
from saycan.robots.kitchen.furniture import add_furniture
from saycan.robots.kitchen.objects import add_object
from saycan.robots.kitchen.scene import Scene, parse_scene
from saycan.robots.kitchen.spill import add_spill

World = tuple[mujoco.MjModel, mujoco.MjData, Arrangement]
BuildWorld = Callable[..., World]


@pytest.fixture
def build_world() -> BuildWorld:
    """Compiles a scene without a robot, so that these tests do not depend on one."""

    def build(scene: str | Scene, seed: int = 0) -> World:
        arrangement = place_objects(
            parse_scene(scene) if isinstance(scene, str) else scene, np.random.default_rng(seed)
        )
        spec = mujoco.MjSpec()
        spec.option.timestep = 0.004
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
        spec.option.impratio = 10
        add_furniture(spec, arrangement.layout)
        for thing in arrangement.placements:
            add_object(spec, thing.id, arrangement.models[thing.name], thing.position, thing.yaw, thing.tilt)
        for spill in arrangement.spills:
            add_spill(spec, spill, arrangement.layout)
        model = spec.compile()
        data = mujoco.MjData(model)
        data.qpos[model.joint("drawer").qposadr[0]] = arrangement.drawer
        mujoco.mj_forward(model, data)
        return model, data, arrangement

    return build
