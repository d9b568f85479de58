"""Lessons are plans that work, from seeds; what is kept from them is; and they say nothing in an evaluation's words."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from saycan.evaluation.saycan_101 import saycan_101
from saycan.evaluation.shortest import shortest_plan
from saycan.planners.lessons.lesson import KEPT, NEW, SETS, Lesson, lessons, validation
from saycan.planners.lessons.request import Requests
from saycan.planners.lessons.room import DRAWER, rooms, styles
from saycan.planners.lessons.setting import draw_setting
from saycan.planners.lessons.words import Words, capital, phrases
from saycan.skill import DONE
from saycan.step import Feedback, Outcome, Step
from saycan.symbolic import effect, precondition
from saycan.vocabulary import KITCHEN
from tests.published import published

SUCCEEDED = Outcome.SUCCEEDED
SOME = 100  # robots, four lessons each


@pytest.fixture(scope="module")
def taught() -> list[Lesson]:
    return [lesson for seed in range(SOME) for lesson in lessons(seed, 4)]


@pytest.fixture(scope="module")
def tried() -> dict[str, list[Lesson]]:
    return {name: list(validation(name, 24)) for name in SETS}


def steps(lesson: Lesson) -> list[Step]:
    return [event for event in lesson.memory if isinstance(event, Step)]


def test_a_seed_gives_the_same_lessons() -> None:
    first, again = (lessons(7, 3) for _ in range(2))
    assert [one.instruction for one in first] == [one.instruction for one in again]
    assert [[step.skill for step in steps(one)] for one in first] == [[s.skill for s in steps(one)] for one in again]
    assert len({one.setting.library for one in first}) == 1, "lessons side by side are one robot's"
    assert [one.instruction for one in lessons(8, 3)] != [one.instruction for one in first]


def test_every_step_can_be_done_when_it_is_done_and_the_last_is_done(taught: list[Lesson]) -> None:
    for lesson in taught:
        state = lesson.setting.state
        for place, step in enumerate(lesson.memory):
            if not isinstance(step, Step):
                continue
            assert step.skill in lesson.setting.library
            if step.outcome is Outcome.SUCCEEDED or place in lesson.doubted:
                assert precondition(state, step.skill) is None, (lesson.instruction, step.skill)
                state = effect(state, step.skill)
        assert steps(lesson)[-1].skill == DONE
        assert [step.skill for step in steps(lesson)].count(DONE) == 1


def test_where_nothing_goes_wrong_the_goal_is_reached_by_steps_that_are_few(tried: dict[str, list[Lesson]]) -> None:
    for name, some in tried.items():
        for lesson in some[:12]:
            state = lesson.setting.state
            for step in steps(lesson):
                state = effect(state, step.skill)
            assert lesson.goal.holds(state), (name, lesson.instruction, str(lesson.goal))
            best = shortest_plan(lesson.setting.state, lesson.goal, lesson.setting.library)
            assert best is not None and len(steps(lesson)) - 1 <= 2 * len(best) + 4


def test_lessons_have_all_that_happens(taught: list[Lesson]) -> None:
    told = [event for lesson in taught for event in lesson.memory]
    assert {event.source for event in told if isinstance(event, Feedback)} >= {"human", "scene"}
    outcomes = Counter(event.outcome for event in told if isinstance(event, Step))
    assert 0.02 < outcomes[Outcome.FAILED] / outcomes.total() < 0.2
    nothing = sum(len(lesson.memory) == 1 for lesson in taught)
    assert 0.02 < nothing / len(taught) < 0.2, "nothing to do, or nothing known"
    lengths = [len(steps(lesson)) for lesson in taught]
    assert max(lengths) > 10
    held = [lesson for lesson in taught if lesson.setting.state.held is not None]
    assert 0.05 < len(held) / len(taught) < 0.3
    texts = [lesson.instruction for lesson in taught]
    assert len(set(texts)) > 0.9 * len(texts)
    assert sum(text.endswith("?") for text in texts) > 12


def test_who_took_up_what_goes_into_a_closed_drawer_learns_to_free_the_hand(taught: list[Lesson]) -> None:
    freed = 0
    for lesson in taught + [lesson for seed in range(SOME, 2 * SOME) for lesson in lessons(seed, 4)]:
        for place in lesson.slips:
            hasty, *after = [(at, event) for at, event in enumerate(lesson.memory) if at >= place]
            if not isinstance(hasty[1], Step) or (hasty[1].outcome, hasty[1].skill.verb) != (SUCCEEDED, "pick up"):
                continue
            tried, *_ = (event for _, event in after if isinstance(event, Step))
            assert (tried.skill.object, tried.skill.place) == (hasty[1].skill.object, DRAWER)
            assert tried.outcome is Outcome.FAILED
            learned = [
                event.skill
                for at, event in after
                if isinstance(event, Step) and at not in lesson.slips and event.outcome is SUCCEEDED
            ]
            assert learned[0].verb in ("put down", "open", "done"), lesson.instruction  # "open": it did not look freed
            freed += [skill.verb for skill in learned[:2]] == ["put down", "open"]
    assert freed > 4


def test_who_reaches_with_something_in_the_hand_puts_that_down(taught: list[Lesson]) -> None:
    freed = 0
    for lesson in taught:
        held = lesson.setting.state.held
        steps_ = [(at, event) for at, event in enumerate(lesson.memory) if isinstance(event, Step)]
        reached = [at for at, event in steps_ if at in lesson.slips and event.skill.verb == "pick up"]
        if held is not None and reached and reached[0] <= 1:
            done = [event.skill for at, event in steps_ if at not in lesson.slips and event.outcome is SUCCEEDED]
            freed += (done[0].verb, done[0].object) == ("put down", lesson.setting.state.by_id(held).name)
    assert freed > 10


def test_a_grasp_that_failed_may_be_overlooked_and_is_tried_again(taught: list[Lesson]) -> None:
    again = 0
    for lesson in taught:
        for place, failed in enumerate(lesson.memory[:-2]):
            overlooked = lesson.memory[place + 1]
            if isinstance(failed, Step) and failed.skill.verb == "pick up" and failed.outcome is Outcome.FAILED:
                here = place + 1 in lesson.slips and isinstance(overlooked, Step) and overlooked.skill.place is not None
                rest = [event.skill for event in lesson.memory[place + 2 :] if isinstance(event, Step)]
                again += here and failed.skill in rest
    assert again > 5


def test_what_is_kept_for_validation_is_not_taught(taught: list[Lesson]) -> None:
    kept_rooms = {room.name for room in rooms() if room.trying}
    assert kept_rooms == {"office", "workshop"}
    assert not {lesson.setting.room.name for lesson in taught} & kept_rooms
    kept_style = next(style for style in styles() if style.trying)
    assert kept_style.texts["find"].startswith("search for ")
    for intent in phrases()["intents"].values():
        assert not {*intent["clauses"]} & {*intent["unseen"]} and intent["unseen"]
        assert not {*intent["statements"]} & {*intent["unseen_statements"]} and intent["unseen_statements"]
    kept = [text.lower() for text in (*phrases()["nothing"]["unseen"], *phrases()["unknown"]["unseen"], *NEW)]
    kept.remove("dictionary")  # which is a thing of the bookshop
    for lesson in taught:
        assert not any(skill.phrase.startswith("search for ") for skill in lesson.setting.library)
        asked = lesson.instruction.lower()
        assert not [text for text in kept if re.search(rf"\b{re.escape(text.rstrip('.'))}\b", asked)], asked


def test_things_that_are_kept_are_in_no_room_that_is_taught_but_one() -> None:
    kept = {*phrases()["unknown"]["unseen"], *NEW}
    assert not kept & {*phrases()["unknown"]["things"]}
    found = set()
    for room in rooms():
        names = {*room.shown.values(), *(name for some in room.others.values() for name in some), *room.kinds}
        texts = {*names, *(plural for plural, _ in room.kinds.values()), *room.like, *room.needs}
        for thing in () if room.trying else kept:
            found |= {(room.name, thing, text) for text in texts if re.search(rf"\b{thing}(s|es)?\b", text.lower())}
    # The adapter was trained with, and set b is measured on, what is here: the first is taught, the second a likeness.
    assert found == {
        ("bookshop", "dictionary", "dictionary"),
        ("vet", "lampshade", "the funnel that makes dogs look like lampshades"),
    }


def test_what_a_room_speaks_of_is_a_thing_of_it() -> None:
    for room in rooms():
        covers = {**room.like, **room.needs, **{kind: members for kind, (_, members) in room.kinds.items()}}
        for text, members in covers.items():
            assert members and {*members} <= {*room.things}, (room.name, text, members)


def test_combinations_that_are_kept_are_not_asked_for() -> None:
    kitchen, drawn = rooms()[0], set()
    for seed in range(500):
        rng = random.Random(seed)
        setting = draw_setting(rng, kitchen, styles()[0], whole=True)
        for kept in (KEPT, ()):
            request = Requests(rng, setting, Words(rng, kitchen), kept).draw()
            assert request is not None
            asked = {(errand.verb, thing) for errand in request.errands for thing in (errand.thing, *errand.instead)}
            assert not kept or not asked & {*KEPT}, (request, asked & {*KEPT})
            drawn |= asked
    assert drawn >= {*KEPT}, "where nothing is kept, all of them are asked for"


def test_validation_sets_are_about_what_they_are_named_for(tried: dict[str, list[Lesson]]) -> None:
    assert {lesson.setting.room.name for lesson in tried["c"]} == {"office", "workshop"}
    assert {lesson.setting.room.name for lesson in tried["a"] + tried["b"]} == {"kitchen"}
    asked = [{(step.skill.verb, step.skill.object) for step in steps(lesson)} for lesson in tried["b"]]
    new = sum(any(thing in NEW for _, thing in pairs) for pairs in asked)
    kept = sum(bool(pairs & {*KEPT}) for pairs in asked)
    unknown = sum(pairs == {("done", None)} for pairs in asked)
    assert min(new, kept, unknown) > 2


def names() -> re.Pattern[str]:
    """Every name of a thing or a place, in any room and in the evaluation."""
    found = {word for noun in (*KITCHEN.objects, *KITCHEN.places) for word in (noun.name, *noun.aliases)}
    for room in rooms():
        found |= {*room.shown.values(), *(word for words in room.others.values() for word in words)}
    found = (found | {f"{word}s" for word in found}) - {"me", "you", "near", "far"}
    return re.compile(rf"\b(?:{'|'.join(re.escape(word) for word in sorted(found, key=len, reverse=True))})\b")


NAMES = names()


def masked(text: str) -> list[str]:
    plain = " ".join(re.sub(r"[^\w\s]", " ", text.lower().replace("'", "")).split())
    return NAMES.sub("_", plain).split()


def runs(text: str) -> Iterator[tuple[str, ...]]:
    words = masked(text)
    return (tuple(words[start : start + 6]) for start in range(len(words) - 5))


def test_nothing_is_taught_in_the_words_of_the_evaluation(taught: list[Lesson]) -> None:
    texts = [case.instruction for case in saycan_101(published())]
    forbidden = {run: text for text in texts for run in runs(text)}
    whole = {" ".join(re.sub(r"[^\w\s]", "", text.lower()).split()) for text in texts}
    assert len(forbidden) > 200, "the check has something to look for"
    assert next(runs("Could you put the apple on it?")) == ("could", "you", "put", "the", "_", "on"), "masked"
    more = [lesson for seed in range(1000, 1300) for lesson in lessons(seed, 4)]
    for lesson in taught + more:
        assert " ".join(re.sub(r"[^\w\s]", "", lesson.instruction.lower()).split()) not in whole, lesson.instruction
        for run in runs(lesson.instruction):
            assert run not in forbidden, (lesson.instruction, forbidden[run])


def test_needs_are_said_in_words_that_are_never_taught_where_those_are_tried() -> None:
    frames, room = phrases()["frames"], rooms()[0]
    said = {capital(frame.format(s="I am cold")) for frame in frames["unseen_said"]}
    assert {Words(random.Random(seed), room, unseen=True).need("I am cold") for seed in range(200)} == said
    assert not said & {Words(random.Random(seed), room).need("I am cold") for seed in range(400)}
    taught = [re.sub(r"\\\{[sx]\\\}", ".+", re.escape(frame)) for frame in frames["preferred"]]
    asked = [lesson.instruction for lesson in validation("a", 150)]
    assert not [text for text in asked if any(re.fullmatch(frame, text, re.IGNORECASE) for frame in taught)]
