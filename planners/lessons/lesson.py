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
from saycan.planners.lessons.request import Errand, Request, Requests, as_goal
from saycan.planners.lessons.room import BIN, DRAWER, USER, Room, Style, mixed, rooms, styles
from saycan.planners.lessons.setting import Setting, draw_setting
from saycan.planners.lessons.words import Words, capital, phrases
from saycan.privileged import PrivilegedState
from saycan.skill import DONE, Skill
from saycan.step import Feedback, Memory, Outcome, Step
from saycan.symbolic import effect, precondition

FAILING = 0.07
"""How often a step fails and is tried again."""

DOUBTED = 0.05
"""How often a step that worked does not look so. The next one follows then: what cannot be done again, Can sees."""

SLIPPING = 0.04
"""How often something that cannot be done is tried before a step."""

_GUESSES = 6  # things of a kind that are looked for, at most
_AGAIN = 0.15  # how often one that was not found is looked for once more

_MOST_STATES = 30_000  # that are looked at for a plan: what takes more is no instruction of everyday life

KEPT = (
    ("trash", "orange"), ("trash", "coke can"), ("bring", "water bottle"), ("bring", "energy bar"), ("place", "apple"),
    ("place", "pepsi can"), ("pick up", "lime soda"), ("pick up", "kettle chips"),
)  # fmt: skip
"""(verb, thing) of the kitchen that no lesson asks for: a validation set does."""

NEW = ("banana", "milk carton", "muffin", "paper cup", "granola bar", "radish", "napkin", "spoon")
"""Things that no lesson has: a validation set adds some to the kitchen's."""

