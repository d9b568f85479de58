"""Scenes before the Panda, each one in which its skill can be done at once, from seeds of two splits that never meet.

Light, camera jitter and the share of scenes with another thing of the same kind are the kitchen's
(`saycan.robots.kitchen.distribution`); colours stay, and three to five things stand on the table.
"""

from __future__ import annotations

import zlib

import numpy as np

from saycan.errors import BadInputError, UnknownNameError
from saycan.robots.kitchen.distribution import DISTRIBUTION, Split, sample_appearance
from saycan.robots.kitchen.objects import OBJECTS
from saycan.robots.kitchen.scene import HAND, Scene, name_things
from saycan.robots.panda.layout import TABLE
from saycan.skill import Skill

VERSION = 1
"""Named beside every figure that is measured on it; a change of what follows makes figures incomparable."""

FEWEST, MOST, BESIDE = 3, 5, 3
"""Things of a scene, with the one that the skill is about; and the most where there is a spill, or room is needed."""

_STREAM = 41  # keeps these random numbers apart from the kitchen's


def sample_scene(skill: Skill, seed: int, split: Split = "evaluation", variation: str = "frozen") -> Scene:
    """Scene number `seed` of a split, in which `skill` can be done.

    Raises BadInputError for a seed outside of the split or a variation, of which there is none, and UnknownNameError
    for a verb that the Panda does not have.
    """
    if variation != "frozen":
        raise BadInputError(f"the Panda's scenes have no variation {variation!r}; they are drawn as 'frozen'")
    if split not in DISTRIBUTION.seeds:
        raise UnknownNameError("split", split, DISTRIBUTION.seeds)
    first, count = DISTRIBUTION.seeds[split]
    if not 0 <= seed < count:
        raise BadInputError(f"{split} seeds go from 0 to {count - 1}, found {seed}")
    rng = np.random.default_rng([_STREAM, VERSION, first + seed, zlib.crc32(skill.phrase.encode())])
    target, spilled = _needs(skill)
    names = _names(target[0], rng)
    most = MOST if skill.verb == "pick up" else BESIDE
    pairs = [target, *((name, TABLE) for name in names[: most - 1])]
    order = rng.permutation(len(pairs))
    return Scene(
        things=name_things(pairs[index] for index in order),
        spills=(TABLE,) if spilled else (),
        appearance=sample_appearance(rng),
        seed=int(rng.integers(2**31)),
    )


def _needs(skill: Skill) -> tuple[tuple[str, str], bool]:
    """(the thing, its place), and whether there is a spill."""
    match skill.verb:
        case "pick up":
            return (str(skill.object), TABLE), False
        case "place" | "put down" | "trash" | "bring":
            return (str(skill.object), HAND), False
        case "wipe":
            return ("sponge", HAND), True
    raise UnknownNameError("verb", skill.verb, ("pick up", "place", "put down", "trash", "bring", "wipe"))


def _names(target: str, rng: np.random.Generator) -> list[str]:
    """Names of the other things, one of the target's kind first in half of the scenes."""
    names = [str(name) for name in rng.permutation([name for name in OBJECTS if name != target])]
    alike = [name for name in names if OBJECTS[name].kind == OBJECTS[target].kind]
    if alike and rng.random() < DISTRIBUTION.objects["distractor"]:
        names = [alike[0], *(name for name in names if name not in alike)]
    return names[: int(rng.integers(FEWEST, MOST + 1)) - 1]
