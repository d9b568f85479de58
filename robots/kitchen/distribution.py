"""The frozen distribution of scenes: `distribution.toml` as values, and scenes drawn from it.

Every scene is one in which its skill can be done at once: "pick up the apple" has an apple where the robot stands,
"wipe the table with the sponge" a sponge in the gripper and a spill on the table.
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from saycan.errors import BadInputError, UnknownNameError
from saycan.robots.kitchen.appearance import Appearance
from saycan.robots.kitchen.layout import PLACES
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.scene import HAND, Scene, name_things
from saycan.skill import Skill
from saycan.vocabulary import KITCHEN

Split = Literal["evaluation", "training"]
SPLITS: tuple[Split, ...] = ("evaluation", "training")


@dataclass(frozen=True)
class Spacing:
    """How things stand on a place, in m; see `distribution.toml`."""

    edge: float
    gap: float
    across: float
    near: float
    far: float


@dataclass(frozen=True)
class Distribution:
    """`distribution.toml`, section by section.

    Attributes:
        version: Named beside every figure that is measured on it.
        spacing: How things stand on a place.
        objects, base, light, camera, color: The numbers of those sections.
        seeds: Split to (first seed, number of seeds).
    """

    version: int
    spacing: Spacing
    objects: Mapping[str, Any]
    base: Mapping[str, Any]
    light: Mapping[str, Any]
    camera: Mapping[str, Any]
    color: Mapping[str, Any]
    seeds: Mapping[str, tuple[int, int]]

    @classmethod
    def load(cls, path: Path) -> Distribution:
        """Read a file of this format."""
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        seeds = {split: (int(first), int(count)) for split, (first, count) in table.pop("seeds").items()}
        return cls(spacing=Spacing(**table.pop("spacing")), seeds=seeds, **table)

    def generator(self, skill: Skill, seed: int, split: Split) -> np.random.Generator:
        """The random numbers of one scene; no two splits share any. Raises BadInputError."""
        if split not in self.seeds:
            raise UnknownNameError("split", split, self.seeds)
        first, count = self.seeds[split]
        if not 0 <= seed < count:
            raise BadInputError(f"{split} seeds go from 0 to {count - 1}, found {seed}")
        return np.random.default_rng([self.version, first + seed, zlib.crc32(skill.phrase.encode())])


DISTRIBUTION = Distribution.load(Path(__file__).with_name("distribution.toml"))
"""The one that all figures are measured on."""


def sample_scene(skill: Skill, seed: int, split: Split = "evaluation") -> Scene:
    """Scene number `seed` of a split, in which `skill` can be done; its positions are drawn from the scene's own seed.

    Raises BadInputError for a seed outside of the split and UnknownNameError for a verb that needs no scene.
    """
    rng = DISTRIBUTION.generator(skill, seed, split)
    surfaces = KITCHEN.surfaces
    here = skill.place if skill.place in surfaces else str(rng.choice(surfaces))
    start, target, drawer, spilled = _precondition(skill, here, rng)
    pairs = [] if target is None else [target]
    names = _other_names(target[0] if target else None, rng)
    room = 4 if spilled or skill.verb in ("place", "put down") else 7  # a spill and what is put there need room
    for index, name in enumerate(names):
        with_target = index == 0 and skill.verb == "pick up"  # a distractor only distracts beside its twin
        near = (with_target or rng.random() < DISTRIBUTION.objects["here"]) and room > 0
        room -= near
        elsewhere = [place for place in surfaces if place != here]
        pairs.append((name, here if near else str(rng.choice(elsewhere))))
    order = rng.permutation(len(pairs))
    return Scene(
        things=name_things(pairs[index] for index in order),
        spills=(here,) if spilled else (),
        start=start,
        base_offset=_base_offset(rng),
        drawer=drawer,
        appearance=sample_appearance(rng),
        seed=int(rng.integers(2**31)),
    )


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Light, camera and colours of one scene."""
    light, camera = DISTRIBUTION.light, DISTRIBUTION.camera
    azimuth, elevation = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*light["elevation"]))
    x, y, z = np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    red, green, blue = rng.uniform(*light["diffuse"]) + rng.uniform(-light["tint"], light["tint"], 3)
    right, up, back = rng.uniform(-camera["shift"], camera["shift"], 3)
    pitch, yaw, roll = np.radians(rng.uniform(-camera["turn"], camera["turn"], 3))
    return Appearance(
        light=(float(x), float(y), float(z)),
        ambient=float(rng.uniform(*light["ambient"])),
        diffuse=(float(red), float(green), float(blue)),
        camera_shift=(float(right), float(up), float(back)),
        camera_turn=(float(pitch), float(yaw), float(roll)),
        color_jitter=float(DISTRIBUTION.color["jitter"]),
        color_seed=int(rng.integers(2**31)),
    )


def _precondition(skill: Skill, here: str, rng: np.random.Generator) -> tuple[str, tuple[str, str] | None, float, bool]:
    """Where the robot starts, (object, its place), how far the drawer is open, whether there is a spill."""
    docks = [*PLACES]
    drives = bool(rng.random() >= DISTRIBUTION.base["docked"])
    elsewhere = str(rng.choice([dock for dock in docks if dock != skill.place]))
    held = (str(skill.object), HAND)
    match skill.verb:
        case "find":
            return str(rng.choice([dock for dock in docks if dock != here])), (str(skill.object), here), 0.0, False
        case "pick up":
            return here, (str(skill.object), here), 0.0, False
        case "put down":
            return here, held, 0.0, False
        case "place":
            at_place = str(skill.place)
            return elsewhere if drives else at_place, held, float(skill.place == "drawer"), False
        case "trash" | "bring":
            return elsewhere if drives else str(skill.place), held, 0.0, False
        case "wipe":
            return elsewhere if drives else here, ("sponge", HAND), 0.0, True
        case "go to":
            return elsewhere, None, 0.0, False
        case "open" | "close":
            return elsewhere if drives else str(skill.place), None, float(skill.verb == "close"), False
    verbs = ("find", "pick up", "put down", "place", "trash", "bring", "wipe", "go to", "open", "close")
    raise UnknownNameError("verb", skill.verb, verbs)


def _other_names(target: str | None, rng: np.random.Generator) -> list[str]:
    """The names of the other things, a distractor of the target's kind first."""
    count = int(rng.integers(DISTRIBUTION.objects["fewest"], DISTRIBUTION.objects["most"] + 1))
    others = [name for name in OBJECTS if name != target]
    names = [str(name) for name in rng.permutation(others)]
    if target is None:
        return names[:count]
    alike = [name for name in names if OBJECTS[name].kind == OBJECTS[target].kind]
    different = [name for name in names if name not in alike]
    distracted = rng.random() < DISTRIBUTION.objects["distractor"]
    chosen = [alike[0]] if distracted else []
    return [*chosen, *different][: count - 1]


def _base_offset(rng: np.random.Generator) -> tuple[float, float, float]:
    shift, turn = DISTRIBUTION.base["shift"], np.radians(DISTRIBUTION.base["turn"])
    distance, direction = shift * np.sqrt(rng.random()), rng.uniform(-np.pi, np.pi)
    return (
        float(distance * np.cos(direction)),
        float(distance * np.sin(direction)),
        float(rng.uniform(-turn, turn)),
    )
