"""Observations and actions as bytes, in the format of openpi's policy servers: msgpack, with arrays as tagged maps.

They go through websockets, a message each.

An array is {b"__ndarray__": True, b"data", b"dtype", b"shape"}, a numpy scalar {b"__npgeneric__": True, b"data",
b"dtype"} (https://github.com/Physical-Intelligence/openpi). Nothing in it is run: only numbers come out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from saycan.errors import BadInputError, MissingPartError
from saycan.observation import Observation

LARGEST = 64 * 2**20
"""Bytes of a message, at most."""

_CLOSE = 0.2  # s that a server is waited for when the connection ends
_KINDS = "biuf"  # of numpy types that are numbers
_VECTORS = ("joints", "ee_position", "ee_quaternion", "base_pose")


def pack(value: Any) -> bytes:
    """Bytes of maps, lists, text, numbers and arrays of numbers. Raises BadInputError for anything else."""
    try:
        return bytes(_msgpack().packb(value, default=_tagged))
    except (TypeError, ValueError) as error:
        raise BadInputError(f"this cannot be sent: {error}") from error


def unpack(data: bytes) -> Any:
    """The inverse. Raises BadInputError for bytes that are no such thing."""
    try:
        return _msgpack().unpackb(data, object_hook=_untagged)
    except Exception as error:  # msgpack's own errors have no common root
        raise BadInputError(f"{len(data)} bytes that are no message of a policy server: {error}") from error


def load_websockets(whose: str = "policy servers") -> Any:
    """The package, with its clients and servers. Raises MissingPartError, which tells `whose` need it is."""
    try:
        import websockets
        import websockets.exceptions
        import websockets.sync.client
        import websockets.sync.server
    except ImportError as error:
        raise _missing(whose) from error
    return websockets


def connect(url: str, timeout: float, headers: Mapping[str, str] | None = None) -> Any:
    """A connection to a server, which may take `timeout` s. Raises what websockets does."""
    return load_websockets().sync.client.connect(
        url, open_timeout=timeout, close_timeout=_CLOSE, compression=None, max_size=LARGEST, additional_headers=headers
    )


def observation_fields(observation: Observation) -> dict[str, Any]:
    """All of an observation."""
    vectors = {name: np.asarray(getattr(observation, name)) for name in _VECTORS}
    images = {name: np.asarray(image) for name, image in observation.images.items()}
    depths = {name: np.asarray(depth) for name, depth in observation.depths.items()}
    return {
        "time": float(observation.time), "gripper": float(observation.gripper), **vectors, "images": images,
        "depths": depths,
    }  # fmt: skip


def to_observation(fields: Any) -> Observation:
    """The inverse. Raises BadInputError for what lacks something, or has another shape."""
    if not isinstance(fields, Mapping):
        raise BadInputError(f"an observation is a map, found {type(fields).__name__}")
    missing = [name for name in ("time", "gripper", "images", *_VECTORS) if name not in fields]
    if missing:
        raise BadInputError(
            f"an observation without {', '.join(missing)}; found {', '.join(map(str, fields)) or 'none'}"
        )
    maps: dict[str, Any] = {name: fields.get(name, {}) for name in ("images", "depths")}
    for name, found in maps.items():
        if not isinstance(found, Mapping) or not all(isinstance(one, np.ndarray) for one in found.values()):
            raise BadInputError(f"{name} is a map of camera names to arrays, found {type(found).__name__}")
    try:
        vectors: dict[str, Any] = {name: np.array(fields[name], np.float64) for name in _VECTORS}
        return Observation(time=float(fields["time"]), gripper=float(fields["gripper"]), **maps, **vectors)
    except (TypeError, ValueError) as error:
        raise BadInputError(f"an observation that is none: {error}") from error


def _tagged(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in _KINDS:
        raise ValueError(f"an array of {value.dtype}")
    if isinstance(value, np.ndarray):
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    raise TypeError(f"{type(value).__name__}: {value!r:.60}")


def _untagged(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" not in value and b"__npgeneric__" not in value:
        return value
    kind = np.dtype(value[b"dtype"])
    if kind.kind not in _KINDS:
        raise ValueError(f"an array of {kind}")
    if b"__npgeneric__" in value:
        return kind.type(value[b"data"])
    shape = tuple(int(size) for size in value[b"shape"])
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(value[b"data"]):
        raise ValueError(f"{len(value[b'data'])} bytes for an array of {shape} {kind}")
    return np.frombuffer(value[b"data"], kind).reshape(shape)


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise _missing("policy servers") from error
    return msgpack


def _missing(whose: str) -> MissingPartError:
    return MissingPartError(f"{whose} need msgpack and websockets: python -m pip install 'saycan-robotics[remote]'")
