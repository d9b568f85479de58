from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from saycan.gate import Gate
from saycan.robots.fake import FakeRobot
from saycan.robots.kitchen import Kitchen
from saycan.skill import Skill
from saycan.skills.data import collect as module
from saycan.skills.data.collect import SHARES, Plan, about, collect_scene
from saycan.skills.data.episode import Episode
from saycan.skills.experts import PrivilegedExperts
from saycan.skills.kitchen import HELD_OUT, held_out, kitchen_library
from tests.skills.data.builder import make_episode

LIBRARY = kitchen_library()
SKILLS = tuple(skill for skill in LIBRARY if skill.verb != "done")
DRIVING = {"go to": 0.5, "find": 0.5}


def make_robot(skill: Skill, number: int) -> tuple[Gate, str]:
    return Gate(FakeRobot({"apple": "far counter", "tea": "table"}, image_size=16)), f"scene {number}"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Skill]:
    """Attempts cost nothing here; every skill can be done afterwards."""
    skills: list[Skill] = []

    def attempt(robot: Gate, skill: Skill, some: Any, **more: Any) -> Episode:
        skills.append(skill)
        episode = make_episode(skill, more["seed"], 1, skills=SKILLS)
        episode.possible[:] = True
        return episode

    monkeypatch.setattr(module, "roll_out", attempt)
    return skills


def draw(plan: Plan, scenes: int) -> None:
    for number in range(scenes):
        assert len([*collect_scene(number, plan, LIBRARY, make_robot)]) == plan.in_a_row


def test_what_is_held_out_is_never_attempted(drawn: list[Skill]) -> None:
    draw(Plan(), 400)
    assert len(drawn) == 1200
    assert not any(held_out(skill) for skill in drawn)
    # Neither the verb nor the object is missing, only the combination.
    objects = {name for names in HELD_OUT.values() for name in names}
    assert {skill.verb for skill in drawn} == set(SHARES)
    assert objects <= {skill.object for skill in drawn}


def test_verbs_come_in_their_shares(drawn: list[Skill]) -> None:
    draw(Plan(in_a_row=1, shares={"pick up": 3.0, "go to": 1.0}), 400)
    assert np.mean([skill.verb == "pick up" for skill in drawn]) == pytest.approx(0.75, abs=0.07)


def test_the_same_plan_and_number_give_the_same_episodes_and_others_do_not() -> None:
    plan = Plan(shares=DRIVING)
    one, other = ([*collect_scene(4, plan, LIBRARY, make_robot)] for _ in range(2))
    assert len(one) == len(other) == 3
    for a, b in zip(one, other, strict=True):
        assert (a.skill, a.seed, a.scene) == (b.skill, b.seed, b.scene)
        np.testing.assert_array_equal(a.executed, b.executed)
        np.testing.assert_array_equal(a.possible, b.possible)
        for name in a.observations:
            np.testing.assert_array_equal(a.observations[name], b.observations[name])
    (shifted, *_) = collect_scene(0, Plan(first=4, shares=DRIVING), LIBRARY, make_robot)
    np.testing.assert_array_equal(shifted.executed, one[0].executed)
    (elsewhere, *_) = collect_scene(5, plan, LIBRARY, make_robot)
    assert elsewhere.seed == 5 and elsewhere.executed.shape != one[0].executed.shape


def test_each_skill_begins_where_the_last_ended_and_can_be_done() -> None:
    first, second, third = collect_scene(1, Plan(shares=DRIVING, noise=0.0, every=1), LIBRARY, make_robot)
    for before, after in ((first, second), (second, third)):
        assert before.possible[-1][SKILLS.index(after.skill)]
        np.testing.assert_allclose(after.observations["base_pose"][0], before.observations["base_pose"][-1], atol=1e-3)
        assert after.observations["time"][0] >= before.observations["time"][-1]
        assert after.success
    np.testing.assert_array_equal(first.actions, first.executed)  # no noise


