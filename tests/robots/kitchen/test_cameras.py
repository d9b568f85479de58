from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saycan.action import Action
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.render import RayRenderer
from saycan.robots.kitchen.scene import parse_scene

SIZE = 96
LOOKS = (Appearance(), Appearance(camera_shift=(0.02, 0.03, -0.03), camera_turn=(0.08, -0.06, 0.05)))


@pytest.mark.parametrize("look", LOOKS, ids=["in place", "jittered"])
def test_a_thing_is_drawn_where_its_point_is_projected_to(look: Appearance) -> None:
    words = "at close counter, coke can on close counter, apple on close counter, sponge on close counter"
    kitchen = Kitchen(replace(parse_scene(words), appearance=look, seed=4))
    for _ in range(8):
        kitchen.apply(Action([0.0, 0.01, -0.02, 0.0, 0.0, 0.05]))
    physics, state = kitchen._physics, kitchen.privileged_state()
    seen = 0
    for camera, pose in state.cameras.items():
        bodies = RayRenderer(physics.model, SIZE, SIZE, look).render(physics.data, camera).segmentation[..., 0]
        for thing in state.objects:
            x, y, visible = pose.project(thing.position)
            mine = bodies == physics.model.body(thing.id).id
            if visible and abs(x) < 0.95 and abs(y) < 0.95 and mine.sum() > 20:
                column, row = int((x + 1) / 2 * SIZE), int((y + 1) / 2 * SIZE)
                assert mine[row, column], (camera, thing.id)
                seen += 1
    assert seen >= 3


@pytest.mark.parametrize("camera", ["head", "wrist"])
def test_what_a_pixel_shows_projects_back_onto_it(camera: str) -> None:
    kitchen = Kitchen(replace(parse_scene("at table, tea on table"), appearance=LOOKS[1], seed=1), image_size=32)
    pose, depth = kitchen.privileged_state().cameras[camera], kitchen.observe().depths[camera]
    np.testing.assert_allclose(pose.rotation.T @ pose.rotation, np.eye(3), atol=1e-9)
    half = np.tan(0.5 * pose.fovy)
    for row, column in [(3, 5), (16, 16), (30, 2), (20, 29)]:
        x, y = 2 * (column + 0.5) / 32 - 1, 2 * (row + 0.5) / 32 - 1
        ahead = float(depth[row, column])
        point = pose.position + pose.rotation @ [x * half * ahead, -y * half * ahead, -ahead]
        assert pose.project(point) == (pytest.approx(x, abs=1e-5), pytest.approx(y, abs=1e-5), True)


def test_what_is_behind_outside_or_nowhere_is_not_visible() -> None:
    pose = Kitchen("at table", cameras=()).privileged_state().cameras["head"]
    right, _, back = pose.rotation.T
    assert pose.project(pose.position + back) == (0.0, 0.0, False)
    assert pose.project(pose.position) == (0.0, 0.0, False)
    assert pose.project(np.full(3, np.nan)) == (0.0, 0.0, False)
    x, y, visible = pose.project(pose.position - back + 5.0 * right)
    assert x > 1.0 and y == pytest.approx(0.0) and not visible
