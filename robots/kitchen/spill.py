"""Spills: a grid of thin cells on a surface, each of which disappears under a sponge that touches it.

A cell is drawn and never collides. It is wiped away only when the sponge is held, is in contact with that very surface
and its footprint covers the cell's middle; so a clean counter means that it was wiped all over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.robots.kitchen.furniture import surface_geom
from saycan.robots.kitchen.layout import PLACES, Layout
from saycan.robots.kitchen.shapes import Group, Rgb, add_box

CELL = 0.025
"""Edge length of a cell, m."""

FEWEST_CELLS, MOST_CELLS = 20, 40
LARGEST_EXTENT = 0.10
"""No cell's middle is further than this from the spill's, across or deep, m."""

_THICKNESS = 0.0006
_NEAR = 0.01  # a footprint counts within this distance of the surface; the contact is what decides
_COLOR: Rgb = (0.30, 0.09, 0.05)


@dataclass(frozen=True)
class Spill:
    """One spill, as placed.

    Attributes:
        place: The surface that it is on.
        across, deep: Its middle in the place's own terms (`PlaceLayout.point`), m.
        cells: (i, j) of each cell: its middle lies i cells across and j cells deep from the spill's.
    """

    place: str
    across: float
    deep: float
    cells: tuple[tuple[int, int], ...]

    @property
    def half_size(self) -> tuple[float, float]:
        """Half extents across and deep of the rectangle around its middle that holds all of it, m."""
        reach = np.abs(np.array(self.cells)).max(axis=0) + 0.5
        return float(CELL * reach[0]), float(CELL * reach[1])

    def centers(self, layout: Layout = PLACES) -> NDArray[np.float64]:
        """(N, 3) middles of all its cells in the map frame, m."""
        place = layout[self.place]
        flat = [place.point(self.across + CELL * i, self.deep + CELL * j) for i, j in self.cells]
        return np.column_stack([np.array(flat), np.full(len(flat), place.height)])

    def wiped(self, share: float, rng: np.random.Generator) -> Spill:
        """What is left when that share of its cells, drawn at random, has been wiped away: one cell at least."""
        if not share:
            return self
        left = rng.permutation(len(self.cells))[: max(1, round((1.0 - share) * len(self.cells)))]
        return replace(self, cells=tuple(self.cells[index] for index in sorted(left)))


def pour(rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """Cells of an irregular blob: it grows cell by cell, most likely where it has many neighbours already."""
    count = int(rng.integers(FEWEST_CELLS, MOST_CELLS + 1))
    largest = int(LARGEST_EXTENT / CELL)
    cells = {(0, 0)}
    while len(cells) < count:
        rim: dict[tuple[int, int], float] = {}
        for i, j in sorted(cells):
            for side in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if side not in cells and max(abs(side[0]), abs(side[1])) <= largest:
                    rim[side] = rim.get(side, 0.0) + 1.0
        weights = np.array([*rim.values()]) ** 2
        cells.add([*rim][int(rng.choice(len(rim), p=weights / weights.sum()))])
    return tuple(sorted(cells))


def add_spill(spec: Any, spill: Spill, layout: Layout = PLACES) -> None:
    """Add a spill's cells, geoms "spill/PLACE/0" and on, to a `mujoco.MjSpec` that has the furniture."""
    body, place = spec.body(spill.place), layout[spill.place]
    shades = np.random.default_rng(len(spill.cells)).uniform(0.85, 1.25, len(spill.cells))
    for index, ((i, j), shade) in enumerate(zip(spill.cells, shades, strict=True)):
        red, green, blue = (float(shade * value) for value in _COLOR)
        at = (spill.deep + CELL * j, spill.across + CELL * i, place.height + 0.5 * _THICKNESS)
        add_box(body, (CELL, CELL, _THICKNESS), at, (red, green, blue), name=f"spill/{spill.place}/{index}",
                collides=False, group=Group.SPILL)  # fmt: skip


class SpillCells:
    """What is left of one spill in a compiled model. A wiped cell has alpha 0, which no renderer draws."""

    def __init__(self, model: Any, spill: Spill, layout: Layout = PLACES) -> None:
        self.spill = spill
        self._geoms = np.array([model.geom(f"spill/{spill.place}/{k}").id for k in range(len(spill.cells))])
        self._surface = model.geom(surface_geom(spill.place)).id
        self._centers = spill.centers(layout)
        self._dirty = np.ones(len(spill.cells), dtype=bool)

    @property
    def total(self) -> int:
        """Number of cells in the beginning."""
        return len(self._dirty)

    @property
    def dirty(self) -> NDArray[np.float64]:
        """(N, 3) middles of the cells that are left, map frame, m."""
        return self._centers[self._dirty]

    def wipe(self, model: Any, data: Any, sponge: Any) -> None:
        """Remove what a held sponge wipes away at this instant.

        Args:
            model: Compiled model; the alpha of its cells changes.
            data: Its state, with contacts.
            sponge: Ids of the sponge's colliding geoms, which are boxes.
        """
        if not self._dirty.any():
            return
        pairs = np.asarray(data.contact.geom).reshape(-1, 2)
        on_surface = (pairs == self._surface).any(axis=1)
        for geom in sponge:
            if not (on_surface & (pairs == geom).any(axis=1)).any():
                continue
            rotation = data.geom_xmat[geom].reshape(3, 3)
            local = np.abs((self._centers - data.geom_xpos[geom]) @ rotation)  # (N, 3)
            reach = model.geom_size[geom].copy()
            reach[np.argmax(np.abs(rotation[2]))] += _NEAR
            self._dirty &= ~(local <= reach).all(axis=1)
        model.geom_rgba[self._geoms[~self._dirty], 3] = 0.0
