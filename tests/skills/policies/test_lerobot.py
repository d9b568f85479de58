"""Checkpoints that the real LeRobot made, run by it in its own environment, as policies here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from saycan import Agent, check_policy
from saycan.action import Action
from saycan.compose import make_policy
from saycan.errors import BadInputError, MissingPartError, PolicyError
from saycan.lerobot import Bridge, find_python
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.serving import Server
from saycan.skill import Skill
from saycan.skills.policies.lerobot import LeRobotPolicy
from saycan.step import EndState
from tests.lerobot_environment import GREYS, TASKS, needs_lerobot, there

WAVE = Skill("wave", "wave", seconds=1.0)


@pytest.fixture
def robot() -> FakeRobot:
    return FakeRobot(image_size=64)


class TestWithoutLeRobot:
    def test_an_environment_that_is_not_there_is_told(self, robot: FakeRobot, tmp_path: Path) -> None:
        with pytest.raises(MissingPartError, match=r"no Python at .*nowhere.*\.ci/lerobot.*SAYCAN_LEROBOT"):
            LeRobotPolicy(tmp_path, robot, environment=tmp_path / "nowhere")

    def test_the_variable_names_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "bin").mkdir()
        python = tmp_path / "bin/python"
        python.touch()
        monkeypatch.setenv("SAYCAN_LEROBOT", str(tmp_path))
        assert find_python() == python
        monkeypatch.setenv("SAYCAN_LEROBOT", str(python))
        assert find_python() == python

    def test_a_python_without_lerobot_says_so(self, tmp_path: Path) -> None:
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\necho 'no module named lerobot' >&2\nexit 3\n")
        program.chmod(0o755)
        with pytest.raises(MissingPartError, match="could not serve: no module named lerobot"):
            Bridge("saycan.skills.policies.lerobot_server", ["x"], program)

    def test_one_that_never_serves_is_given_up(self, tmp_path: Path) -> None:
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        began = time.monotonic()
        with pytest.raises(MissingPartError, match=r"within 0\.5 s"):
            Bridge("saycan.skills.policies.lerobot_server", ["x"], program, patience=0.5)
        assert time.monotonic() - began < 5.0

    def test_a_folder_that_is_not_there_is_told_at_once(self, robot: FakeRobot, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match=r"there is no folder .*absent.*save_pretrained"):
            make_policy(f"lerobot:{tmp_path}/absent", robot)
        with pytest.raises(BadInputError, match="needs a checkpoint after the colon"):
            make_policy("lerobot:", robot)

    def test_its_time_is_up_and_the_gripper_stays_at_what_it_said_last(self, robot: FakeRobot) -> None:
        def ended(before: int) -> Action:
            """After so many actions."""
            skill = replace(WAVE, seconds=0.1 * (before + 1))
            policy.reset(skill)
            said = [policy.act(replace(seen, time=0.1 * tick), skill) for tick in range(before + 1)]
            assert [one.terminate for one in said] == [*[False] * before, True]
            return said[-1]

        seen = replace(robot.observe(), gripper=0.35)  # something keeps the fingers apart
        with Gripping(port=0) as server:
            policy = LeRobotPolicy(server.url, robot)
            assert ended(1).gripper == ended(3).gripper == 0.0
            assert ended(0).gripper == 0.35  # nothing was said
            policy.close()


class Gripping(Server):
    """Serves a policy that closes the fingers, whatever it sees."""

    def about(self) -> dict[str, Any]:
        return {"features": {"observation.state": {"kind": "STATE", "shape": [18]}}, "action": 11}

    def answer(self, question: Any) -> dict[str, Any]:
        return {"actions": np.zeros((1, 11))}


class TestWithLeRobot:
    pytestmark = needs_lerobot

    @pytest.fixture(scope="class")
    def made(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
        """Random weights, for a robot of seven joints with one camera; their words."""
        folder = tmp_path_factory.mktemp("checkpoints")
        sizes = {"state": 18, "action": 11, "cameras": {"head": 64}}
        bias = [0.01, 0, 0, 0, 0, 0, 0.25, 0, 0, 0, 0]
        kinds = {
            kind: {"folder": str(folder / kind), "kind": kind, **sizes} for kind in ("act", "diffusion", "smolvla")
        }
        steady = {"folder": str(folder / "steady"), "kind": "act", **sizes, "bias": bias, "steps": 4}
        return folder, there("make_checkpoints", **kinds, steady=steady)

    @pytest.fixture(scope="class")
    def checkpoint(self, made: tuple[Path, dict[str, Any]]) -> Path:
        return made[0] / "act"

    @pytest.fixture(scope="class")
    def served(self, checkpoint: Path) -> Iterator[Bridge]:
        bridge = Bridge("saycan.skills.policies.lerobot_server", [str(checkpoint)])
        yield bridge
        bridge.close()

    @pytest.fixture
    def policy(self, served: Bridge, robot: FakeRobot) -> Iterator[LeRobotPolicy]:
        policy = until_free(lambda: LeRobotPolicy(served.url, robot))
        yield policy
        policy.close()

    @pytest.mark.parametrize(
        ("kind", "within"),
        [
            ("act", 1e-6),
            ("diffusion", 1e-6),  # of two observations
            ("smolvla", 5e-3),  # what it starts from is random, with a deviation of 1e-3
        ],
    )
    def test_it_says_here_what_it_says_there(
        self, made: tuple[Path, dict[str, Any]], robot: FakeRobot, kind: str, within: float
    ) -> None:
        folder, said = made
        half = np.full(3, 0.5)
        seen = replace(
            robot.observe(), joints=np.full(7, 0.5), gripper=0.5, ee_position=half, ee_quaternion=np.full(4, 0.5),
            base_pose=half,
        )  # fmt: skip
        policy = LeRobotPolicy(folder / kind, robot)
        assert policy.metadata["policy"] == kind and policy.metadata["server"].startswith("lerobot 0.")
        for task in TASKS:
            skill = Skill(task, task)
            policy.reset(skill)
            for time_s, grey in enumerate(GREYS):
                image = np.full((64, 64, 3), grey, np.uint8)
                action = policy.act(replace(seen, time=float(time_s), images={"head": image}), skill)
            there_said = np.array(said[kind][task])
            np.testing.assert_allclose(
                action.to_vector()[:10],
                [*there_said[:6], np.clip(there_said[6], 0.0, 1.0), *there_said[7:10]],
                atol=within,
            )
            assert np.abs(there_said).max() > 1e-5
        policy.close()
        apart = np.abs(np.subtract(said[kind]["wave"], said[kind]["greet"])).max()
        assert apart > 0.02 if kind == "smolvla" else apart == 0.0  # the others do not listen

    def test_it_keeps_the_contract(self, policy: LeRobotPolicy, robot: FakeRobot) -> None:
        def within(observation: Any, skill: Skill) -> Any:
            return policy.act(observation, skill)

        assert len(check_policy(within, robot, ["wave"], periods=5)) == 3

    def test_another_picture_is_another_action(self, policy: LeRobotPolicy, robot: FakeRobot) -> None:
        seen = robot.observe()
        policy.reset(WAVE)
        first = policy.act(seen, WAVE).to_vector()
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        policy.reset(WAVE)
        second = policy.act(replace(seen, time=1.0, images={"head": noise}), WAVE).to_vector()
        assert np.abs(first - second).max() > 1e-6

    def test_by_name_it_is_started_and_a_killed_one_is_told(self, checkpoint: Path, robot: FakeRobot) -> None:
        policy = make_policy(f"lerobot:{checkpoint}", robot)
        assert isinstance(policy, LeRobotPolicy) and policy._bridge is not None
        process = policy._bridge._process
        policy.act(robot.observe(), WAVE)
        process.kill()
        process.wait()
        policy.reset(WAVE)
        robot.apply(Action())
        with pytest.raises(PolicyError, match=r"the process of .* has ended"):
            policy.act(robot.observe(), WAVE)
        policy.close()
        policy.close()

    def test_what_does_not_fit_is_told_with_what_there_is(self, served: Bridge) -> None:
        def tried(robot: FakeRobot, **options: Any) -> LeRobotPolicy:
            return until_free(lambda: LeRobotPolicy(served.url, robot, **options))

        with pytest.raises(BadInputError, match=r"wants a camera 'head', and fake has none; say which: .*cameras="):
            tried(FakeRobot())
        with pytest.raises(BadInputError, match=r"pictures of \(64, 64, 3\) from camera 'head'.*gives \(32, 32, 3\)"):
            tried(FakeRobot(image_size=32))
        with pytest.raises(BadInputError, match="wants a camera 'head', and fake has head"):
            tried(FakeRobot(image_size=64), cameras={"head": "front"})
        short = FakeRobot(image_size=64)
        short.spec = replace(short.spec, joints=6)
        with pytest.raises(BadInputError, match=r"state of 18 numbers, and fake has 17 of proprioception"):
            tried(short)

    def test_what_is_no_checkpoint_is_told(self, robot: FakeRobot, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match=r"has no config\.json"):
            LeRobotPolicy(tmp_path, robot)
        (tmp_path / "config.json").write_text('{"type": "nonsense"}')
        with pytest.raises(BadInputError, match=r"cannot be loaded as a LeRobot policy"):
            LeRobotPolicy(tmp_path, robot)

    def test_a_robot_is_moved_through_gate_and_agent(self, checkpoint: Path) -> None:
        robot = FakeRobot(image_size=64)
        before = robot.observe()
        policy = LeRobotPolicy(checkpoint.parent / "steady", robot)
        agent = Agent(
            robot, llm=ScriptedLanguageModel(["wave"]), library=[WAVE], policy=policy,
            values=lambda observation, skill: 1.0, detector=None, record=None,
        )  # fmt: skip
        agent.detector = None
        result = agent.run("greet")
        policy.close()
        assert result.end is EndState.FINISHED, result.message
        moved = robot.observe().ee_position - before.ee_position
        np.testing.assert_allclose(
            moved, [0.1, 0, 0], atol=0.011
        )  # a centimetre each tenth of a second, for one second
        assert robot.observe().gripper == pytest.approx(0.25)

    def test_numbers_that_are_not_finite_never_come_here(self, checkpoint: Path, tmp_path: Path) -> None:
        nan = [float("nan")] * 11
        shutil.copytree(checkpoint, tmp_path / "act")
        weights = load_file(tmp_path / "act/model.safetensors")
        weights["model.action_head.bias"] = np.array(nan, np.float32)
        save_file(weights, tmp_path / "act/model.safetensors")
        with pytest.raises(PolicyError, match="finite numbers"):
            LeRobotPolicy(tmp_path / "act", FakeRobot(image_size=64))

    def test_it_ends_when_we_are_killed(self, checkpoint: Path) -> None:
        program = (
            "import time; from saycan.robots.fake import FakeRobot; from saycan.skills.policies.lerobot import *\n"
            f"p = LeRobotPolicy({str(checkpoint)!r}, FakeRobot(image_size=64))\n"
            "print(p._bridge._process.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as started:
            assert started.stdout is not None
            pid = int(started.stdout.readline())
            assert psutil.pid_exists(pid)
            started.kill()
        deadline = time.monotonic() + 10.0
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "LeRobot's process outlives the one that started it"
            time.sleep(0.05)


def until_free(attempt: Callable[[], LeRobotPolicy]) -> LeRobotPolicy:
    """Its one place is free as soon as the server has noticed that whoever had it before has left."""
    deadline = time.monotonic() + 5.0
    while True:
        try:
            return attempt()
        except PolicyError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
