from __future__ import annotations

import mujoco
import numpy as np
import pytest

from saycan.action import Action
from saycan.robots.kitchen import Kitchen
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.render import RayRenderer
from saycan.robots.kitchen.spill import CELL, FEWEST_CELLS, MOST_CELLS, Spill, SpillCells, pour


@pytest.fixture
def world(build_world):
    """A sponge, free, and a spill on the table: (model, data, cells, sponge's geoms)."""
    model, data, arrangement = build_world("spill on table, sponge on close counter")
    cells = SpillCells(model, arrangement.spills[0])
    return model, data, cells, [model.geom("sponge/0").id]


def put_sponge(model: mujoco.MjModel, data: mujoco.MjData, x: float, y: float, gap: float, yaw: float = 0.0) -> None:
    joint = model.joint("sponge").qposadr[0]
    z = PLACES["table"].height + 0.5 * OBJECTS["sponge"].size[2] + gap
    data.qpos[joint : joint + 7] = [x, y, z, np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)]
    mujoco.mj_forward(model, data)


def test_pouring_is_one_connected_blob_of_the_promised_size() -> None:
    for seed in range(20):
        cells = set(pour(np.random.default_rng(seed)))
        assert FEWEST_CELLS <= len(cells) <= MOST_CELLS
        found, queue = {(0, 0)}, [(0, 0)]
        while queue:
            i, j = queue.pop()
            fresh = {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)} & cells - found
            found |= fresh
            queue += fresh
        assert found == cells
    assert len({pour(np.random.default_rng(seed)) for seed in range(20)}) == 20


def test_a_held_sponge_on_the_surface_wipes_what_it_covers_and_no_more(world) -> None:
    model, data, cells, sponge = world
    x, y, _ = target = cells.dirty[len(cells.dirty) // 2]
    yaw = 0.7
    put_sponge(model, data, x, y, gap=-0.0005, yaw=yaw)
    before = cells.dirty
    offset = before[:, :2] - target[:2]
    along = offset @ [np.cos(yaw), np.sin(yaw)], offset @ [-np.sin(yaw), np.cos(yaw)]
    size = OBJECTS["sponge"].size
    covered = (np.abs(along[0]) <= size[0] / 2) & (np.abs(along[1]) <= size[1] / 2)
    cells.wipe(model, data, sponge)
    assert covered.any()
    np.testing.assert_array_equal(cells.dirty, before[~covered])
    cells.wipe(model, data, sponge)
    np.testing.assert_array_equal(cells.dirty, before[~covered])


def test_nothing_is_wiped_without_touch(world) -> None:
    model, data, cells, sponge = world
    put_sponge(model, data, *cells.dirty[0][:2], gap=0.001)
    cells.wipe(model, data, sponge)
    assert len(cells.dirty) == cells.total


def test_nothing_is_wiped_without_a_hand() -> None:
    kitchen = Kitchen("spill on table, sponge on table", cameras=())
    physics, (before,) = kitchen._physics, kitchen.privileged_state().spills
    put_sponge(physics.model, physics.data, *before.cells[0][:2], gap=0.0)
    for _ in range(3):
        kitchen.apply(Action())
    (after,) = kitchen.privileged_state().spills
    assert kitchen.privileged_state().by_id("sponge").position[:2] == pytest.approx(before.cells[0][:2], abs=0.002)
    np.testing.assert_array_equal(after.cells, before.cells)


def test_a_sponge_that_touches_another_surface_wipes_nothing(build_world) -> None:
    model, data, arrangement = build_world("spill on table, sponge on close counter")
    mujoco.mj_step(model, data, nstep=100)
    assert data.ncon > 0
    cells = SpillCells(model, arrangement.spills[0])
    cells.wipe(model, data, [model.geom("sponge/0").id])
    assert len(cells.dirty) == cells.total


def test_wiping_all_over_cleans_it(world) -> None:
    model, data, cells, sponge = world
    for x, y, _ in cells.dirty:
        put_sponge(model, data, x, y, gap=-0.0005)
        cells.wipe(model, data, sponge)
    assert len(cells.dirty) == 0


def test_a_wiped_cell_is_not_drawn(world) -> None:
    model, data, cells, sponge = world
    renderer = RayRenderer(model, 800, 600)

    def drawn() -> int:
        geoms = renderer.render(data, "spectator").segmentation[..., 1]
        names = {model.geom(int(geom)).name for geom in np.unique(geoms) if geom >= 0}
        return sum(name.startswith("spill/") for name in names)

    assert drawn() == cells.total
    for x, y, _ in cells.dirty:
        put_sponge(model, data, x, y, gap=-0.0005)
        cells.wipe(model, data, sponge)
    put_sponge(model, data, -3.0, 0.0, gap=0.0)
    assert drawn() == 0


def test_cells_lie_side_by_side_on_their_surface(world) -> None:
    _, _, cells, _ = world
    assert np.allclose(cells.dirty[:, 2], PLACES["table"].height)
    gaps = np.linalg.norm(cells.dirty[:, None, :2] - cells.dirty[None, :, :2], axis=-1)
    assert gaps[gaps > 0].min() == pytest.approx(CELL)


@pytest.mark.parametrize(("share", "left"), [(0.0, 30), (0.5, 15), (0.99, 1), (1.0, 1)])
def test_what_is_left_of_a_spill_is_a_part_of_it(share: float, left: int) -> None:
    cells = tuple((i, j) for i in range(-2, 3) for j in range(-3, 3))
    spill = Spill("table", 0.1, 0.2, cells)
    rest = spill.wiped(share, np.random.default_rng(0))
    assert len({*rest.cells}) == left and {*rest.cells} <= {*cells}
    assert (rest.place, rest.across, rest.deep) == ("table", 0.1, 0.2)
