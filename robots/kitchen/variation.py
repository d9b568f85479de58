"""Scenes changed on purpose: to measure how far what was learned carries, and to train for it.

    name     what changes                                 training ("wide") draws         evaluation draws outside of it
    camera   pose of head and wrist camera                to 3 cm, 5 degrees on an axis   4 cm and 6 degrees on one axis
    colors   colours of the movable things (OKLab)        to 0.05 from the standard       from 0.11 on
    sizes    extents of the movable things                to 8 % larger or smaller        10 to 14 %
    kitchen  layout; colours of furniture, floor, walls   four fifths of the orders and   the other orders, the other
                                                          of the hues                     hues, and all of them coloured

"wide" changes all of these at once within training's ranges, and the light, and leaves only a part of the spill in half
of the scenes that have one: what wiping ends with is seen too seldom otherwise. The frozen distribution lies inside of
it. "fetch", for training too, changes no looks: what a skill needs in the gripper lies on a surface instead, and the
robot stands there; it has to be picked up first, and the skill begins as in a run.

A changed colour must leave no doubt about which thing it is: among the things of its kind (cans, bags, ...), the
standard colour that its main colour resembles most is its own, by a factor (`TELLABLE`), and its label and cap change
less than half as much. The difference of two colours is their distance in OKLab.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, SceneError, UnknownNameError
from saycan.robots.kitchen.appearance import Vector
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.color import difference, from_hue, from_oklab, to_oklab
from saycan.robots.kitchen.distribution import DISTRIBUTION, Split, sample_scene
from saycan.robots.kitchen.hard import hard_scene
from saycan.robots.kitchen.layout import Layout
from saycan.robots.kitchen.layouts import sample_layout
from saycan.robots.kitchen.objects import OBJECTS, ObjectModel
from saycan.robots.kitchen.palette import Palette
from saycan.robots.kitchen.scene import HAND, Scene, Thing
from saycan.robots.kitchen.shapes import Rgb
from saycan.skill import Skill
from saycan.vocabulary import KITCHEN

HELD_OUT = ("camera", "colors", "sizes", "kitchen")
"""Variations that only evaluation draws."""

VARIATIONS = (*HELD_OUT, "wide", "fetch")
"""Every name that `vary` takes."""

SHIFT, TURN = 0.03, 5.0  # m and degrees on each axis, training
FARTHER, FURTHER = (0.035, 0.045), (5.5, 6.5)  # on one axis, evaluation
RECOLOR, RECOLOR_MORE = (0.0, 0.05), (0.11, 0.15)
RESIZE, RESIZE_MORE = (0.0, 0.08), (0.10, 0.14)
TELLABLE = 0.75
"""A main colour's difference from its own standard is at most this fraction of that from any other of its kind."""

LEAST_LEFT = 0.025
"""Share of a spill that may be left at the start in half of training's wide scenes, drawn evenly in its logarithm."""

HELD_OUT_HUES = ((110.0, 150.0), (300.0, 350.0))
"""Degrees of OKLab hue, yellow-green and purple to pink, that furniture has in evaluation only."""

TALLEST = 0.21  # m; more does not fit under the drawer's cabinet

FORWARD = ((-0.442, 0.645, -0.623), (0.0, 0.969, -0.247))
"""The directions, in the frames of head and wrist camera, away from what carries them (their frames in robot.xml)."""

_BACK = 0.03  # m that a camera may move towards what carries it, or it would look at its inside
_HUE_MARGIN = 10.0
_LESS = 0.4  # label and cap tell a thing too
_TRIES = 200
_LIGHTNESS: Mapping[str, tuple[float, float]] = {
    "floor": (0.40, 0.75), "wall": (0.70, 0.95), "tiles": (0.60, 0.90), "picture": (0.40, 0.90), "top": (0.55, 0.92),
    "tray": (0.60, 0.92), "cabinet": (0.30, 0.75), "front": (0.40, 0.80), "legs": (0.30, 0.70), "bin": (0.20, 0.55),
    "shirt": (0.30, 0.75), "trousers": (0.20, 0.50),
}  # fmt: skip


