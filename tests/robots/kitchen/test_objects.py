from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.objects import OBJECTS
from saycan.vocabulary import KITCHEN


def test_there_is_a_model_of_every_kind_of_thing_in_the_vocabulary() -> None:
    assert set(OBJECTS) == {noun.name for noun in KITCHEN.objects}


@pytest.mark.parametrize("model", OBJECTS.values(), ids=OBJECTS)
def test_a_gripper_from_above_can_take_it(model) -> None:
    along = np.array([np.cos(model.grasp_yaw), np.sin(model.grasp_yaw)])
    across = float(np.abs(along) @ model.size[:2])
    assert across <= 0.07  # of the 0.085 m that the fingers open
    assert model.size[2] <= 0.20
    assert 0.02 <= model.mass <= 0.40


@pytest.mark.parametrize("name", OBJECTS)
def test_the_colliding_boxes_fill_the_size_that_is_named(build_world, name: str) -> None:
    model, data, _ = build_world(f"{name} on table")
    size = np.array(OBJECTS[name].size)
    body = model.body(name)
    rotation = data.xmat[body.id].reshape(3, 3)
    corners = []
    for geom in range(model.ngeom):
        if model.geom_bodyid[geom] == body.id and model.geom_contype[geom]:
            assert model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX  # cylinders creep out of flat fingertips
            signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1)
            turned = data.geom_xmat[geom].reshape(3, 3) @ (signs * model.geom_size[geom][:, None])
            corners.append(rotation.T @ (turned + (data.geom_xpos[geom] - data.xpos[body.id])[:, None]))
    box = np.hstack(corners)
    assert box.min(axis=1)[2] == pytest.approx(-0.5 * size[2], abs=1e-6)
    hexagon = 2 / np.sqrt(3) if OBJECTS[name].grasp_period < 2 else 1.0
    assert (box.max(axis=1) <= 0.5 * size * [1, hexagon, 1] + 1e-6).all()
    assert box.max(axis=1)[0] == pytest.approx(0.5 * size[0], abs=1e-6)


def test_everything_stands_where_it_was_put(build_world) -> None:
    names = [*OBJECTS]
    scene = ", ".join(f"{name} on {place}" for name, place in zip(names, ["close counter", "table"] * 8, strict=True))
    model, data, arrangement = build_world(scene)
    mujoco.mj_step(model, data, nstep=500)  # 2 s
    for thing in arrangement.placements:
        body = data.body(thing.id)
        assert np.linalg.norm(body.xpos[:2] - thing.position[:2]) < 0.001, thing.id
        assert body.xpos[2] == pytest.approx(thing.position[2], abs=0.004), thing.id
        assert body.xmat[8] > 0.9999, thing.id  # upright
        assert np.abs(body.cvel).max() < 0.01, thing.id


@pytest.mark.parametrize("name", ["coke can", "apple", "water bottle"])
def test_round_things_do_not_roll_away_when_they_fall_over(build_world, name: str) -> None:
    model, data, _ = build_world(f"{name} on table")
    joint = model.joint(name).qposadr[0]
    data.qpos[joint : joint + 3] = PLACES["table"].center + [0, 0, 0.06]
    data.qpos[joint + 3 : joint + 7] = [np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0]  # on its side
    mujoco.mj_step(model, data, nstep=750)
    body = data.body(name)
    assert body.xpos[2] > PLACES["table"].height
    assert np.abs(body.cvel).max() < 0.02
