"""Depth and a detection to a position: against the pinhole equation, and against the simulator's ground truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from saycan.errors import BadInputError
from saycan.robots.locate import locate, transform
from tests.robots.kitchen_view import look

K = np.array([[60.0, 0, 31.5], [0, 60.0, 23.5], [0, 0, 1]])
HERE = np.eye(4)
WALL = np.full((48, 64), 2.0, np.float32)

SCENES = (
    "coke can on close counter, apple on close counter, sponge on close counter, at close counter",
    "tea on table, orange on table, at table",
    "water bottle on far counter, rice chips on far counter, at far counter",
)
HIDDEN = {(SCENES[2], 0, "water bottle")}
"""The arm is before it, so that the arm is what is located: see `test_what_hides_a_thing_is_what_is_located`."""


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("seed", range(3))
def test_things_in_the_kitchen_are_where_the_simulator_has_them(scene: str, seed: int) -> None:
    """What is seen is a thing's surface, in front of its centre, so three bounds: 1 cm across the line of sight; along
    it in front of the centre, by half its diagonal at most; and 2 cm in space where half its mean extent is passed as
    `inside`."""
    view = look(scene, seed)
    assert view.objects
    eye = view.T_base_camera[:3, 3]
    for thing in view.objects:
        if (scene, seed, thing.name) in HIDDEN:
            continue
        truth, box = view.position(thing), view.box(thing)
        sight = (truth - eye) / np.linalg.norm(truth - eye)
        off = locate(view.depth, view.K, view.T_base_camera, box) - truth
        along = off @ sight
        assert np.linalg.norm(off - along * sight) < 0.01, thing.name
        assert -np.linalg.norm(thing.size) / 2 < along < 0, thing.name
        middle = locate(view.depth, view.K, view.T_base_camera, box, inside=thing.size.mean() / 2)
        assert np.linalg.norm(middle - truth) < 0.02, thing.name


def test_what_hides_a_thing_is_what_is_located() -> None:
    for scene, seed, name in HIDDEN:
        view = look(scene, seed)
        thing = next(thing for thing in view.objects if thing.name == name)
        found = locate(view.depth, view.K, view.T_base_camera, view.box(thing))
        assert np.linalg.norm(found - view.position(thing)) > 0.5


@given(
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.4, 0.4), st.floats(1.0, 5.0)),
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.tuples(*[st.floats(0.1, 1)] * 4),
)
def test_a_point_that_is_projected_is_found_again(point, position, quaternion) -> None:
    T = transform(position, quaternion)
    u, v, _ = K @ (np.asarray(point) / point[2])
    assume(0 <= u <= 63 and 0 <= v <= 47)
    depth = np.full((48, 64), point[2])
    expected = (T @ [*point, 1.0])[:3]
    np.testing.assert_allclose(locate(depth, K, T, (u, v)), expected, atol=1e-9)
    half = 0.05
    farther = np.asarray(point) * (1 + half / np.linalg.norm(point))
    np.testing.assert_allclose(locate(depth, K, T, (u, v), inside=half), (T @ [*farther, 1.0])[:3], atol=1e-9)


def test_what_lies_behind_beside_and_in_between_does_not_matter() -> None:
    depth = WALL.copy()
    depth[16:32, 24:40] = 0.8
    depth[20:24, 28:36] = np.inf  # shiny
    depth[26, 30] = 0.3  # a stray return
    mask = np.zeros((48, 64), bool)
    mask[16:32, 23:41] = True  # a pixel too wide
    for detection in ((24, 16, 39, 31), (20, 12, 43, 35), (31.5, 28), mask, [24, 16, 39, 31]):
        found = locate(depth, K, HERE, detection)
        assert found[2] == pytest.approx(0.8, abs=1e-6)
        assert abs(found[0]) < 1e-6
    thin = WALL.copy()
    thin[:, 30:33] = 0.8  # three of the eight columns in the middle of its box
    assert locate(thin, K, HERE, (24, 16, 39, 31))[2] == pytest.approx(0.8, abs=1e-6)


def test_a_box_may_reach_out_of_the_picture() -> None:
    left = locate(WALL, K, HERE, (-10, 10, 11, 30))
    np.testing.assert_allclose(left, [(0.5 - 31.5) / 60 * 2, (20 - 23.5) / 60 * 2, 2.0])


def test_what_cannot_be_located_is_told() -> None:
    empty = np.full((48, 64), np.inf)
    for depth in (empty, np.zeros((48, 64)), np.full((48, 64), np.nan)):
        with pytest.raises(BadInputError, match=r"no depth at the detection around pixel \(30, 20\)"):
            locate(depth, K, HERE, (30, 20))
    with pytest.raises(BadInputError, match=r"middle \(70, 20\) lies outside the picture of 64 x 48"):
        locate(WALL, K, HERE, (70, 20))
    with pytest.raises(BadInputError, match="left <= right"):
        locate(WALL, K, HERE, (30, 10, 20, 20))
    with pytest.raises(BadInputError, match="True at 0 pixels"):
        locate(WALL, K, HERE, np.zeros((48, 64), bool))
    with pytest.raises(BadInputError, match=r"depth's shape \(48, 64\)"):
        locate(WALL, K, HERE, np.ones((4, 6), bool))
    for bad in ((1, 2, 3), (np.nan, 3)):
        with pytest.raises(BadInputError, match="a detection is"):
            locate(WALL, K, HERE, bad)
    with pytest.raises(BadInputError, match="focal lengths"):
        locate(WALL, np.zeros((3, 3)), HERE, (30, 20))
    for pose in (np.eye(3), np.diag([1, 1, -1, 1]), np.diag([2, 2, 2, 1]), np.full((4, 4), np.nan)):
        with pytest.raises(BadInputError, match="T_base_camera is a"):
            locate(WALL, K, pose, (30, 20))
    with pytest.raises(BadInputError, match="an \\(H, W\\) array"):
        locate(WALL[None], K, HERE, (30, 20))
    with pytest.raises(BadInputError, match="a quaternion"):
        transform([0, 0, 0], [0, 0, 0, 0])
