from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.robots.kitchen.furniture import BIN_FLOOR, DRAWER_FLOOR, surface_geom
from saycan.robots.kitchen.layout import DRAWER_TRAVEL, HANDLE_HEIGHT, HANDLE_OFFSET, PLACES
from saycan.robots.kitchen.objects import OBJECTS


def test_every_top_is_where_the_layout_says(build_world) -> None:
    model, data, _ = build_world("nothing")
    for name, place in PLACES.items():
        if place.kind in ("surface", "tray"):
            geom = model.geom(surface_geom(name))
            top = data.geom_xpos[geom.id] + [0, 0, geom.size[2]]
            np.testing.assert_allclose(top, place.center, atol=1e-9)
            np.testing.assert_allclose(geom.size[:2], [0.5 * place.depth, place.half_across])


@pytest.mark.parametrize("name", OBJECTS)
def test_what_is_let_go_over_the_bin_ends_in_it(build_world, name: str) -> None:
    model, data, _ = build_world(f"{name} on table")
    place = PLACES["trash can"]
    joint = model.joint(name).qposadr[0]
    data.qpos[joint : joint + 3] = place.center + [0.03, -0.04, 0.15]
    mujoco.mj_step(model, data, nstep=500)
    position = data.body(name).xpos
    assert np.linalg.norm(position[:2] - place.center[:2]) < 0.25
    assert BIN_FLOOR < position[2] < place.height


def test_the_drawer_slides_and_stays(build_world) -> None:
    model, data, _ = build_world("nothing")
    joint = data.joint("drawer")
    data.qfrc_applied[model.joint("drawer").dofadr[0]] = 15.0
    mujoco.mj_step(model, data, nstep=500)
    assert joint.qpos[0] == pytest.approx(DRAWER_TRAVEL, abs=0.005)
    data.qfrc_applied[:] = 0.0
    joint.qpos[0], joint.qvel[0] = 0.1, 0.0
    mujoco.mj_step(model, data, nstep=500)
    assert joint.qpos[0] == pytest.approx(0.1, abs=1e-3)


def test_the_handle_is_where_the_layout_says_and_nothing_is_above_or_beside_it(build_world) -> None:
    model, data, _ = build_world("nothing")
    handle = data.geom("drawer/handle")
    place = PLACES["drawer"]
    np.testing.assert_allclose(handle.xpos, [*place.point(0.0, -HANDLE_OFFSET), HANDLE_HEIGHT], atol=1e-6)
    # Where two fingers come down, before and behind the bar, a ray from above meets nothing over the bar's lower edge.
    for deep in (-HANDLE_OFFSET - 0.03, -HANDLE_OFFSET + 0.03):
        for across in (-0.03, 0.0, 0.03):
            above = np.array([*place.point(across, deep), 1.5])
            geom = np.full((1, 1), -1, np.int32)
            distance = mujoco.mj_ray(model, data, above, np.array([0.0, 0.0, -1.0]), None, 1, -1, geom)
            assert 1.5 - distance < HANDLE_HEIGHT - 0.025


def test_things_ride_along_in_the_drawer_and_fit_under_its_cabinet(build_world) -> None:
    model, data, arrangement = build_world("water bottle in drawer, apple in drawer, drawer open")
    joint = model.joint("drawer")
    mujoco.mj_step(model, data, nstep=100)
    before = {thing.id: data.body(thing.id).xpos.copy() for thing in arrangement.placements}
    for _ in range(1000):
        data.qfrc_applied[joint.dofadr[0]] = -6.0
        mujoco.mj_step(model, data)
    assert data.joint("drawer").qpos[0] < 0.01
    for id, position in before.items():
        moved = data.body(id).xpos - position
        assert moved[:2] @ PLACES["drawer"].forward == pytest.approx(DRAWER_TRAVEL, abs=0.05), id
        assert data.body(id).xpos[2] > DRAWER_FLOOR, id
