"""A short name for what a file holds, by which two are told apart."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path


def digest(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of what a file holds. Raises OSError when it cannot be read.

    The header of a safetensors file counts in the order of its names, for it is written in any order.
    """
    with path.open("rb") as file:
        length = file.read(8)
        head = length + file.read(min(int.from_bytes(length, "little"), path.stat().st_size))
        with contextlib.suppress(ValueError):  # it has no such header
            head = json.dumps(json.loads(head[8:]), sort_keys=True).encode()
        found = hashlib.sha256(head)
        while some := file.read(1 << 20):
            found.update(some)
    return found.hexdigest()[:12]
