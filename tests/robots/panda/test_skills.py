"""The kitchen's skills before the Panda: experts in seeded scenes, an agent, data, and the shipped policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from saycan import compose
from saycan.action import Action
from saycan.agent import Agent
from saycan.collect import Work, make_shard
from saycan.conformance import check_policy
from saycan.errors import BadInputError, UnknownNameError
from saycan.gate import Gate
from saycan.goals import parse
from saycan.robots.panda.distribution import sample_scene
from saycan.skill import Skill
from saycan.skills.data.collect import Plan
from saycan.skills.data.store import about, read_shard
from saycan.skills.experts import PrivilegedExperts
from saycan.skills.kitchen import library_of
from saycan.skills.shipped import POLICY
from saycan.step import EndState
from saycan.symbolic import precondition, shortfall

pytestmark = pytest.mark.bullet

PHRASES = [
    "pick up the coke can",
    "pick up the rice chips",
    "pick up the sponge",
    "place the apple on the table",
    "put down the tea",
    "put the 7up can in the trash can",
    "put the energy bar in the trash can",
    "bring the orange to the operator",
    "wipe the table with the sponge",
]


def run(robot, skill: Skill) -> list[Action]:
    """Until the experts say that it has ended."""
    gate, experts, actions = Gate(robot), PrivilegedExperts(robot), []
    for _ in range(round(skill.seconds * robot.spec.rate)):
        actions.append(experts.act(gate.observe(), skill))
        gate.apply(actions[-1])
        if actions[-1].terminate:
            return actions
    raise AssertionError(f"{skill.phrase!r} did not end in {skill.seconds} s")


@pytest.mark.parametrize("phrase", PHRASES)
def test_experts_do_what_the_phrase_says(panda, phrase: str) -> None:
    robot = panda()
    skill = library_of(robot.spec).find(phrase)
    for seed in range(3):
        robot.reset(sample_scene(skill, seed, "training"))
        before = robot.privileged_state()
        assert precondition(before, skill) is None
        others = {thing.id: thing.place for thing in before.objects if thing.name != skill.object}
        actions = run(robot, skill)
        after = robot.privileged_state()
        assert shortfall(after, skill, before) is None
        assert not any(action.base_delta.any() for action in actions)
        if skill.verb != "wipe":  # who wipes may push what stands beside the spill, but not off the table
            assert {thing.id: thing.place for thing in after.objects if thing.id in others} == others


def test_an_agent_throws_one_away_and_wipes(panda) -> None:
    robot = panda("coke can on table, sponge on table, spill on table", seed=3)
    steps = ["pick up the coke can", "put the coke can in the trash can", "pick up the sponge",
             "wipe the table with the sponge", "done"]  # fmt: skip
    goal = parse('at("coke can", "trash can") and clean("table") and holding("sponge")')
    assert not goal.holds(robot.privileged_state())
    with Agent(robot, llm="scripted:" + "|".join(steps), record=None) as agent:
        result = agent.run("throw the coke away and clean up")
        assert (result.end, [*result.plan]) == (EndState.FINISHED, steps[:-1])
        assert goal.holds(robot.privileged_state())


def test_its_library_has_what_it_can_do(panda) -> None:
    library = compose.default_library(panda())
    assert library is not None
    assert {skill.verb for skill in library} == {"pick up", "place", "put down", "wipe", "trash", "bring", "done"}
    assert {skill.place for skill in library} == {None, "table", "trash can", "operator"}


@pytest.mark.parametrize("verb", ["pick up", "place", "put down", "trash", "bring", "wipe"])
def test_every_scene_lets_its_skill_be_done(panda, verb: str) -> None:
    robot = panda()
    skills = [skill for skill in library_of(robot.spec) if skill.verb == verb]
    for seed in range(4):
        skill = skills[7 * seed % len(skills)]
        scene = sample_scene(skill, seed)
        assert scene == sample_scene(skill, seed) != sample_scene(skill, seed, "training")
        robot.reset(scene)
        assert precondition(robot.privileged_state(), skill) is None


def test_scenes_that_do_not_exist_are_told() -> None:
    skill = Skill("open the drawer", "open", place="drawer")
    with pytest.raises(UnknownNameError, match="open"):
        sample_scene(skill, 0)
    wipe = Skill("wipe the table with the sponge", "wipe", place="table")
    with pytest.raises(BadInputError, match="seeds go from 0"):
        sample_scene(wipe, -1)
    with pytest.raises(BadInputError, match="no variation"):
        compose.sample_scene(wipe, 0, "training", "wide", "panda")
    with pytest.raises(UnknownNameError, match="kitchen, panda"):
        compose.sample_scene(wipe, 0, robot="fake")


def test_demonstrations_are_collected_from_it(panda, tmp_path: Path) -> None:
    panda()
    plan = Plan(shares={"pick up": 1.0, "bring": 1.0}, in_a_row=2, noise=0.0)
    made = make_shard(Work(tmp_path / "a.hdf5", 0, 2, plan, "experts", 16, "frozen", "panda"))
    assert made.episodes >= 2 and made.successes == made.episodes
    facts = about(tmp_path / "a.hdf5")
    assert (facts["env_name"], facts["how"]["robot"]) == ("saycan panda", "panda")
    for episode in read_shard(tmp_path / "a.hdf5"):
        assert episode.observations["wrist_image"].shape[1:] == (16, 16, 3)
        assert set(episode.places) == {"table", "trash can", "operator"}
        assert (np.abs(episode.labels["wrist_point"]) <= 1).all() and episode.labels["wrist_point"][:, 2].any()


def test_the_shipped_policy_fits_its_cameras_and_joints(panda) -> None:
    robot = panda("coke can on table, tea on table", cameras=("head", "wrist"))
    policy = compose.make_policy(f"learned:{POLICY}", robot)
    skill = library_of(robot.spec).find("pick up the coke can")
    assert len(check_policy(policy, robot, [skill], periods=5)) == 3
