from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saycan.action import Action
from saycan.errors import MissingPartError, PolicyError
from saycan.observation import Observation
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill
from saycan.skills import shipped
from saycan.skills.features import nearest
from saycan.skills.learned import AGAIN, LOOKS, PAUSE, Finder, LearnedSkills
from saycan.skills.navigation import hand_is_up
from saycan.skills.values.perception import Impression
from saycan.skills.values.sightings import Sightings
from tests.skills.data.builder import FIND, GO, PICK, PLACES, make_observation


class Eyes:
    """Sees a thing where it stands, from its dock; notes where it was asked."""

    def __init__(self, places: dict, where: str | None, sees: float = 0.9) -> None:
        self.places, self.where, self.sees, self.strange = places, where, sees, 0.0
        self.others: dict[str, str] = {}
        self.asked: list[str] = []

    def ask(self, observation: Observation, skills: Sequence[Skill]) -> Impression:
        place, stands = nearest(observation.base_pose, self.places)
        assert stands and {skill.verb for skill in skills} == {"find"}
        self.asked.append(place.name)
        there = {"apple": self.where, **self.others}
        done = np.array([self.sees if there.get(str(skill.object)) == place.name else 0.1 for skill in skills])
        return Impression(done, done, done, self.strange)

    @property
    def visited(self) -> list[str]:
        return [*dict.fromkeys(self.asked)]


def search(where: str | None, sightings: Sightings | None = None, sees: float = 0.9) -> tuple[FakeRobot, Eyes]:
    robot = FakeRobot()
    eyes = Eyes(robot.privileged_state().places, where, sees)
    finder = Finder(eyes, Sightings() if sightings is None else sightings)  # type: ignore[arg-type]
    finder.reset(FIND)
    for _ in range(1500):
        action = finder.act(robot.observe(), FIND)
        if action.terminate:
            return robot, eyes
        robot.apply(action)
    raise AssertionError("it never ended")


def docks_by_distance() -> list[str]:
    """Of every place but the bin, seen from the middle of the ring."""
    places = FakeRobot().privileged_state().places.values()
    return [place.name for place in places if place.kind != "bin"]


def test_it_looks_from_place_to_place_until_the_thing_is_seen() -> None:
    sightings = Sightings()
    robot, eyes = search("table", sightings)
    assert eyes.visited[-1] == "table" and robot.privileged_state().robot_place == "table"
    assert sightings.seen == {"apple": "table"}
    assert len(eyes.asked) == LOOKS * len(eyes.visited)


def test_it_looks_first_where_the_thing_was_last_seen() -> None:
    _, eyes = search("operator", Sightings(seen={"apple": "operator"}))
    assert eyes.visited == ["operator"]


def test_it_looks_last_where_the_thing_was_missed() -> None:
    names = docks_by_distance()
    _, eyes = search(None, Sightings(missed={"apple": dict.fromkeys(names[:2], 0.0)}))
    assert {*eyes.visited[-2:]} == {*names[:2]} and {*eyes.visited} == {*names}


def test_the_nearest_place_comes_first() -> None:
    robot = FakeRobot()
    places = robot.privileged_state().places
    robot._base[:] = places["table"].dock
    eyes = Eyes(places, "operator")
    finder = Finder(eyes, Sightings())  # type: ignore[arg-type]
    while not (action := finder.act(robot.observe(), FIND)).terminate:
        robot.apply(action)
    assert eyes.visited[0] == "table"  # where it stands

    def distance(name: str) -> float:
        return float(np.linalg.norm(places[name].dock[:2] - places["table"].dock[:2]))

    passed = [distance(name) for name in eyes.visited]
    assert passed == pytest.approx(sorted(passed)) and len(passed) > 2


def test_it_ends_when_everything_but_the_bin_was_looked_at_in_vain() -> None:
    sightings = Sightings()
    robot, eyes = search(None, sightings)
    names = docks_by_distance()
    assert sorted(eyes.visited) == sorted(names)
    assert sightings.missed_at("apple") == {*names} and not sightings.seen
    assert robot.privileged_state().robot_place == eyes.visited[-1]


