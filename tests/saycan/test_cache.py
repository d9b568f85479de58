from __future__ import annotations

from pathlib import Path

import pytest

from saycan.cache import cache_folder


def test_the_environment_moves_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("SAYCAN_CACHE", "~/kept")
    assert cache_folder() == Path.home() / "kept"
    monkeypatch.delenv("SAYCAN_CACHE")
    assert cache_folder().name == "saycan"