SETS = {
    "a": "phrasings that were never taught, in the kitchen",
    "b": "combinations of skill and thing that were never taught, new things, unknown things, in the kitchen",
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
        return Lesson(setting, words.nothing(), (_step(1, DONE),), goals.Constant(True))
    if chance < 0.09 and not plain:
        return _unknown(rng, setting, words)
    wanted: list[Request] = []
    for _ in range(rng.choices((1, 2, 3), (68, 25, 7))[0]):
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
    course = _Course(rng, setting, plain)
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
    return Lesson(setting, capital(text), (_step(1, DONE),), goals.Constant(True))


class _Course:
    """What happens, step by step."""

    def __init__(self, rng: random.Random, setting: Setting, plain: bool) -> None:
        self._rng, self._setting, self._plain = rng, setting, plain
        self._state: PrivilegedState = setting.state
        self._memory: list[Memory] = []
        self._number = 0
        self._missed: set[str] = set()
        self.slips: list[int] = []
        self.doubted: list[int] = []

    def run(self, errands: list[Errand]) -> tuple[Memory, ...] | None:
        """Everything, with "done" at the end; None where there is no plan."""
        words = phrases()["feedback"]
        if not self._plain and self._rng.random() < 0.05:
            x, y = self._rng.sample(self._setting.things, 2)
            shown = self._setting.room.shown
            text = self._rng.choice(words["scene"]).format(
                x=shown.get(x, x), y=shown.get(y, y), p=self._rng.choice(self._setting.surfaces)
            )
            self._memory.append(Feedback("scene", text))
        for errand in errands:
            here = self._present(errand)
            if here is None:
                continue  # what was not found is left
            plan = self._plan(here)
            if plan is None:
                return None
            if here.thing and plan and plan[0].verb == "find" and not self._plain:
                self._guess(here)
            for place, skill in enumerate(plan):
                if skill.verb == "open" and errand.verb != "open":
                    self._reach(here)
                if not self._do(skill):
                    return self._ended()
                if (
                    place == 0
                    and skill.verb == "find"
                    and not self._plain
                    and here.instead
                    and self._rng.random() < 0.08
                ):
                    other = Errand(here.verb, self._rng.choice(here.instead), here.place)
                    if self._setting.state.named(str(other.thing)):
                        name = self._setting.room.shown.get(str(other.thing), str(other.thing))
                        self._memory.append(Feedback("human", self._rng.choice(words["rather"]).format(y=name)))
                        for instead in self._plan(other) or ():
                            if not self._do(instead):
                                return self._ended()
                        break
        return self._ended()

    def _present(self, errand: Errand) -> Errand | None:
        """The errand with a thing that is there; the search for one that is not fails first."""
        things = [errand.thing, *errand.instead] if errand.thing else []
        for number, thing in enumerate(things):
            if self._setting.state.named(str(thing)):
                rest = tuple(other for other in things if other != thing and other is not None)
                return Errand(errand.verb, thing, errand.place, rest)
            for _ in range(self._rng.choice((1, 1, 2))):
                self._fail(self._find(str(thing)), "absent")
            if number:
                break
        return None if things else errand

    def _guess(self, errand: Errand) -> None:
        """Look for others that would do and are not there: which of them is, nobody has told."""
        others = [thing for thing in errand.instead if not self._held(thing) and thing not in self._missed]
        pool = self._rng.sample(others, len(others))
        pool.insert(self._rng.randint(0, len(pool)), str(errand.thing))
        for thing in pool[:_GUESSES]:
            if self._setting.state.named(thing):
                return
            self._missed.add(thing)
            for _ in range(2 if self._rng.random() < _AGAIN else 1):
                self._fail(self._find(thing), "absent")

    def _held(self, thing: str) -> bool:
        return self._state.held is not None and self._state.by_id(self._state.held).name == thing

    def _find(self, thing: str) -> Skill:
        return next(skill for skill in self._setting.library if skill.verb == "find" and skill.object == thing)

    def _plan(self, errand: Errand) -> tuple[Skill, ...] | None:
        state, setting = self._state, self._setting
        if errand.verb in ("find", "put down", "go to"):
            wanted = (errand.verb, errand.thing, errand.place)
            skill = next(one for one in setting.library if (one.verb, one.object, one.place) == wanted)
            return (skill,) if precondition(state, skill) is None else ()
        place, thing = errand.place or "", errand.thing or ""
        goal: goals.Goal
        match errand.verb:
            case "pick up":
                goal = goals.Call("holding", (thing,), (thing,), "")
            case "wipe":
                goal = goals.Call("clean", (place,), (), place)
            case "open":
                goal = goals.Call("open", (place,), (), place)
            case "close":
                goal = goals.Not(goals.Call("open", (place,), (), place))
            case _:
                call = goals.Call("count", (thing, place), (thing,), place)
                goal = goals.Comparison((call, call.number(state) + 1), (">=",))
        find = next((one for one in setting.library if one.verb == "find" and one.object == (thing or None)), None)
        looks = place != DRAWER and find is not None and precondition(state, find) is None and state.held is None
        if looks and find is not None:  # seen before it is reached for, also where a drawer has to be opened for it
            plan = shortest_plan(effect(state, find), goal, setting.library, 4000)
            return None if plan is None else (find, *plan.skills)
        plan = shortest_plan(state, goal, setting.library, 4000)
        return None if plan is None else plan.skills

    def _do(self, skill: Skill) -> bool:
        """Carry out a skill, mostly at once; whether the robot is to go on."""
        words = phrases()["feedback"]
        if not self._plain and self._rng.random() < SLIPPING:
            self._slip(skill)
        while not self._plain and self._rng.random() < FAILING:
            self._fail(skill, "failed")
            chance = self._rng.random()
            if chance < 0.08:
                self._memory.append(Feedback("human", self._rng.choice(words["encouraging"])))
            elif chance < 0.12:
                self._memory.append(Feedback("human", self._rng.choice(words["ending"])))
                return False
        if not self._plain and self._rng.random() < DOUBTED:
            self.doubted.append(len(self._memory))
            self._fail(skill, "doubted")
        else:
            self._number += 1
            self._memory.append(_step(self._number, skill))
        self._state = effect(self._state, skill)
        return True

    def _reach(self, errand: Errand) -> None:
        """Reach into a closed drawer, mostly: that it is closed nobody has told."""
        verbs = ("pick up",) if self._state.held is None and errand.place != DRAWER else ("place", "pick up")
        into = [
            skill
            for skill in self._setting.library
            if skill.object == errand.thing
            and skill.verb in verbs
            and precondition(self._state, skill) == f"the {DRAWER} is closed"
        ]
        for skill in into[:1]:
            for _ in range(self._rng.choice((0, 0, 1, 1, 2)) if not self._plain else 0):
                if self._rng.random() < 0.5:
                    self._fail(skill, "failed")
                else:
                    self._fail(skill, "closed")
                self.slips.append(len(self._memory) - 1)

    def _slip(self, skill: Skill) -> None:
        """Try what cannot be done: to look for what is at hand, to reach for what is not, to place what is not held."""
        about = [one for one in self._setting.library if one.object == skill.object and one.verb != skill.verb]
        cannot = [one for one in about if skill.object and precondition(self._state, one)]
        if cannot:
            slip = self._rng.choice(cannot)
            self._number += 1
            self.slips.append(len(self._memory))
            why = str(precondition(self._state, slip))
            for name in (str(slip.object), DRAWER):
                why = why.replace(name, self._shown(name))
            self._memory.append(Step(self._number, slip, Outcome.FAILED, why))

    def _shown(self, thing: str | None) -> str:
        return self._setting.room.shown.get(thing or "", thing or "thing")

    def _fail(self, skill: Skill, how: str) -> None:
        thing = self._shown(skill.object)
        message = self._rng.choice(phrases()["feedback"][how]).format(x=thing, d=self._shown(DRAWER))
        self._number += 1
        self._memory.append(Step(self._number, skill, Outcome.FAILED, message))

    def _ended(self) -> tuple[Memory, ...]:
        return (*self._memory, _step(self._number + 1, DONE))


def _step(number: int, skill: Skill) -> Step:
    return Step(number, skill, Outcome.SUCCEEDED)
