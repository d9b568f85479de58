"""Lessons: an instruction, and the steps of a robot that fulfils it, with failures and what people say in between.

Errand by errand, the steps are a shortest plan (`saycan.evaluation.shortest`) in a room of its own. What a language
model cannot see is left to chance, and so learned as such: which of the things that would do is there, what the hand
holds, what fails. Seeing is what Can is for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from saycan import goals
from saycan.errors import BadInputError
from saycan.evaluation.shortest import shortest_plan
from saycan.planners.lessons.course import Course, step_done
from saycan.planners.lessons.request import Request, Requests, as_goal
from saycan.planners.lessons.room import BIN, DRAWER, USER, Room, Style, mixed, rooms, styles
from saycan.planners.lessons.setting import Setting, draw_setting
from saycan.planners.lessons.words import Words, capital
from saycan.skill import DONE
from saycan.step import Memory, Outcome, Step

_TOGETHER, _TAUGHT_TOGETHER = (62, 28, 10), (45, 33, 22)  # how often one, two and three things are asked for at once
_MOST_STATES = 30_000  # that are looked at for a plan: what takes more is no instruction of everyday life

KEPT = (
    ("trash", "orange"), ("trash", "coke can"), ("bring", "water bottle"), ("bring", "energy bar"), ("place", "apple"),
    ("place", "pepsi can"), ("pick up", "lime soda"), ("pick up", "kettle chips"),
)  # fmt: skip
"""(verb, thing) of the kitchen that no lesson asks for: a validation set does. Picking them up as a step
towards something else is taught."""

NEW = ("banana", "milk carton", "muffin", "paper cup", "granola bar", "radish", "napkin", "spoon")
"""Things that no lesson has: a validation set adds some to the kitchen's."""

