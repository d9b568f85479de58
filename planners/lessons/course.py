"""What happens while a robot fulfils errands: a shortest plan for each, and what goes wrong on the way."""

from __future__ import annotations

import random

from saycan import goals
from saycan.evaluation.shortest import shortest_plan
from saycan.planners.lessons.request import Errand
from saycan.planners.lessons.room import DRAWER
from saycan.planners.lessons.setting import Setting
from saycan.planners.lessons.words import phrases
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

_HASTY = 0.25  # how often a thing is taken up for a drawer that is closed, which then takes a hand to open
_UNSEEN = 0.6  # how often it is reached for a thing while something else is in the hand
_OVERLOOKED = 0.3  # how often, after a grasp that failed, it is gone on as if it had not
_GUESSES = 6  # things of a kind that are looked for, at most
_AGAIN = 0.15  # how often one that was not found is looked for once more


class Course:
    """See the module.

    Args:
        rng: Where chance comes from.
        setting: The room and the robot.
        plain: Whether nothing goes wrong.

    Attributes:
        slips, doubted: As of `saycan.planners.lessons.lesson.Lesson`.
    """

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
            if not self._plain and self._shut(here) and self._rng.random() < _HASTY:
                plan = self._hasten(here) or plan
            elif not self._plain and self._full(here) and self._rng.random() < _UNSEEN:
                plan = self._reach_with_a_full_hand(here) or plan
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
        place, thing, goal = errand.place or "", errand.thing or "", self._goal(errand)
        find = next((one for one in setting.library if one.verb == "find" and one.object == (thing or None)), None)
        looks = place != DRAWER and find is not None and precondition(state, find) is None and state.held is None
        if looks and find is not None:  # seen before it is reached for, also where a drawer has to be opened for it
            plan = shortest_plan(effect(state, find), goal, setting.library, 4000)
            return None if plan is None else (find, *plan.skills)
        plan = shortest_plan(state, goal, setting.library, 4000)
        return None if plan is None else plan.skills

    def _goal(self, errand: Errand) -> goals.Goal:
        """What the errand comes to, counted from what is where now."""
        place, thing = errand.place or "", errand.thing or ""
        match errand.verb:
            case "pick up":
                return goals.Call("holding", (thing,), (thing,), "")
            case "wipe":
                return goals.Call("clean", (place,), (), place)
            case "open":
                return goals.Call("open", (place,), (), place)
            case "close":
                return goals.Not(goals.Call("open", (place,), (), place))
            case _:
                call = goals.Call("count", (thing, place), (thing,), place)
                return goals.Comparison((call, call.number(self._state) + 1), (">=",))

    def _do(self, skill: Skill) -> bool:
        """Carry out a skill, mostly at once; whether the robot is to go on."""
        words = phrases()["feedback"]
        if not self._plain and self._rng.random() < SLIPPING:
            self._slip(skill)
        while not self._plain and self._rng.random() < FAILING:
            self._fail(skill, "failed")
            if skill.verb == "pick up" and self._rng.random() < _OVERLOOKED:
                self._overlook(skill)
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
            self._memory.append(step_done(self._number, skill))
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

    def _shut(self, errand: Errand) -> bool:
        """Whether a thing is to be put into a drawer that is closed, and nothing is in the hand."""
        closed = any(drawer.name == DRAWER and drawer.opening <= 0 for drawer in self._state.drawers)
        return closed and errand.place == DRAWER and errand.thing is not None and self._state.held is None

    def _hasten(self, errand: Errand) -> tuple[Skill, ...] | None:
        """Take up what goes into a closed drawer, and be in want of a hand to open it; what is then to be done."""
        about = self._about(errand)
        hasty, state = [], self._state
        for verb in ("find", "pick up"):
            if precondition(state, about[verb]) is None:
                hasty.append(about[verb])
                state = effect(state, about[verb])
        into = next(one for one in self._setting.library if (one.object, one.place) == (errand.thing, DRAWER))
        return self._in_vain(errand, hasty, into)

    def _full(self, errand: Errand) -> bool:
        """Whether something else is in the hand than what is to be taken."""
        held = self._state.held
        if held is None or errand.thing is None or errand.verb == "find":
            return False
        return self._state.by_id(held).name != errand.thing

    def _reach_with_a_full_hand(self, errand: Errand) -> tuple[Skill, ...] | None:
        """Go to the thing and reach for it with something in the hand; what is then to be done."""
        about = self._about(errand)
        if precondition(effect(self._state, about["find"]), about["pick up"]) is None:
            return None
        looked = [about["find"]] if precondition(self._state, about["find"]) is None else []
        return self._in_vain(errand, looked, about["pick up"])

    def _about(self, errand: Errand) -> dict[str, Skill]:
        """Verb to skill, of those that are about the thing alone."""
        return {one.verb: one for one in self._setting.library if one.object == errand.thing and not one.place}

    def _in_vain(self, errand: Errand, done: list[Skill], tried: Skill) -> tuple[Skill, ...] | None:
        """Do some steps and then try what cannot be done with a full hand; what is to be done, the hand freed first."""
        state = self._state
        for skill in done:
            state = effect(state, skill)
        held = None if state.held is None else state.by_id(state.held).name
        back = next((one for one in self._setting.library if (one.verb, one.object) == ("put down", held)), None)
        if back is None or precondition(state, back) is not None:
            return None
        after = shortest_plan(effect(state, back), self._goal(errand), self._setting.library, 4000)
        if after is None:
            return None
        for skill in done:
            self.slips.append(len(self._memory))
            self._number += 1
            self._memory.append(step_done(self._number, skill))
        self._state = state
        for _ in range(self._rng.choice((1, 1, 2, 2, 3))):  # by the third time nothing else can be the reason
            self.slips.append(len(self._memory))
            self._fail(tried, self._rng.choice(("failed", "closed") if tried.place == DRAWER else ("failed",)))
        return (back, *after.skills)

    def _overlook(self, skill: Skill) -> None:
        """Go on as if a grasp had worked that has not: place the thing, or put it down, and neither can be done."""
        nexts = [
            one
            for one in self._setting.library
            if one.object == skill.object
            and (one.place or one.verb == "put down")
            and precondition(self._state, one) is not None
        ]
        for _ in range(self._rng.choice((1, 1, 2, 3)) if nexts else 0):
            self.slips.append(len(self._memory))
            self._fail(self._rng.choice(nexts), "failed")

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
        return (*self._memory, step_done(self._number + 1, DONE))


def step_done(number: int, skill: Skill) -> Step:
    """A step that worked."""
    return Step(number, skill, Outcome.SUCCEEDED)
