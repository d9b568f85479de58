"""A big house: the kitchen and everything around it, as a library of 10,004 phrases and a world without physics.

What SayCan does with a library so large is measured by `shortlist.py`. Nothing in this house is absent, so no phrase
drops out for want of its thing: narrowing has all of them before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from saycan.library import SkillLibrary
from saycan.place import Place
from saycan.privileged import ObjectState, SpillState
from saycan.robots.kitchen.scene import Scene
from saycan.robots.kitchen.symbolic import SymbolicKitchen
from saycan.skills.kitchen import kitchen_library
from saycan.vocabulary import KITCHEN, Noun, Vocabulary

_FOOD = (
    "banana", "pear", "lemon", "plum", "carrot", "onion", "garlic bulb", "potato", "bread loaf", "butter dish",
    "milk carton", "egg box", "honey jar", "jam jar", "mustard", "olive oil", "salt shaker", "pepper mill",
    "sugar bowl", "flour bag", "rice bag", "cereal box", "oat packet", "coffee tin", "cocoa tin", "biscuit tin",
    "walnut bag", "raisin box",
)  # fmt: skip
_KITCHENWARE = (
    "mug", "glass", "teapot", "saucer", "plate", "soup bowl", "fork", "spoon", "bread knife", "spatula", "ladle",
    "whisk", "grater", "peeler", "corkscrew", "bottle opener", "rolling pin", "colander", "frying pan", "saucepan",
    "pan lid", "baking tray", "chopping board", "measuring jug", "kitchen scale", "egg timer", "oven glove",
    "dish towel", "apron", "napkin", "candle", "lighter",
)  # fmt: skip
_TOOLS = (
    "hammer", "mallet", "screwdriver", "hex key", "pliers", "wrench", "hand saw", "hacksaw", "chisel", "wood file",
    "cordless drill", "drill bit box", "tape measure", "spirit level", "clamp", "utility knife", "sandpaper",
    "wood glue", "masking tape", "duct tape", "paint brush", "paint roller", "paint pot", "nail box", "screw box",
    "wall plug box", "cable tie", "extension cord", "torch", "battery pack", "multimeter", "soldering iron",
    "work gloves", "safety goggles", "ear muffs", "oil can", "bicycle pump", "tyre lever",
)  # fmt: skip
_OFFICE = (
    "pencil", "ballpoint pen", "marker", "eraser", "ruler", "stapler", "hole punch", "paper clip box", "notebook",
    "envelope", "stamp sheet", "letter opener", "calculator", "laptop", "phone charger", "headphones", "memory stick",
    "reading glasses", "magazine", "newspaper", "dictionary", "road map", "photo album",
)  # fmt: skip
_HOUSEHOLD = (
    "toothbrush", "toothpaste", "soap bar", "shampoo", "hair brush", "comb", "hand mirror", "bath towel", "plaster box",
    "thermometer", "cotton wool", "nail scissors", "dust pan", "hand broom", "scrubbing brush", "bucket", "light bulb",
    "clothes peg bag", "iron", "sewing kit", "pillow", "blanket", "slippers", "umbrella", "hat", "scarf", "wool gloves",
    "house keys", "wallet", "dog leash", "cat toy", "watering can", "flower pot", "seed packet", "garden trowel",
    "pruning shears", "tennis ball", "chess box", "card deck", "jigsaw puzzle", "teddy bear", "toy car", "ukulele",
)  # fmt: skip
_PLACES = (
    "dining table", "breakfast bar", "kitchen island", "stove top", "draining board", "pantry shelf",
    "spice rack", "fridge top", "window sill", "sideboard", "coffee table", "bookcase", "mantelpiece",
    "piano top", "sofa", "armchair", "footstool", "television bench", "hall bench", "shoe rack", "coat stand",
    "stair landing", "desk", "printer stand", "filing cabinet", "bed", "bedside table", "dresser",
    "wardrobe shelf", "toy chest", "bath tub edge", "wash basin", "bathroom shelf", "laundry basket",
    "washing machine", "ironing board", "workbench", "tool cabinet", "saw horse", "garage shelf", "car boot",
    "bicycle basket", "garden bench", "patio table", "potting table", "greenhouse shelf",
)  # fmt: skip

_MORE = (*_FOOD, *_KITCHENWARE, *_TOOLS, *_OFFICE, *_HOUSEHOLD)

HOUSE = Vocabulary(
    objects=(*KITCHEN.objects, *(Noun(name) for name in _MORE)),
    places=(*KITCHEN.places, *(Noun(name) for name in _PLACES)),
    surfaces=(*KITCHEN.surfaces, *_PLACES),
    containers=KITCHEN.containers,
)
"""180 kinds of things, 52 places."""


def house_library() -> SkillLibrary:
    """The kitchen's templates over everything in the house."""
    return kitchen_library(HOUSE)


class House(SymbolicKitchen):
    """A scene of the kitchen with all the rest of the house around it.

    Args:
        scene: What is where in the kitchen.
        seed: Draws where everything is that the scene does not name.
        dirty: Surfaces with a spill on them, besides those of the scene.
    """

    def __init__(self, scene: Scene, seed: int = 0, dirty: Sequence[str] = ()) -> None:
        super().__init__(scene)
        kitchen = self.state
        places = {**kitchen.places, **{place.name: place for place in map(_room, range(len(_PLACES)))}}
        rng = np.random.default_rng(seed)
        present = {thing.name for thing in scene.things}
        others = [noun.name for noun in HOUSE.objects if noun.name not in present]
        things = [_thing(name, places[str(rng.choice(list(_PLACES)))]) for name in others]
        spills = [SpillState(name, places[name].center[None], 1) for name in dirty if not kitchen.spill_at(name)]
        self.state = replace(
            kitchen, places=places, objects=(*kitchen.objects, *things), spills=(*kitchen.spills, *spills)
        )


def _room(index: int) -> Place:
    """One surface of the house, on a grid beside the kitchen, 1 m apart."""
    x, y = 3.0 + index % 8, float(index // 8)
    return Place(
        name=_PLACES[index],
        kind="surface",
        dock=np.array([x, y - 0.5, np.pi / 2]),
        center=np.array([x, y, 0.8]),
        half_size=np.array([0.4, 0.25]),
        rim=0.8,
    )


def _thing(name: str, place: Place) -> ObjectState:
    upright = np.array([1.0, 0.0, 0.0, 0.0])
    return ObjectState(name, name, place.center, upright, np.array([0.06, 0.06, 0.1]), place.name, held=False)