SETS = {
    "a": "phrasings that were never taught, in the kitchen",
    "b": "combinations of skill and thing that were never asked for, new things, unknown things, in the kitchen",
    "c": "an office and a workshop: other places, things and names of skills",
}
"""Validation sets: name to what is new in them."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """See the module.

    Attributes:
        setting: The room and the robot's skills.
        instruction: What is asked for.
        memory: What then happened, in order, ending with "done".
        goal: Whether it has been fulfilled; nothing of the agent's.
        slips: Places in `memory` of steps that could not be done: they are to be read, not to be learned.
        doubted: Places in `memory` of steps that were done and did not look so.
    """

    setting: Setting
    instruction: str
    memory: tuple[Memory, ...]
    goal: goals.Goal
    slips: frozenset[int] = frozenset()
    doubted: frozenset[int] = frozenset()


def lessons(seed: int, count: int = 1) -> list[Lesson]:
    """Lessons for training, all for one robot: the same skills, in a room that is arranged anew for each."""
    rng = random.Random(f"lessons {seed}")
    room = _trained(rng)
    kitchen = room is rooms()[0]
    style = styles()[0] if kitchen and rng.random() < 0.7 else mixed(rng)
    setting = draw_setting(rng, room, style, whole=rng.random() < (0.4 if kitchen else 0.25))
    found: list[Lesson] = []
    while len(found) < count:
        setting, words = setting.again(rng), Words(rng, room)
        made = _lesson(rng, setting, words, Requests(rng, setting, words, KEPT if kitchen else ()))
        if made is not None:
            found.append(made)
    return found


def validation(name: str, count: int) -> Iterator[Lesson]:
    """Lessons of a validation set, whose goals can all be reached. Raises BadInputError for a name that SETS lacks."""
    if name not in SETS:
        raise BadInputError(f"no validation set {name!r}; valid: {', '.join(SETS)}")
    seed = 0
    while count:
        rng = random.Random(f"validation {name} {seed}")
        seed += 1
        found = _validation(rng, name)
        if found is not None and _reachable(found):
            count -= 1
            yield found


def _reachable(lesson: Lesson) -> bool:
    setting = lesson.setting
    return shortest_plan(setting.state, lesson.goal, setting.library, _MOST_STATES) is not None


def _validation(rng: random.Random, name: str) -> Lesson | None:
    kitchen, style = rooms()[0], styles()[0]
    if name == "a":
        setting = draw_setting(rng, kitchen, style, whole=True)
        words = Words(rng, kitchen, unseen=True)
        return _lesson(rng, setting, words, Requests(rng, setting, words, absent=False), plain=True)
    if name == "c":
        room = rng.choice([room for room in rooms() if room.trying])
        style = _untaught() if rng.random() < 0.5 else mixed(rng)
        setting = draw_setting(rng, room, style, whole=rng.random() < 0.5)
        words = Words(rng, room, unseen=rng.random() < 0.5)
        return _lesson(rng, setting, words, Requests(rng, setting, words, absent=False), plain=True)
    chance = rng.random()
    words = Words(rng, kitchen)
    if chance < 0.4:
        more: list[str] = []
        wanted: tuple[tuple[str, str], ...] = KEPT
    elif chance < 0.75:
        more = rng.sample(NEW, 4)
        wanted = tuple((verb, thing) for verb in ("bring", "trash", "place", "pick up", "find") for thing in more)
    else:
        setting = draw_setting(rng, kitchen, style, whole=True)
        return _unknown(rng, setting, Words(rng, kitchen, unseen=True))
    setting = draw_setting(rng, kitchen, style, more, whole=True)
    found = _lesson(rng, setting, words, Requests(rng, setting, words, wanted, only=True, absent=False), plain=True)
    done = {(e.skill.verb, e.skill.object) for e in found.memory if isinstance(e, Step)} if found else set()
    return found if done & {*wanted} else None


def _trained(rng: random.Random) -> Room:
    kitchen, *others = (room for room in rooms() if not room.trying)
    if rng.random() < 0.45:
        return kitchen
    room = rng.choice(others)
    return (room.furnished(rng.choice(others)) if rng.random() < 0.5 else None) or room


def _untaught() -> Style:
    return next(style for style in styles() if style.trying)


def _lesson(
    rng: random.Random, setting: Setting, words: Words, requests: Requests, plain: bool = False
) -> Lesson | None:
    """A lesson in a setting; a plain one goes without failures, remarks and typing mistakes."""
    chance = rng.random()
    if chance < 0.03:
        return Lesson(setting, words.nothing(), (step_done(1, DONE),), goals.Constant(True))
    if chance < 0.09 and not plain:
        return _unknown(rng, setting, words)
    wanted: list[Request] = []
    for _ in range(rng.choices((1, 2, 3), _TOGETHER if plain else _TAUGHT_TOGETHER)[0]):
        taken = [
            thing
            for request in wanted
            for errand in request.errands
            for thing in (errand.thing, errand.place if errand.verb in ("open", "close") else None, *errand.instead)
            if thing is not None
        ]
        request = requests.draw(taken)
        if request is not None and _goes_with(request, wanted):
            wanted.append(request)
    if not wanted:
        return None
    errands = [errand for request in wanted for errand in request.errands]
    course = Course(rng, setting, plain)
    memory = course.run(errands)
    if memory is None:
        return None
    text = _text(rng, words, wanted)
    skills = [event.skill for event in memory if isinstance(event, Step) and event.skill.verb != DONE.verb]
    if rng.random() < 0.06 and 1 < len(skills) < 9 and all(isinstance(e, Step) for e in memory):
        succeeded = [e.skill for e in memory if isinstance(e, Step) and e.outcome is Outcome.SUCCEEDED]
        text = words.sentence(words.explicit([skill for skill in succeeded if skill.verb != DONE.verb]))
    chance = rng.random()
    if not plain and chance < 0.06:
        text = words.mistyped(text)
    elif not plain and chance < 0.12:
        text = text.lower()
    elif not plain and chance < 0.18:
        text = text.rstrip(".!?")
    elif not plain and chance < 0.24:
        text = words.aside(text)
    return Lesson(setting, text, memory, as_goal(wanted), frozenset(course.slips), frozenset(course.doubted))


def _goes_with(request: Request, wanted: list[Request]) -> bool:
    """Whether what is done last leaves what was done before as it should be."""
    last = {"pick up", "find", "go to"}
    before = {errand.verb for other in wanted for errand in other.errands}
    return not before & last and not ({errand.verb for errand in request.errands} & {"put down"} and before)


def _text(rng: random.Random, words: Words, wanted: list[Request]) -> str:
    clauses = [request.clause for request in wanted]
    if len(wanted) > 1 and all(clauses) and rng.random() < 0.75:
        return words.sentence(words.together(clauses))
    text = wanted[0].sentence
    for request in wanted[1:]:
        text = words.apart(text if text[-1] in ".!?" else f"{text}.", request.sentence)
    return text


def _unknown(rng: random.Random, setting: Setting, words: Words) -> Lesson:
    """Something is asked for that the robot has no skill for."""
    place = rng.choice(setting.surfaces)
    intents = ["hold", "move", "seek"]
    intents += [
        intent for intent, where in (("bring", USER), ("discard", BIN), ("store", DRAWER)) if where in setting.places
    ]
    intent = rng.choice(intents)
    holes = {"x": words.unknown(near=intent in ("move", "store")), "p": words.place(place)}
    text = words.sentence(words.clause(intent, holes)) if rng.random() < 0.7 else words.statement(intent, holes)
    return Lesson(setting, capital(text), (step_done(1, DONE),), goals.Constant(True))
