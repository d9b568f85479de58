"""Small made-up episodes: a map of three places, pictures of noise, and labels that fit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from saycan.observation import Observation
from saycan.place import Place
from saycan.privileged import CameraPose
from saycan.robot import RobotSpec
from saycan.skill import Skill
from saycan.skills.data.episode import Episode
from saycan.skills.data.store import write_shard
from saycan.skills.kitchen import kitchen_library
from saycan.skills.sentences import Sentences, wordings

LIBRARY = kitchen_library()
PICK, PLACE, GO, FIND, TRASH = (
    LIBRARY.find(phrase)
    for phrase in (
        "pick up the apple", "place the tea on the table", "go to the table", "find the apple",
        "put the apple in the trash can",
    )
)  # fmt: skip
UNSEEN = LIBRARY.find("pick up the lime soda")
"""A combination that nothing may be learned from."""

STIR = Skill("stir the tea", "stir", "tea")
"""Somebody's own skill, with a verb of its own."""

SKILLS = (PICK, PLACE, GO, FIND, TRASH, UNSEEN)
SIDE, CAMERAS = 16, ("head", "wrist")
TEXT = 8
SPEC = RobotSpec("toy")


def place(name: str, x: float, y: float, yaw: float, kind: Any = "surface") -> Place:
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    center = np.array([*(np.array([x, y]) + 0.6 * ahead), 0.8])
    return Place(name, kind, np.array([x, y, yaw]), center, np.array([0.4, 0.25]), 0.8)


PLACES = {
    one.name: one
    for one in (
        place("table", 1.0, 0.0, 0.0), place("far counter", 0.0, 2.0, 0.5 * np.pi),
        place("trash can", -1.5, 0.0, np.pi, "bin"),
    )
}  # fmt: skip


def looking_down(position: Sequence[float], fovy: float = 1.2) -> CameraPose:
    return CameraPose(np.array(position, float), np.diag([1.0, 1.0, 1.0]), fovy)


def make_episode(
    skill: Skill = PICK,
    seed: int = 0,
    length: int = 4,
    source: str = "experts",
    success: bool = True,
    objects: Mapping[str, Sequence[float]] | None = None,
    skills: tuple[Skill, ...] = SKILLS,
    cameras: Sequence[str] = CAMERAS,
) -> Episode:
    """Everything follows from the arguments. The own skill is possible until it is done, in the last row if at all."""
    rng = np.random.default_rng([seed, length, int(success)])
    objects = {"apple": (1.5, 0.1, 0.85), "tea": (1.6, -0.1, 0.85)} if objects is None else objects
    observations: dict[str, Any] = {
        f"{name}_image": rng.integers(0, 256, (length, SIDE, SIDE, 3), np.uint8) for name in cameras
    }
    base = np.column_stack([np.linspace(0.6, 1.0, length), np.zeros(length), np.linspace(0.3, 0.0, length)])
    observations |= {
        "joints": rng.normal(size=(length, 7)).astype(np.float32),
        "gripper": np.ones((length, 1), np.float32),
        "ee_position": np.tile(np.float32([0.47, 0.0, 1.1]), (length, 1)),
        "ee_quaternion": np.tile(np.float32([1, 0, 0, 0]), (length, 1)),
        "base_pose": base.astype(np.float32),
        "time": np.arange(length, dtype=np.float32)[:, None],
    }
    actions = np.zeros((length, 11), np.float32)
    actions[:, :3] = rng.uniform(-0.03, 0.03, (length, 3))
    actions[:, 6] = 1.0
    actions[-1, 10] = 1.0
    possible, done = rng.random((2, length, len(skills))) < 0.5
    own = skills.index(skill)
    possible[:, own], done[:, own] = True, False
    possible[-1, own], done[-1, own] = not success, success
    eyes = [looking_down((1.0, 0.0, 2.0)), looking_down((1.4, 0.0, 1.2))][: len(cameras)]
    poses = [[*eye.position, *eye.rotation.ravel(), eye.fovy] for eye in eyes]
    goal = np.array(next(iter(objects.values()))) if objects else np.full(3, np.nan)
    labels: dict[str, Any] = {
        "goal": np.tile(goal, (length, 1)).astype(np.float32),
        "cameras": np.tile(np.array(poses, np.float32), (length, 1, 1)),
        "objects": np.tile(
            np.array([[*at, 0.0] for at in objects.values()], np.float32).reshape(-1, 4), (length, 1, 1)
        ),
    }
    for name, eye in zip(cameras, eyes, strict=True):
        labels[f"{name}_point"] = np.tile(np.float32(eye.project(goal)), (length, 1))
    phrases = tuple(one.phrase for one in skills)
    return Episode(
        skill, seed, source, "a toy", success, True, observations, actions, actions + np.float32(0.001), possible,
        done, labels, PLACES, phrases, tuple(objects),
    )  # fmt: skip


def make_set(folder: Path, episodes: Sequence[Episode], name: str = "shard_0000000.hdf5", **about: Any) -> Path:
    """A data set of one shard."""
    facts = {"env_name": "toy", "phrases": episodes[0].phrases, "every": 3, "distribution": 1, "versions": {}} | about
    write_shard(folder / name, episodes, facts)
    return folder


def write_by_hand(path: Path, episodes: Sequence[Episode]) -> Path:
    """As somebody else would write demonstrations: robomimic's layout, and nothing that only a simulator knows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(map(len, episodes))
        data.attrs["env_args"] = "{}"
        for index, episode in enumerate(episodes):
            demo = data.create_group(f"demo_{index}")
            demo.attrs["num_samples"] = len(episode)
            demo.attrs["instruction"], demo.attrs["verb"] = episode.skill.phrase, episode.skill.verb
            demo.attrs["object"] = episode.skill.object or ""
            demo["actions"] = episode.actions
            for name, array in episode.observations.items():
                demo[f"obs/{name}"] = array
    return path


def make_sentences(skills: Sequence[Skill] = SKILLS, size: int = TEXT) -> Sentences:
    """Vectors of noise for the phrases and all their other wordings."""
    texts = [*dict.fromkeys(text for texts in wordings(skills).values() for text in texts)]
    return Sentences(texts, np.random.default_rng(0).normal(size=(len(texts), size)).astype(np.float32), name="noise")


def make_observation(
    base: Sequence[float] = (1.0, 0.0, 0.0), seed: int = 0, time: float = 0.0, cameras: Sequence[str] = CAMERAS
) -> Observation:
    rng = np.random.default_rng(seed)
    return Observation(
        time,
        {name: rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for name in cameras},
        rng.normal(size=7),
        1.0,
        np.array([0.47, 0.0, 1.1]),
        np.array([1.0, 0.0, 0.0, 0.0]),
        np.array(base, float),
    )
