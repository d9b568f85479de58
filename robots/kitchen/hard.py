"""Hard scenes: the skill's symbolic precondition holds, and yet whoever attempts it may well fail.

The frozen distribution has few failures to learn from, and a value function that is only ever asked about easy scenes
need not look at them. Here the thing lies on its side, at the very edge, between others that leave the fingers no room
or under another one; it is held by its very top; the place to put it is full; what is to be wiped is under things;
things are piled too high to shut the drawer, or stand before its handle. Each scene draws one such twist, among them
some that mostly end well, so that the outcome cannot be told from the kind of scene. Driving ("find", "go to") has no
hard scenes: there are several of the thing, or it is shut in the drawer.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from saycan.errors import SceneError
from saycan.robots.kitchen.arrangement import place_objects
from saycan.robots.kitchen.distribution import DISTRIBUTION, Split, sample_scene
from saycan.robots.kitchen.furniture import DRAWER_FLOOR
from saycan.robots.kitchen.layout import DRAWER_TRAVEL, PlaceLayout
from saycan.robots.kitchen.objects import OBJECTS, grasp_depth
from saycan.robots.kitchen.physics import Physics
from saycan.robots.kitchen.scene import HAND, MOST_THINGS, Scene, Thing, name_things
from saycan.skill import Skill

Twist = Callable[[Scene, Thing, np.random.Generator], Scene]

_STREAM = 1  # of random numbers, beside those of the frozen scene
_TRIES = 50
_LYING = 0.5 * np.pi
_DROP = 0.002  # m


def hard_scene(skill: Skill, seed: int, split: Split = "evaluation") -> Scene:
    """Hard scene number `seed` of a split, made from the frozen scene of that number.

    Raises BadInputError for a seed outside of the split and UnknownNameError for a verb that needs no scene.
    """
    first = DISTRIBUTION.seeds.get(split, (0, 0))[0]
    scene = sample_scene(skill, seed, split)
    rng = np.random.default_rng([DISTRIBUTION.version, first + seed, zlib.crc32(skill.phrase.encode()), _STREAM])
    problem: SceneError | None = None
    for _ in range(_TRIES):
        try:
            hard = _twisted(scene, skill, rng)
            arrangement = place_objects(hard, np.random.default_rng(0))
            if hard.grip:
                Physics(arrangement)  # says whether the fingers hold it at all
            return hard
        except SceneError as error:
            problem = error
    raise SceneError(f"no hard scene {seed} for {skill.phrase!r}: {problem}")


def _twisted(scene: Scene, skill: Skill, rng: np.random.Generator) -> Scene:
    target = next((thing for thing in scene.things if thing.name == skill.object), None)
    match skill.verb:
        case "pick up" if target is not None:
            names = [*_PICKS]
            scene = _PICKS[str(rng.choice(names, p=[_PICKS[name][0] for name in names]))][1](scene, target, rng)
            return _with_twin(scene, target) if rng.random() < 0.2 else scene
        case "find" if target is not None:
            return _with_twin(scene, target) if rng.random() < 0.5 else _put_away(scene, target)
        case "place" | "bring" | "trash" | "put down" if target is not None:
            where = scene.start if skill.verb == "put down" else str(skill.place)
            scene = _crowded(scene, where, rng) if rng.random() < 0.7 else scene
            return replace(scene, grip=_loose_grip(scene, target, rng))
        case "wipe":
            return _covered(scene, rng)
        case "open" | "close":
            return _blocked(scene, skill.verb, rng)
    return scene


# Picking up ----------------------------------------------------------------------------------------------------------


def _lying(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """On its side."""
    place, model = scene.layout[target.place], scene.model(target.name)
    across, deep = rng.uniform(-0.35, 0.35), rng.uniform(0.12, 0.34)
    return _with(scene, _posed(target, place, across, deep, 0.5 * model.size[0], rng, _LYING))


def _at_the_front(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """Half over the front edge."""
    return _upright(scene, target, rng.uniform(-0.4, 0.4), rng.uniform(0.006, 0.025), rng)


def _at_the_side(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """At the far left or right."""
    half = scene.layout[target.place].half_across
    return _upright(
        scene, target, rng.choice([-1.0, 1.0]) * (half - rng.uniform(0.005, 0.05)), rng.uniform(0.1, 0.4), rng
    )


def _deep(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """At the far edge."""
    depth = scene.layout[target.place].depth
    return _upright(scene, target, rng.uniform(-0.4, 0.4), depth - rng.uniform(0.01, 0.06), rng)


def _wedged(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """Between others, closer than the fingers need."""
    place, model = scene.layout[target.place], scene.model(target.name)
    across, deep = rng.uniform(-0.3, 0.3), rng.uniform(0.16, 0.30)
    others = [str(name) for name in rng.permutation([name for name in OBJECTS if name != target.name])]
    around: list[Thing] = []
    ring: list[tuple[float, float]] = []  # distance and radius of each neighbour
    start = angle = rng.uniform(-np.pi, np.pi)
    for name in others[:6]:  # each as near to the one before as it can stand, until the ring is full
        radius = scene.model(name).radius
        apart = model.radius + radius + rng.uniform(0.0, 0.005)
        if ring:
            angle += _angle_between(apart, ring[-1][0], radius + ring[-1][1] + _DROP)
            if angle - start > 2.0 * np.pi - _angle_between(apart, ring[0][0], radius + ring[0][1] + _DROP):
                break
        ring.append((apart, radius))
        at = across + apart * np.sin(angle), deep + apart * np.cos(angle)
        around.append(_posed(Thing(name, name, target.place), place, *at, 0.5 * scene.model(name).size[2], rng))
    names = {thing.name for thing in around}
    kept = [thing for thing in scene.things if thing.id == target.id or thing.place != target.place]
    kept = [thing for thing in kept if thing.name not in names]
    return _upright(replace(scene, things=(*kept, *around)), target, across, deep, rng)


def _angle_between(one: float, other: float, apart: float) -> float:
    """Under which two points are seen that are so far away and so far apart."""
    return float(np.arccos(np.clip((one * one + other * other - apart * apart) / (2.0 * one * other), -1.0, 1.0)))


def _loaded(scene: Scene, target: Thing, rng: np.random.Generator) -> Scene:
    """With another thing on top of it."""
    place, model = scene.layout[target.place], scene.model(target.name)
    kept = [thing for thing in scene.things if thing.id == target.id or thing.place != target.place]
    used = {thing.name for thing in kept}
    loads = [name for name in OBJECTS if name not in used and OBJECTS[name].shape in ("can", "bag", "sponge", "bar")]
    if model.shape in ("bottle", "fruit") or not loads:
        raise SceneError(f"nothing stands on the {target.name}")
    load = str(rng.choice(loads))
    across, deep = rng.uniform(-0.35, 0.35), rng.uniform(0.10, 0.34)
    above = model.size[2] + 0.5 * scene.model(load).size[2] + _DROP
    on_top = _posed(Thing(load, load, target.place), place, across, deep, above, rng)
    return _upright(replace(scene, things=(*kept, on_top)), target, across, deep, rng)


_PICKS: dict[str, tuple[float, Twist]] = {
    "lying": (0.10, _lying),
    "front": (0.08, _at_the_front),
    "side": (0.05, _at_the_side),
    "deep": (0.07, _deep),
    "wedged": (0.40, _wedged),
    "loaded": (0.30, _loaded),
}
"""Name to share and twist."""


# Carrying, wiping, the drawer ----------------------------------------------------------------------------------------

_OVER = (0.006, 0.011)
"""How far the middle of the pads is over the top of what they hold, m; where it falls out at once, less is tried."""


def _loose_grip(scene: Scene, held: Thing, rng: np.random.Generator) -> float:
    """How much lower than usual a thing hangs in the fingers that hold it by its very top, m."""
    model = scene.model(held.name)
    if model.shape == "fruit":  # it is not as high as its stem where the pads are
        return 0.0
    return grasp_depth(model) + float(rng.uniform(*_OVER))


def _crowded(scene: Scene, where: str, rng: np.random.Generator) -> Scene:
    """As many things at a place as fit, around its middle."""
    place = scene.layout[where]
    if place.kind == "bin":
        return scene
    held = scene.in_hand
    count = MOST_THINGS[place.kind] - (place.kind == "drawer")
    names = [str(name) for name in rng.permutation([name for name in OBJECTS if held is None or name != held.name])]
    kept = [thing for thing in scene.things if thing.place != where and thing.name not in names[:count]]
    if place.kind == "drawer":
        return replace(scene, things=(*kept, *(Thing(name, name, where) for name in names[:count])))
    around = []
    for index, name in enumerate(names[:count]):
        across = 0.15 * (index // 2) - 0.15 * (count // 2 - 1) / 2 + rng.uniform(-0.01, 0.01)
        deep = 0.5 * place.depth + (0.075 if index % 2 else -0.075) + rng.uniform(-0.01, 0.01)
        around.append(_posed(Thing(name, name, where), place, across, deep, 0.5 * scene.model(name).size[2], rng))
    return replace(scene, things=(*kept, *around), spills=tuple(spill for spill in scene.spills if spill != where))


def _covered(scene: Scene, rng: np.random.Generator) -> Scene:
    """Things all over the surface with the spill, which then lies under some of them."""
    where = scene.spills[0]
    place = scene.layout[where]
    count = int(rng.integers(3, 9))
    kept = [thing for thing in scene.things if thing.place != where]
    used = {thing.name for thing in kept}
    names = [str(name) for name in rng.permutation([name for name in OBJECTS if name not in used])][:count]
    around: list[Thing] = []
    spots: list[tuple[np.ndarray, float]] = []
    for name in names:
        model = scene.model(name)
        for _ in range(_TRIES):
            spot = rng.uniform([-0.35, 0.08], [0.35, 0.36])
            if all(np.linalg.norm(spot - other) > model.radius + radius + _DROP for other, radius in spots):
                spots.append((spot, model.radius))
                across, deep = (float(value) for value in spot)
                around.append(_posed(Thing(name, name, where), place, across, deep, 0.5 * model.size[2], rng))
                break
    return replace(scene, things=(*kept, *around))


def _blocked(scene: Scene, verb: str, rng: np.random.Generator) -> Scene:
    """Something stands on the cabinet before the handle, or too high in the open drawer; or nothing."""
    place = scene.layout["drawer"]
    kept = [thing for thing in scene.things if thing.place != "drawer"]
    used = {thing.name for thing in kept}
    free = [str(name) for name in rng.permutation([name for name in OBJECTS if name not in used])]
    if rng.random() < (0.4 if verb == "close" else 0.1):
        return replace(scene, things=(*kept, *name_things((name, "drawer") for name in free[:2])))
    if verb == "close":  # one on the other stands higher than the cabinet's opening
        tall = [name for name in free if scene.model(name).size[2] >= 0.12][:2]
        if len(tall) < 2:
            raise SceneError("nothing tall is left for the drawer")
        deep = 0.13 - scene.drawer * DRAWER_TRAVEL
        low, high = (scene.model(name).size[2] for name in tall)
        floor = DRAWER_FLOOR - place.height
        stack = (
            _posed(Thing(tall[0], tall[0], "drawer"), place, 0.0, deep, floor + 0.5 * low, rng),
            _posed(Thing(tall[1], tall[1], "drawer"), place, 0.0, deep, floor + low + 0.5 * high + _DROP, rng),
        )
        return replace(scene, things=(*kept, *stack))
    name = free[0]
    at = rng.uniform(-0.03, 0.03), rng.uniform(0.004, 0.018)
    blocker = _posed(Thing(name, name, "drawer"), place, *at, 0.5 * scene.model(name).size[2], rng)
    return replace(scene, things=(*kept, blocker))


# Pieces --------------------------------------------------------------------------------------------------------------


def _upright(scene: Scene, target: Thing, across: float, deep: float, rng: np.random.Generator) -> Scene:
    place, model = scene.layout[target.place], scene.model(target.name)
    return _with(scene, _posed(target, place, across, deep, 0.5 * model.size[2], rng))


def _posed(
    thing: Thing,
    place: PlaceLayout,
    across: float,
    deep: float,
    above: float,
    rng: np.random.Generator,
    tilt: float = 0.0,
) -> Thing:
    """The thing with its middle `above` m over the place's top."""
    x, y = place.point(across, deep)
    pose = (float(x), float(y), place.height + above + _DROP, float(rng.uniform(-np.pi, np.pi)))
    return replace(thing, pose=pose, tilt=tilt)


def _with(scene: Scene, changed: Thing) -> Scene:
    return replace(scene, things=tuple(changed if thing.id == changed.id else thing for thing in scene.things))


def _with_twin(scene: Scene, target: Thing) -> Scene:
    """A second one of its name, at the same place or, when a drive is to find it, anywhere."""
    if target.place == HAND or sum(thing.place == target.place for thing in scene.things) >= 6:
        return scene
    return replace(scene, things=(*scene.things, Thing(f"{target.name} 2", target.name, target.place)))


def _put_away(scene: Scene, target: Thing) -> Scene:
    """The thing in the shut drawer, unless the robot stands there."""
    return scene if scene.start == "drawer" else _with(scene, replace(target, place="drawer"))
