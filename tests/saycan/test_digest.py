from __future__ import annotations

import json
from pathlib import Path

import pytest

from saycan.digest import digest


def written(path: Path, header: dict[str, object], tensors: bytes = b"\x01\x02\x03\x04") -> Path:
    """As safetensors lays a file out."""
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + tensors)
    return path


def test_a_header_may_be_written_in_any_order(tmp_path: Path) -> None:
    weight = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    about = {"kind": "bcz", "config": "{}", "about": "{}"}
    one = written(tmp_path / "one", {"__metadata__": about, "weight": weight})
    other = written(tmp_path / "other", {"weight": weight, "__metadata__": dict(reversed(about.items()))})
    assert one.read_bytes() != other.read_bytes() and digest(one) == digest(other)
    changed = [
        written(tmp_path / "a", {"__metadata__": {**about, "kind": "rt1"}, "weight": weight}),
        written(tmp_path / "b", {"__metadata__": about, "weight": weight}, b"\x01\x02\x03\x05"),
    ]
    assert len({digest(path) for path in (one, *changed)}) == 3


@pytest.mark.parametrize("content", [b"", b"one", b"\xff" * 8, b"\x02" + bytes(7) + b"[}", b"x" * 3_000_000])
def test_any_file_has_one(tmp_path: Path, content: bytes) -> None:
    for name, data in (("a", content), ("b", content), ("c", content + b"!")):
        (tmp_path / name).write_bytes(data)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    assert len(digest(tmp_path / "a")) == 12


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        digest(tmp_path / "nowhere")
