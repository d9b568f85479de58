"""The skills of the mock kitchen, as phrases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from saycan.library import SkillLibrary, Template
from saycan.robot import RobotSpec
from saycan.skill import Skill
from saycan.vocabulary import KITCHEN, Noun, Vocabulary

_MORE = (
    "banana", "pear", "lemon", "tomato", "carrot", "cucumber", "onion", "potato", "mug", "glass", "plate", "bowl",
    "fork", "spoon", "knife", "spatula", "ladle", "whisk", "pan", "pot", "lid", "cutting board", "towel", "napkin",
    "paper cup", "milk carton", "juice box", "yogurt", "butter", "cheese", "bread", "bagel", "cookie", "muffin",
    "cereal box", "granola bar", "chewing gum", "honey jar", "jam jar", "salt shaker", "pepper mill", "sugar bowl",
    "coffee bag", "kettle",
)  # fmt: skip

STRESS = Vocabulary(
    objects=(*KITCHEN.objects, *(Noun(name) for name in _MORE)),
    places=(*(place for place in KITCHEN.places if place.name != "drawer"), Noun("shelf")),
    surfaces=(*KITCHEN.surfaces, "shelf"),
    containers=("trash can", "operator"),
)
"""Sixty things and six places: 551 phrases, as many skills as Ahn et al. 2022 report for their robots."""


HELD_OUT: Mapping[str, tuple[str, ...]] = {
    "pick up": ("lime soda", "kettle chips"),
    "place": ("pepsi can", "apple"),
    "put down": ("tea", "rice chips"),
    "trash": ("orange", "coke can"),
    "bring": ("water bottle", "energy bar"),
}
"""Verb to objects with which nothing is ever demonstrated, so that what is learned can be tried on combinations that
are new to it. Every other verb has been demonstrated with them."""


def held_out(skill: Skill) -> bool:
    """Whether a skill is one of the combinations that training never sees."""
    return skill.object in HELD_OUT.get(skill.verb, ())


DRIVING = ("find", "go to")
"""Verbs that are nothing but driving."""


def library_of(spec: RobotSpec) -> SkillLibrary:
    """The kitchen's skills that a robot can have: of the places on its map, and no mere driving with a fixed base."""
    places = tuple(noun for noun in KITCHEN.places if not spec.places or noun.name in spec.places)
    names = [noun.name for noun in places]
    vocabulary = replace(
        KITCHEN,
        places=places,
        surfaces=tuple(name for name in KITCHEN.surfaces if name in names),
        containers=tuple(name for name in KITCHEN.containers if name in names),
    )
    library = kitchen_library(vocabulary)
    if spec.limits.base_speed > 0:
        return library
    return SkillLibrary(skill for skill in library if skill.verb not in DRIVING)


def kitchen_library(vocabulary: Vocabulary = KITCHEN) -> SkillLibrary:
    """Templates times the nouns of a kitchen: 156 phrases for the default one.

    The verbs follow Ahn et al. 2022, appendix D; every verb is one kind of policy, value function and success check.
    """
    things = tuple(noun.name for noun in vocabulary.objects)
    places = tuple(noun.name for noun in vocabulary.places)
    surfaces = vocabulary.surfaces
    templates = [
        Template("find", "find the {object}", things, seconds=60.0),
        Template("pick up", "pick up the {object}", things),
        Template("place", "place the {object} on the {place}", things, surfaces, seconds=45.0),
        Template("put down", "put down the {object}", things),
        Template("go to", "go to the {place}", places=places),
        Template("wipe", "wipe the {place} with the sponge", places=surfaces, seconds=90.0),
    ]
    if "trash can" in places:
        templates.append(Template("trash", "put the {object} in the trash can", things, ("trash can",), seconds=45.0))
    if "operator" in places:
        templates.append(Template("bring", "bring the {object} to the operator", things, ("operator",), seconds=45.0))
    if "drawer" in places:
        templates.append(Template("place", "place the {object} in the drawer", things, ("drawer",), seconds=45.0))
        templates.append(Template("open", "open the drawer", places=("drawer",), seconds=45.0))
        templates.append(Template("close", "close the drawer", places=("drawer",), seconds=45.0))
    return SkillLibrary(templates)
