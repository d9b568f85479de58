"""Pandas that are closed when their test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from saycan.robots.panda import PandaTable


@pytest.fixture
def panda() -> Iterator[Callable[..., PandaTable]]:
    """Makes Pandas without cameras, unless told otherwise; skips where PyBullet is not installed."""
    pytest.importorskip("pybullet", reason="PyBullet is not installed: it is the extra `pybullet`")
    made: list[PandaTable] = []

    def make(*arguments, **options) -> PandaTable:
        made.append(PandaTable(*arguments, **{"cameras": (), **options}))
        return made[-1]

    yield make
    for robot in made:
        robot.close()
