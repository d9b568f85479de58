"""The published instructions of saycan-101, which are supplied beside the checkout and no part of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from saycan.evaluation import saycan_101 as official

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data" / official.FILE


def published() -> Path:
    """The file; where CI runs it must be there, elsewhere what needs it is skipped."""
    found = Path(os.environ.get(official.VARIABLE, BESIDE))
    if not found.is_file():
        if os.environ.get("CI"):
            pytest.fail(f"the published instructions are not at {found}")
        pytest.skip(f"the published instructions are not at {found}")
    return found