def test_a_hand_before_the_cameras_goes_up_first() -> None:
    robot = FakeRobot()
    places = robot.privileged_state().places
    robot._base[:] = places["table"].dock
    robot._ee[:] = [0.5, 0.0, 0.85]
    eyes = Eyes(places, "table")
    finder = Finder(eyes, Sightings())  # type: ignore[arg-type]
    finder.reset(FIND)
    while not (action := finder.act(robot.observe(), FIND)).terminate:
        assert not eyes.asked or hand_is_up(robot.observe())
        robot.apply(action)
    assert eyes.visited == ["table"]


def test_one_look_does_not_decide() -> None:
    class Flickering(Eyes):
        def ask(self, observation: Observation, skills: Sequence[Skill]) -> Impression:
            seen = super().ask(observation, skills)
            done = np.array([0.99 if len(self.asked) % LOOKS == 1 else 0.1])  # the mean is 0.4
            return replace(seen, done=done)

    robot = FakeRobot()
    eyes = Flickering(robot.privileged_state().places, None)
    finder = Finder(eyes, sightings := Sightings())  # type: ignore[arg-type]
    while not (action := finder.act(robot.observe(), FIND)).terminate:
        robot.apply(action)
    assert not sightings.seen and len(eyes.asked) == LOOKS * len(docks_by_distance())


def test_a_search_remembers_what_else_it_has_seen_and_missed() -> None:
    robot, sightings = FakeRobot(), Sightings()
    eyes = Eyes(robot.privileged_state().places, None)
    eyes.others = {"tea": docks_by_distance()[2]}
    tea, sponge = replace(FIND, phrase="find the tea", object="tea"), replace(FIND, phrase="find it", object="sponge")
    sightings.wanted = (FIND, tea, sponge)
    finder = Finder(eyes, sightings)  # type: ignore[arg-type]
    while not (action := finder.act(robot.observe(), FIND)).terminate:
        robot.apply(action)
    assert sightings.seen == {"tea": docks_by_distance()[2]}
    assert sightings.missed_at("sponge") == sightings.missed_at("apple") == {*docks_by_distance()}
    eyes.asked.clear()
    finder.reset(tea)
    while not (action := finder.act(robot.observe(), tea)).terminate:
        robot.apply(action)
    assert eyes.visited == [docks_by_distance()[2]]


def test_of_a_picture_that_is_not_to_be_trusted_nothing_is_remembered() -> None:
    robot, sightings = FakeRobot(), Sightings()
    eyes = Eyes(robot.privileged_state().places, None)
    eyes.strange = 1.5
    sightings.wanted = (replace(FIND, phrase="find the tea", object="tea"),)
    finder = Finder(eyes, sightings)  # type: ignore[arg-type]
    while not (action := finder.act(robot.observe(), FIND)).terminate:
        robot.apply(action)
    assert len(eyes.visited) == len(docks_by_distance()) and not sightings.missed and not sightings.seen


def test_a_new_search_begins_anew() -> None:
    robot = FakeRobot()
    eyes = Eyes(robot.privileged_state().places, None)
    finder = Finder(eyes, Sightings())  # type: ignore[arg-type]
    finder.act(robot.observe(), FIND)
    finder._answers.append(np.ones(1))
    finder.reset(FIND)
    assert not finder._left and not finder._answers


class Network:
    name = "a network"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reset(self, skill: Skill) -> None:
        self.asked.append(f"reset {skill}")

    def act(self, observation: Observation, skill: Skill) -> Action:
        self.asked.append(f"act {skill}")
        return Action(gripper=0.25)


def test_each_skill_goes_to_whoever_can_do_it() -> None:
    network, eyes = Network(), Eyes(PLACES, "table")
    skills = LearnedSkills(network, PLACES, eyes, Sightings())  # type: ignore[arg-type]
    assert skills.name == "a network"
    seen = make_observation()
    skills.reset(PICK)
    assert skills.act(seen, PICK).gripper == 0.25
    assert network.asked == ["reset pick up the apple", "act pick up the apple"]
    skills.reset(GO)
    assert skills.act(seen, GO).terminate  # it stands at the table's dock
    skills.reset(FIND)
    skills.act(replace(seen, ee_position=np.array([0.47, 0.0, 1.14])), FIND)
    assert eyes.asked == ["table"] and len(network.asked) == 2


