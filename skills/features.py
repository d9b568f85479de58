"""Proprioception as a network takes it.

    body  = joints 7, opening 1, end effector 3, cos/sin of its yaw and of twice its yaw 4, tilt 2, before-a-dock 1
    place = dock from the base (forward, left) 2, both saturated 2, cos/sin of the turn 2, height 1, half size 2,
            kind 4, whether the phrase names it 1

A phrase that names a place is about that place, any other about the place whose dock is nearest: where furniture stands
is known (`RobotSpec.places`) and where the base is comes from odometry; nothing here knows what stands on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saycan.errors import BadInputError
from saycan.observation import Observation
from saycan.place import Place
from saycan.skill import Skill

BODY, PLACE = 18, 14
STATE = BODY + PLACE
"""Numbers of the whole vector."""

KINDS = ("surface", "bin", "tray", "drawer")
NEAR, YAW_NEAR = 0.15, float(np.radians(20.0))
"""m and rad, within which the base stands before a dock."""

Array = NDArray[np.float32]


def body_features(
    joints: ArrayLike, gripper: ArrayLike, ee_position: ArrayLike, ee_quaternion: ArrayLike, before: ArrayLike
) -> Array:
    """(T, BODY) float32 of (T, 7), (T, 1), (T, 3), (T, 4) and (T, 1): whether the base stands before a dock."""
    w, x, y, z = np.moveaxis(np.asarray(ee_quaternion, float), -1, 0)
    yaw = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    angles = np.stack([np.cos(yaw), np.sin(yaw), np.cos(2 * yaw), np.sin(2 * yaw)], axis=-1)
    tilt = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x)], axis=-1)
    parts = [np.asarray(part, float) for part in (joints, gripper, ee_position)]
    return np.concatenate([*parts, angles, tilt, np.asarray(before, float)], axis=-1).astype(np.float32)


def place_features(base_pose: ArrayLike, place: Place, named: bool) -> Array:
    """(T, PLACE) float32 of one place for (T, 3) base poses, map frame."""
    base = np.asarray(base_pose, float)
    offset, turn = place.dock[:2] - base[..., :2], place.dock[2] - base[..., 2]
    x, y = np.moveaxis(offset, -1, 0)
    cos, sin = np.cos(base[..., 2]), np.sin(base[..., 2])
    ahead = np.stack([cos * x + sin * y, cos * y - sin * x], axis=-1)
    near = ahead / np.sqrt(0.04 + (ahead**2).sum(axis=-1, keepdims=True))  # fine where centimetres matter
    angle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    fixed = [place.rim, *place.half_size, *(float(place.kind == kind) for kind in KINDS), float(named)]
    still = np.broadcast_to(np.array(fixed), (*base.shape[:-1], len(fixed)))
    return np.concatenate([ahead, near, angle, still], axis=-1).astype(np.float32)


def nearest(base_pose: ArrayLike, places: Mapping[str, Place]) -> tuple[Place, bool]:
    """The place whose dock a base pose (3,) is nearest to, and whether the base stands before it, looking at it.

    Raises BadInputError for an empty map.
    """
    index, stands = all_nearest(np.asarray(base_pose, float)[None], places)
    return [*places.values()][int(index[0])], bool(stands[0])


def all_nearest(base_poses: ArrayLike, places: Mapping[str, Place]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """`nearest` for (T, 3) poses: (T,) which place, in the map's order, and (T,) whether the base stands before it."""
    if not places:
        raise BadInputError("where the robot stands cannot be told without a map; give its RobotSpec some places")
    bases = np.asarray(base_poses, float)
    deep, across, turn = np.moveaxis(np.stack([_local(bases, place) for place in places.values()], axis=-1), 1, 0)
    index = np.hypot(np.hypot(deep, across) / NEAR, turn / YAW_NEAR).argmin(axis=1)
    stands = (np.abs(deep) <= NEAR) & (across <= NEAR) & (np.abs(turn) <= YAW_NEAR)
    return index, stands[np.arange(len(bases)), index]


def all_place_features(skills: Sequence[Skill], base_pose: ArrayLike, places: Mapping[str, Place]) -> Array:
    """(S, PLACE) float32: of the place that each of these skills is about (see the module), for one base pose (3,)."""
    near = nearest(base_pose, places)[0]
    known = {*places}  # a map that follows the furniture looks each name up anew
    named = [skill.place if skill.place in known else None for skill in skills]
    rows = {name: row for row, name in enumerate(dict.fromkeys(named))}
    features = [place_features(base_pose, near if name is None else places[name], name is not None) for name in rows]
    return np.stack(features)[[rows[name] for name in named]]


def state_features(observations: Mapping[str, NDArray[np.generic]], skill: Skill, places: Mapping[str, Place]) -> Array:
    """(T, STATE) float32 for the rows of an episode (`saycan.skills.data.episode.PROPRIOCEPTION`).

    Without a map everything about places is 0.
    """
    bases = observations["base_pose"]
    joints, gripper, position, quaternion = (observations[name] for name in _NAMES)
    if not places:
        body = body_features(joints, gripper, position, quaternion, np.zeros((len(bases), 1)))
        return np.concatenate([body, np.zeros((len(bases), PLACE), np.float32)], axis=-1)
    near, stands = all_nearest(bases, places)
    body = body_features(joints, gripper, position, quaternion, stands[:, None])
    if skill.place is not None and skill.place in places:
        return np.concatenate([body, place_features(bases, places[skill.place], True)], axis=-1)
    there = np.stack([place_features(bases, place, False) for place in places.values()])  # (P, T, PLACE)
    return np.concatenate([body, there[near, np.arange(len(bases))]], axis=-1)


def observation_rows(observations: Sequence[Observation]) -> dict[str, NDArray[np.float32]]:
    """The same rows from live observations."""
    return {
        name: np.stack([np.atleast_1d(np.asarray(getattr(seen, name), np.float32)) for seen in observations])
        for name in (*_NAMES, "base_pose")
    }


_NAMES = ("joints", "gripper", "ee_position", "ee_quaternion")


def _local(bases: NDArray[np.float64], place: Place) -> NDArray[np.float64]:
    """(T, 3) how far (T, 3) bases are from a place's line of docks.

    Deep (signed) and across (beyond its ends, 0 within), m, and how much further to the left than it they look, rad.
    """
    yaw = place.dock[2]
    dx, dy = np.moveaxis(bases[:, :2] - place.dock[:2], -1, 0)
    deep, across = np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx
    beyond = np.maximum(0.0, np.abs(across) - float(place.half_size[0]) + 0.15)
    return np.stack([deep, beyond, (bases[:, 2] - yaw + np.pi) % (2 * np.pi) - np.pi], axis=-1)