def vary(scene: Scene, name: str, seed: int) -> Scene:
    """The same things in a scene that is changed in one respect, or for "wide" in all.

    Args:
        scene: What to change; "frozen" leaves it as it is.
        name: One of `VARIATIONS`.
        seed: Draws the change; the same scene, name and seed give the same scene.

    Raises:
        UnknownNameError: Another name.
        SceneError: The things do not fit anywhere any more, after many tries.
    """
    if name == "frozen":
        return scene
    if name not in VARIATIONS:
        raise UnknownNameError("variation", name, ("frozen", *VARIATIONS))
    rng = np.random.default_rng([DISTRIBUTION.version, zlib.crc32(name.encode()), seed])
    problem: SceneError | None = None
    for _ in range(20):
        changed = _VARIATIONS[name](scene, rng)
        try:
            place_objects(changed, np.random.default_rng(0))
            return changed
        except SceneError as error:
            problem = error
    raise SceneError(f"no {name!r} variation of this scene was found: {problem}")


def sample_variation(skill: Skill, seed: int, split: Split = "evaluation", variation: str = "frozen") -> Scene:
    """Scene number `seed` of a split, as `saycan.robots.kitchen.distribution.sample_scene` draws it, varied.

    Args:
        skill: What can be done in it.
        seed: Number of the scene in its split.
        split: "evaluation" or "training".
        variation: "frozen" (the distribution itself), "hard" (`saycan.robots.kitchen.hard`), "wide", "fetch"
            (the skill can be done once what it needs has been picked up), or one of `HELD_OUT`, which there is no
            training on.

    Raises:
        BadInputError: A seed outside of the split, or a held-out variation of the training split.
        UnknownNameError: Another variation, split or verb.
    """
    if variation == "hard":
        return hard_scene(skill, seed, split)
    if variation in HELD_OUT and split != "evaluation":
        raise BadInputError(f"{variation!r} is held out of training; the {split} split has: frozen, hard, wide, fetch")
    scene = sample_scene(skill, seed, split)
    return vary(scene, variation, DISTRIBUTION.seeds[split][0] + seed)


def _camera(scene: Scene, rng: np.random.Generator) -> Scene:
    shift, turn = _camera_shift(rng, FARTHER), _beyond(rng, np.radians(FURTHER), np.radians(TURN))
    return replace(scene, appearance=replace(scene.appearance, camera_shift=shift, camera_turn=turn))


def _colors(scene: Scene, rng: np.random.Generator) -> Scene:
    return _with_models(scene, lambda model: recolored(model, RECOLOR_MORE, rng))


def _sizes(scene: Scene, rng: np.random.Generator) -> Scene:
    return _with_models(scene, lambda model: resized(model, _either_way(RESIZE_MORE, rng)))


def _kitchen(scene: Scene, rng: np.random.Generator) -> Scene:
    moved = _furnished(scene, sample_layout(rng, held_out_order=True))
    return replace(moved, appearance=replace(scene.appearance, palette=sample_palette(rng, held_out_hues=True)))


def _wide(scene: Scene, rng: np.random.Generator) -> Scene:
    azimuth, elevation = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(30.0, 88.0))
    x, y, z = np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    turn = np.radians(rng.uniform(-TURN, TURN, 3))
    appearance = replace(
        scene.appearance,
        light=(float(x), float(y), float(z)),
        ambient=float(rng.uniform(0.38, 0.78)),
        diffuse=_vector(rng.uniform(0.22, 0.63) + rng.uniform(-0.08, 0.08, 3)),
        camera_shift=_camera_shift(rng),
        camera_turn=_vector(turn),
        palette=sample_palette(rng, held_out_hues=False),
    )
    furnished = _furnished(replace(scene, appearance=appearance), sample_layout(rng, held_out_order=False))
    changed = _with_models(furnished, lambda model: recolored(resized(model, _either_way(RESIZE, rng)), RECOLOR, rng))
    if not scene.spills or rng.random() < 0.5:
        return changed
    return replace(changed, wiped=float(1.0 - LEAST_LEFT ** rng.random()))


def _fetch(scene: Scene, rng: np.random.Generator) -> Scene:
    place = str(rng.choice(KITCHEN.surfaces))
    held = scene.in_hand
    if held is None:
        return scene
    things = tuple(replace(thing, place=place) if thing.id == held.id else thing for thing in scene.things)
    return replace(scene, things=things, start=place)


_VARIATIONS: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "camera": _camera,
    "colors": _colors,
    "sizes": _sizes,
    "kitchen": _kitchen,
    "wide": _wide,
    "fetch": _fetch,
}


