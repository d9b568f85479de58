"""PyBullet itself, which is an extra: where it comes from, and a simulation of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saycan.errors import MissingPartError

INSTALL = (
    'the Panda is simulated by PyBullet; install it: python -m pip install "saycan-robotics[pybullet]" '
    "(its wheels are for Linux x86-64 and Python 3.11 or older; elsewhere pip builds it, which takes a C++ compiler)"
)


def load_pybullet() -> Any:
    """The module `pybullet`. Raises MissingPartError with what to do when it is not installed."""
    try:
        with _silent():
            import pybullet
    except ImportError as error:
        raise MissingPartError(f"{INSTALL}. Python says: {error}") from error
    return pybullet


def data_folder() -> Path:
    """Where PyBullet's own robots and meshes lie. Raises MissingPartError."""
    load_pybullet()
    try:
        import pybullet_data
    except ImportError as error:
        raise MissingPartError(f"{INSTALL}. Python says: {error}") from error
    return Path(pybullet_data.getDataPath())


def connect() -> Any:
    """A simulation of its own without a window; it ends with the last reference to it. Raises MissingPartError."""
    pybullet = load_pybullet()
    from pybullet_utils.bullet_client import BulletClient

    with _silent():
        return BulletClient(pybullet.DIRECT)


@contextmanager
def _silent() -> Iterator[None]:
    """PyBullet greets from C, past `sys.stdout`: where a command's output is JSON that must not stand in it."""
    saved = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)
