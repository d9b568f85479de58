from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.errors import UnknownNameError
from saycan.robots.kitchen import gl
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.render import RayRenderer, View, choose_renderer

SCENE = """
<mujoco>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 1" rgba="0.2 0.8 0.2 1"/>
    <body name="ball" pos="0 0 1"><geom name="ball" size="0.3" rgba="1 0 0 1"/></body>
    <body name="hidden" pos="0 0 2"><geom name="hidden" type="box" size="1 1 0.1" group="3" rgba="0 0 1 1"/></body>
    <body name="mount" pos="0 0 4"><camera name="carried" fovy="40"/></body>
    <camera name="above" pos="0 0 4" fovy="40"/>
    <camera name="sideways" pos="0 -4 1" xyaxes="1 0 0 0 0 1" fovy="40"/>
  </worldbody>
</mujoco>
"""


@pytest.fixture
def world() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def test_depth_and_segmentation_are_exact(world) -> None:
    model, data = world
    picture = RayRenderer(model, 64, 48).render(data, "above")
    assert picture.rgb.shape == (48, 64, 3) and picture.rgb.dtype == np.uint8
    assert picture.depth.shape == (48, 64) and picture.depth.dtype == np.float32
    ball = picture.segmentation[..., 0] == model.body("ball").id
    np.testing.assert_array_equal(ball, picture.segmentation[..., 1] == model.geom("ball").id)
    assert picture.depth[ball].min() == pytest.approx(2.7, abs=0.01)
    np.testing.assert_allclose(picture.depth[~ball], 4.0, rtol=1e-5)  # along the optical axis, not along the ray
    radius = np.sqrt(ball.sum() / np.pi) / 48 * 2 * np.tan(np.radians(20))
    assert radius == pytest.approx(0.3 / np.sqrt(9 - 0.09), rel=0.05)


def test_up_is_up_and_right_is_right(world) -> None:
    model, data = world
    picture = RayRenderer(model, 60, 60).render(data, "sideways")
    assert np.isinf(picture.depth[0]).all() and (picture.segmentation[0] == -1).all()  # sky
    assert (picture.segmentation[-1, :, 1] == model.geom("floor").id).all()
    model.body_pos[model.body("ball").id] = [0.5, 0.0, 1.0]
    mujoco.mj_forward(model, data)
    ball = RayRenderer(model, 60, 60).render(data, "sideways").segmentation[..., 1] == model.geom("ball").id
    assert np.flatnonzero(ball.any(axis=0)).min() >= 30


def test_light_comes_from_where_it_is_said_to(world) -> None:
    model, data = world
    right = RayRenderer(model, 64, 64, Appearance(light=(1.0, 0.0, 0.2), ambient=0.3)).render(data, "sideways").rgb
    assert right[32, 36, 0] > right[32, 28, 0] + 30
    left = RayRenderer(model, 64, 64, Appearance(light=(-1.0, 0.0, 0.2), ambient=0.3)).render(data, "sideways").rgb
    np.testing.assert_allclose(left[:, ::-1].astype(int), right.astype(int), atol=2)


def test_alpha_zero_is_not_seen(world) -> None:
    model, data = world
    renderer = RayRenderer(model, 32, 32)
    model.geom_rgba[model.geom("ball").id, 3] = 0.0
    assert (renderer.render(data, "above").segmentation[..., 1] == model.geom("floor").id).all()


def test_jitter_moves_what_the_robot_carries_and_not_what_stands_still(world) -> None:
    model, data = world
    still = RayRenderer(model, 32, 32)
    moved = RayRenderer(model, 32, 32, Appearance(camera_shift=(0.0, 0.0, -0.5), camera_turn=(0.0, 0.2, 0.0)))
    np.testing.assert_array_equal(still.render(data, "above").depth, moved.render(data, "above").depth)
    assert moved.render(data, "carried").depth[16, 16] < still.render(data, "carried").depth[16, 16] + 1.0
    assert not np.array_equal(still.render(data, "carried").rgb, moved.render(data, "carried").rgb)


def test_the_same_state_gives_the_same_picture_and_earlier_pictures_stay(world) -> None:
    model, data = world
    renderer = RayRenderer(model, 32, 32)
    first = renderer.render(data, "above")
    copy = first.rgb.copy()
    renderer.render(data, "sideways")
    np.testing.assert_array_equal(first.rgb, copy)
    np.testing.assert_array_equal(renderer.render(data, "above").rgb, copy)


def test_an_unknown_camera_is_named(world) -> None:
    model, data = world
    with pytest.raises(UnknownNameError, match=r"'below'.*above"):
        RayRenderer(model, 8, 8).render(data, "below")


def test_paint_changes_colours_alike_within_a_body(build_world) -> None:
    model, _, _ = build_world("coke can on table")
    before = model.geom_rgba.copy()
    Appearance(color_jitter=0.05, color_seed=1).paint(model)
    change = model.geom_rgba - before
    assert 0.0 < np.abs(change).max() <= 0.05 + 1e-6
    assert np.all(change[:, 3] == 0.0)
    once = model.geom_rgba.copy()
    model.geom_rgba[:] = before
    Appearance(color_jitter=0.05, color_seed=1).paint(model)
    np.testing.assert_array_equal(model.geom_rgba, once)


def test_the_spectator_sees_everything(build_world) -> None:
    model, data, _ = build_world("coke can on table, apple on far counter, tea with operator, spill on close counter")
    picture = RayRenderer(model, 320, 240).render(data, "spectator")
    seen = {model.body(int(body)).name for body in np.unique(picture.segmentation[..., 0]) if body >= 0}
    places = {"close counter", "far counter", "table", "trash can", "operator", "drawer", "drawer cabinet"}
    assert seen >= places | {"coke can", "apple", "tea"}


def test_a_view_falls_back_to_rays_and_says_why(world, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = world
    monkeypatch.setenv("MUJOCO_GL", "off")
    gl.find_gl.cache_clear()
    try:
        choice = choose_renderer()
        assert (choice.name, choice.gl) == ("rays", False)
        assert "MUJOCO_GL" in choice.reason
        view = View(model, 640, 480)
        assert view.render(data, "above").shape == (480, 640, 3)
        view.close()
        view.close()
    finally:
        gl.find_gl.cache_clear()


def test_a_probe_that_crashes_or_hangs_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "_PROBE", "import os; os.abort()")
    assert gl._try("egl") is not None
    monkeypatch.setattr(gl, "_PROBE", "import time; time.sleep(30)")
    monkeypatch.setattr(gl, "PROBE_SECONDS", 0.2)
    assert "no answer" in str(gl._try("egl"))


def test_gl_draws_the_same_scene_where_it_works(world) -> None:
    if not choose_renderer().gl:
        pytest.skip("no GL library works here")
    model, data = world
    renderer = gl.GlRenderer(model, 64, 64)
    picture = renderer.render(data, "above").astype(float)
    renderer.close()
    assert picture[32, 32, 0] > 2 * picture[32, 32, 1]  # the ball
    assert picture[2, 2, 1] > 2 * picture[2, 2, 0]  # the floor