def test_finding_needs_eyes_and_driving_a_map() -> None:
    skills = LearnedSkills(Network(), {}, None, Sightings())
    with pytest.raises(PolicyError, match="'find the apple' needs a perception network"):
        skills.reset(FIND)
    with pytest.raises(PolicyError, match="no map"):
        skills.reset(GO)
    skills.reset(PICK)


def test_parts_of_one_robot_share_what_was_seen_and_let_the_robot_go() -> None:
    robot, other = FakeRobot(), FakeRobot()
    assert shipped.learned(robot) is shipped.learned(robot) is not shipped.learned(other)
    assert shipped.learned(robot).sightings is shipped.learned(robot).sightings
    gone = weakref.ref(robot)
    del robot
    gc.collect()
    assert gone() is None


def test_values_and_detector_of_a_file_look_with_its_network_and_share_what_was_seen(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    shutil.copy(shipped.VALUES, file)
    robot = FakeRobot()
    values, detector, usual = (
        shipped.learned_values(robot, file), shipped.learned_detector(robot, str(file)), shipped.learned_values(robot)
    )  # fmt: skip
    assert values._perception is detector._perception is not usual._perception
    assert values.sightings is usual.sightings


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    robot, file = FakeRobot(), tmp_path / "policy.safetensors"
    with pytest.raises(MissingPartError, match=r"no trained weights at .*policy.safetensors; train some"):
        shipped.learned_policy(robot, file)
    with pytest.raises(MissingPartError, match=r"values\.safetensors"):
        _ = shipped.Learned(robot.spec, tmp_path / "values.safetensors").perception
    for part in (shipped.learned_values, shipped.learned_detector):
        with pytest.raises(MissingPartError, match=r"no trained weights at .*policy.safetensors"):
            part(robot, file)


def test_wiping_begins_where_the_map_says_that_the_place_is() -> None:
    network, wipe = Network(), Skill("wipe the table with the sponge", "wipe", "sponge", "table")
    skills = LearnedSkills(network, PLACES, None, Sightings())
    skills.reset(wipe)
    away = make_observation(PLACES["table"].dock + np.array([0.0, 0.4, 0.0]))
    for _ in range(2):
        assert not skills.act(away, wipe).terminate
    assert network.asked == ["reset wipe the table with the sponge"]
    skills.act(make_observation(), wipe)  # it stands at the table's dock
    skills.act(away, wipe)  # from now on the network may move the base as it likes
    assert network.asked[1:] == ["act wipe the table with the sponge"] * 2

    lost = LearnedSkills(network, {}, None, Sightings())  # a robot without a map
    lost.reset(wipe)
    lost.act(away, wipe)
    assert len(network.asked) == 5


@pytest.mark.parametrize(("sees", "tries"), [(0.95, 1), (0.85, 1 + AGAIN)])
def test_wiping_begins_anew_where_it_does_not_look_done(sees: float, tries: int) -> None:
    class Ended(Network):
        def act(self, observation: Observation, skill: Skill) -> Action:
            return replace(super().act(observation, skill), terminate=True)

    class Looks:
        thresholds = {"wipe": 0.8}  # noqa: RUF012

        def ask(self, observation: Observation, skills: Sequence[Skill]) -> Impression:
            done = np.array([sees])
            return Impression(done, done, done, 0.0)

    network, wipe = Ended(), Skill("wipe the table with the sponge", "wipe", "sponge", "table")
    skills = LearnedSkills(network, PLACES, Looks(), Sightings())  # type: ignore[arg-type]
    skills.reset(wipe)
    ended: list[bool] = []
    again = "reset wipe the table with the sponge"
    while not any(ended):
        ended.append(skills.act(make_observation(), wipe).terminate)
        assert network.asked.count(again) == 1 + min(
            len(ended) // (PAUSE + 1), AGAIN
        )  # not at once: it would see no more
    assert len(ended) == 1 + (tries - 1) * (PAUSE + 1)
    assert network.asked.count(again) == tries