def resized(model: ObjectModel, factor: float) -> ObjectModel:
    """The same thing, `factor` times as large and of the same density; a bottle grows sideways only at the end."""
    x, y, z = (factor * extent for extent in model.size)
    size = (x, y, min(z, TALLEST))
    return replace(model, size=size, mass=model.mass * float(np.prod(size) / np.prod(model.size)))


def recolored(model: ObjectModel, distances: tuple[float, float], rng: np.random.Generator) -> ObjectModel:
    """The same thing with its main colour moved by so much, still most like its own; the others follow a little."""
    main = OBJECTS[model.name].colors[0]
    others = [other.colors[0] for other in OBJECTS.values() if other.kind == model.kind and other.name != model.name]
    for _ in range(_TRIES):
        direction = rng.normal(size=3)
        offset = rng.uniform(*distances) * direction / np.linalg.norm(direction)
        new = from_oklab(to_oklab(main) + offset)
        moved = difference(new, main)
        tellable = all(moved <= TELLABLE * difference(new, other) for other in others)
        if tellable and distances[0] <= moved <= distances[1]:  # what no screen can show has been clipped
            second, third = (from_oklab(to_oklab(color) + _LESS * offset) for color in model.colors[1:])
            return replace(model, colors=(new, second, third))
    raise SceneError(f"no colour between {distances[0]} and {distances[1]} from that of the {model.name} is its own")


def sample_palette(rng: np.random.Generator, held_out_hues: bool) -> Palette:
    """Colours of room and furniture: of hues that are held out of training, or of the others and grey."""
    colors: dict[str, Rgb] = {}
    for field in fields(Palette):
        lightness = float(rng.uniform(*_LIGHTNESS[field.name.rpartition("_")[2]]))
        chroma = float(rng.uniform(0.05, 0.11) if held_out_hues else rng.uniform(0.0, 0.12))
        colors[field.name] = from_hue(lightness, chroma, _sample_hue(rng, held_out_hues))
    return Palette(**colors)


def _sample_hue(rng: np.random.Generator, held_out: bool) -> float:
    if held_out:
        low, high = HELD_OUT_HUES[int(rng.integers(len(HELD_OUT_HUES)))]
        return float(rng.uniform(low, high))
    while True:
        hue = float(rng.uniform(0.0, 360.0))
        if not any(low - _HUE_MARGIN <= hue <= high + _HUE_MARGIN for low, high in HELD_OUT_HUES):
            return hue


def _with_models(scene: Scene, change: Callable[[ObjectModel], ObjectModel]) -> Scene:
    names = dict.fromkeys(thing.name for thing in scene.things)
    return replace(scene, models=tuple(change(scene.model(name)) for name in names))


def _furnished(scene: Scene, layout: Layout) -> Scene:
    """The scene in another layout; what stands at a pose of its own keeps it as seen from the place's front edge."""
    things = tuple(_moved(thing, scene.layout, layout) for thing in scene.things)
    return replace(scene, layout=layout, things=things)


def _moved(thing: Thing, before: Layout, after: Layout) -> Thing:
    if thing.pose is None or thing.place == HAND:
        return thing
    old, new = before[thing.place], after[thing.place]
    offset = np.array(thing.pose[:2]) - old.front
    x, y = new.point(float(offset @ old.left), float(offset @ old.forward))
    z, yaw = thing.pose[2] + new.height - old.height, thing.pose[3] + new.yaw - old.yaw
    return replace(thing, pose=(float(x), float(y), z, yaw))


def _camera_shift(rng: np.random.Generator, beyond: tuple[float, float] | None = None) -> Vector:
    """A shift after which no camera looks at the inside of what carries it."""
    while True:
        shift = _vector(rng.uniform(-SHIFT, SHIFT, 3)) if beyond is None else _beyond(rng, beyond, SHIFT)
        if all(np.dot(forward, shift) >= -_BACK for forward in FORWARD):
            return shift


def _beyond(rng: np.random.Generator, shell: NDArray[np.float64] | tuple[float, float], inside: float) -> Vector:
    """One of three numbers lies in the shell, either way; the other two are at most half of `inside`."""
    values = 0.5 * rng.uniform(-inside, inside, 3)
    values[int(rng.integers(3))] = rng.choice([-1.0, 1.0]) * rng.uniform(*shell)
    return _vector(values)


def _either_way(changes: tuple[float, float], rng: np.random.Generator) -> float:
    """1 plus or minus a change in a range."""
    return float(1.0 + rng.choice([-1.0, 1.0]) * rng.uniform(*changes))


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
