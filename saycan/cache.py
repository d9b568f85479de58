"""Where this project keeps what it has made once and can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for saycan, or whatever the environment variable SAYCAN_CACHE names; may not exist."""
    chosen = os.environ.get("SAYCAN_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("saycan", appauthor=False))
