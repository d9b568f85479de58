"""A simulated arm and the file that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robots.lerobot.arm import FILE, HERE
from tests.robots.lerobot.motors import Motors


@pytest.fixture
def motors() -> Iterator[Motors]:
    with Motors() as motors:
        yield motors


@pytest.fixture
def file(motors: Motors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    path = tmp_path / "arm.toml"
    path.write_text(FILE.format(here=HERE, port=motors.port, folder=tmp_path))
    return path
