"""The columns of a LeRobotDataset: what each holds, and its values for an episode.

Pictures are left to whoever codes them; see `saycan.skills.data.lerobot_export` for what the other columns mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.skills.data.episode import Episode

STATE = {
    "joints": tuple(f"joint_{number}" for number in range(7)),
    "gripper": ("gripper",),
    "ee_position": ("ee_x", "ee_y", "ee_z"),
    "ee_quaternion": ("ee_qw", "ee_qx", "ee_qy", "ee_qz"),
    "base_pose": ("base_x", "base_y", "base_yaw"),
}
"""Parts of "observation.state" in the order of `Observation.proprioception`, and what their numbers are called."""

ACTION = (
    "ee_dx", "ee_dy", "ee_dz", "ee_rx", "ee_ry", "ee_rz", "gripper", "base_forward", "base_left", "base_turn",
    "terminate",
)  # fmt: skip
"""What the numbers of an action are called, in the order of `Action.to_vector`."""

IMAGE = "observation.images."
"""Begins the name of every column of pictures; the camera's name ends it."""

_OF_EVERY_ROW = {
    "timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64", "task_index": "int64",
}  # fmt: skip


def cameras_of(episode: Episode) -> list[str]:
    """Names of the cameras, in the order of the observations."""
    return [name.removesuffix("_image") for name in episode.observations if name.endswith("_image")]


def features_of(episode: Episode) -> dict[str, Any]:
    """What info.json says about each column: dtype, shape of a row, and names of its numbers or axes."""

    def numbers(names: tuple[str, ...] | None, dtype: str = "float32") -> dict[str, Any]:
        return {"dtype": dtype, "shape": [len(names) if names else 1], "names": list(names) if names else None}

    found: dict[str, Any] = {}
    for camera in cameras_of(episode):
        shape = [int(side) for side in episode.observations[f"{camera}_image"].shape[1:]]
        found[f"{IMAGE}{camera}"] = {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}
    joints = tuple(f"joint_{number}" for number in range(episode.observations["joints"].shape[1]))
    found["observation.state"] = numbers(sum((STATE | {"joints": joints}).values(), ()))
    found |= {"action": numbers(ACTION), "executed": numbers(ACTION)}
    found |= {"next.reward": numbers(None), "next.done": numbers(None, "bool"), "next.success": numbers(None, "bool")}
    return found | {name: numbers(None, dtype) for name, dtype in _OF_EVERY_ROW.items()}


def columns_of(episode: Episode, fps: float, index: int, first: int, task: int) -> dict[str, NDArray[Any]]:
    """All columns but the pictures, (T, n) each.

    Args:
        episode: T rows.
        fps: Rows a second.
        index: Number of the episode.
        first: Number of its first row in the whole set.
        task: Number of its instruction.
    """
    length = len(episode)
    frame = np.arange(length)[:, None]
    last = frame == length - 1
    state = np.concatenate([np.asarray(episode.observations[part], np.float32) for part in STATE], axis=1)
    return {
        "observation.state": state,
        "action": np.asarray(episode.actions, np.float32),
        "executed": np.asarray(episode.executed, np.float32),
        "next.reward": (last & episode.success).astype(np.float32),
        "next.done": last,
        "next.success": last & episode.success,
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.full_like(frame, index),
        "index": first + frame,
        "task_index": np.full_like(frame, task),
    }
