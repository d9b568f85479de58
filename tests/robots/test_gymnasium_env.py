from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from saycan.action import Action
from saycan.errors import BadInputError, HaltedError, RobotError, UnknownNameError
from saycan.halt import Severity
from saycan.robots.kitchen.scene import parse_scene
from saycan.skill import Skill

gymnasium = pytest.importorskip("gymnasium")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from saycan.robots import gymnasium_env  # noqa: E402
from saycan.robots.gymnasium_env import ID, KitchenEnv, register  # noqa: E402

ROOT = Path(__file__).parents[2]
PICK = "pick up the apple"


def test_gymnasiums_own_checks_pass_without_a_warning() -> None:
    register()
    env = gymnasium.make(ID, image_size=32, render_mode="rgb_array")
    check_env(env.unwrapped)  # warnings are errors in these tests
    env.close()


def test_nothing_is_registered_by_import() -> None:
    code = (
        "import gymnasium, saycan.robots.gymnasium_env as module\n"
        "assert module.ID not in gymnasium.registry\n"
        "module.register(); module.register()\n"
        "assert module.ID in gymnasium.registry\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT, timeout=60)


def test_an_episode_with_a_skill_and_a_scene_of_ones_own_ends_with_a_reward() -> None:
    env = KitchenEnv(image_size=32)
    skill = Skill("put down the tea", "put down", "tea")
    observation, info = env.reset(seed=1, options={"skill": skill, "scene": "at table, tea in hand"})
    assert info == {
        "instruction": "put down the tea",
        "success": False,
        "scene": "at table, tea in hand",
        "energy": 0.0,
    }
    assert env.instruction == "put down the tea"
    assert observation in env.observation_space
    down, rewards = env.to_vector(Action([0, 0, -0.02, 0, 0, 0], gripper=0.0)), []
    for step in range(40):
        vector = down if step < 11 else env.to_vector(Action(gripper=1.0))
        _, reward, terminated, truncated, info = env.step(vector)
        rewards.append(reward)
        if terminated or truncated:
            break
    assert terminated and not truncated
    assert info["success"] and info["energy"] > 0.0
    assert rewards == [*[0.0] * (len(rewards) - 1), 1.0]


def test_an_episode_ends_by_the_clock_or_by_word() -> None:
    env = KitchenEnv(image_size=16, cameras=("head",))
    skill = Skill(PICK, "pick up", "apple", seconds=0.3)
    env.reset(seed=0, options={"skill": skill})
    ends = [env.step(np.zeros(11, np.float32))[1:4] for _ in range(3)]
    assert ends == [(0.0, False, False), (0.0, False, False), (0.0, False, True)]
    env.reset(options={"skill": PICK})
    assert env.step(env.to_vector(Action(terminate=True)))[1:4] == (0.0, True, False)


def test_what_is_let_go_of_has_to_have_come_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    env = KitchenEnv(image_size=16, cameras=("head",))
    place = Skill("place the apple on the table", "place", "apple", "table")
    monkeypatch.setattr(gymnasium_env, "succeeded", lambda state, skill, before: True)
    for skill, periods in ((place, 6), (Skill(PICK, "pick up", "apple"), 1)):
        env.reset(seed=0, options={"skill": skill})
        ends = [env.step(np.zeros(11, np.float32))[1:3] for _ in range(periods)]
        assert ends == [*[(0.0, False)] * (periods - 1), (1.0, True)]
    env.reset(seed=0, options={"skill": place})
    before = env.kitchen.observe().time
    assert env.step(env.to_vector(Action(terminate=True)))[1:3] == (1.0, True)  # which is waited for
    assert env.kitchen.observe().time - before > 0.4


def test_a_reset_ends_a_halt() -> None:
    env = KitchenEnv(image_size=16, cameras=("head",))
    env.reset(seed=0)
    env._gate.halt(Severity.STOP, "a camera froze")
    with pytest.raises(HaltedError):
        env.step(np.zeros(11, np.float32))
    env.reset()
    env.step(np.zeros(11, np.float32))


def test_zero_moves_nothing_and_the_ends_are_the_limits() -> None:
    env = KitchenEnv(image_size=16)
    still = env.to_action(np.zeros(11, np.float32))
    assert not still.terminate
    assert np.abs([*still.ee_delta, *still.base_delta]).max() == 0.0
    assert still.gripper == 0.5
    low, high = env.kitchen.spec.action_space
    np.testing.assert_allclose(env.to_action(np.ones(11, np.float32)).to_vector(), high)
    np.testing.assert_allclose(env.to_action(-np.ones(11, np.float32)).to_vector(), low)
    action = Action([0.01, -0.02, 0.03, 0.1, 0.0, -0.1], 0.7, [0.02, 0.0, -0.05])
    np.testing.assert_allclose(env.to_action(env.to_vector(action)).to_vector(), action.to_vector(), atol=1e-6)


def test_seeds_skills_and_scenes_are_drawn_and_repeat() -> None:
    env = KitchenEnv(image_size=16, variation="wide", split="evaluation")
    infos = [env.reset(seed=5)[1]] + [env.reset()[1] for _ in range(3)]
    again = [env.reset(seed=5)[1]] + [env.reset()[1] for _ in range(3)]
    assert infos == again
    assert len({info["scene"] for info in infos}) == 4
    assert len({info["instruction"] for info in infos}) > 1
    scene = parse_scene("at table, apple on table")
    env.reset(options={"skill": PICK, "scene": scene})
    assert env.kitchen.scene == scene


def test_what_is_wrong_is_said() -> None:
    env = KitchenEnv(image_size=16)
    with pytest.raises(RobotError, match="call reset"):
        env.step(np.zeros(11, np.float32))
    with pytest.raises(UnknownNameError, match="pick up the apple"):
        env.reset(options={"skill": "pick up the appel"})
    with pytest.raises(BadInputError, match="unknown options 'task'; valid: 'skill', 'scene'"):
        env.reset(options={"task": PICK})
    with pytest.raises(BadInputError, match="found int"):
        env.reset(options={"scene": 3})
    with pytest.raises(BadInputError, match="rgb_array"):
        KitchenEnv(render_mode="human")
    with pytest.raises(BadInputError, match="at least one skill"):
        KitchenEnv(skills=[])