def in_scene(words: str) -> Callable[[Skill, int], tuple[Gate, str]]:
    return lambda skill, number: (Gate(Kitchen(words, number, cameras=())), words)


SPILLS = "spill on table, spill on far counter, spill on close counter"
WIPING = Plan(in_a_row=2, shares={"wipe": 1.0})


def test_what_a_skill_needs_is_picked_up_first(drawn: list[Skill]) -> None:
    there = in_scene(f"at far counter, sponge on far counter, {SPILLS}")
    for number in range(3):
        pick, wipe = (episode.skill for episode in collect_scene(number, WIPING, LIBRARY, there))
        assert (pick.phrase, wipe.verb) == ("pick up the sponge", "wipe")
    for words in ("at far counter, sponge on table", "sponge in hand"):  # cannot be picked up, need not be
        assert {one.skill.verb for one in collect_scene(0, WIPING, LIBRARY, in_scene(f"{words}, {SPILLS}"))} == {"wipe"}


def test_what_was_not_picked_up_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(robot: Gate, skill: Skill, some: Any, **more: Any) -> Episode:
        episode = make_episode(skill, more["seed"], 1, success=False, skills=SKILLS)
        episode.possible[:] = False
        return episode

    monkeypatch.setattr(module, "roll_out", fail)
    (only,) = collect_scene(0, WIPING, LIBRARY, in_scene(f"at table, sponge on table, {SPILLS}"))
    assert only.skill.phrase == "pick up the sponge"


def test_what_is_held_out_is_not_fetched_either(drawn: list[Skill], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, expected in (("lime soda", []), ("tea", ["pick up the tea", "put the tea in the trash can"])):
        monkeypatch.setattr(module, "_first", lambda *some, name=name: LIBRARY.find(f"put the {name} in the trash can"))
        there = in_scene(f"at table, {name} on table")
        assert [one.skill.phrase for one in collect_scene(0, Plan(in_a_row=2), LIBRARY, there)] == expected


def test_a_little_noise_is_noise_too() -> None:
    plan = Plan(shares=DRIVING, noise=0.1)
    assert any(
        not np.array_equal(episode.actions, episode.executed)
        for number in range(3)
        for episode in collect_scene(number, plan, LIBRARY, make_robot)
    )


def test_a_policy_that_the_expert_helps_has_another_name_than_one_alone() -> None:
    sources = []
    for takeover in (True, False):
        plan = Plan(shares=DRIVING, takeover=takeover)
        drive = lambda robot: PrivilegedExperts(robot.driver)  # noqa: E731
        sources += [episode.source for episode in collect_scene(1, plan, LIBRARY, make_robot, drive, "mine")]
    assert [*dict.fromkeys(sources)] == ["mine with the expert", "mine"]


def test_a_third_of_the_episodes_is_not_disturbed(drawn: list[Skill], monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []
    monkeypatch.setattr(module, "Noise", lambda level, rng: levels.append(level))
    draw(Plan(noise=1.0), 200)
    assert np.mean(np.array(levels) == 0) == pytest.approx(1 / 3, abs=0.06)
    assert all(level == 0 or 0.2 <= level <= 1.0 for level in levels)


def test_the_robot_is_closed_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Gate] = []

    def make(skill: Skill, number: int) -> tuple[Gate, str]:
        made.append(make_robot(skill, number)[0])
        return made[-1], ""

    monkeypatch.setattr(module, "roll_out", lambda *some, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        [*collect_scene(0, Plan(), LIBRARY, make)]
    assert made[0].closed


def test_a_shard_says_what_made_it() -> None:
    facts = about(LIBRARY, Plan(first=64, noise=0.5), {"mujoco": "9"}, 3)
    assert (facts["first"], facts["noise"], facts["every"], facts["distribution"]) == (64, 0.5, 3, 3)
    assert facts["phrases"] == [skill.phrase for skill in SKILLS] and facts["versions"] == {"mujoco": "9"}
