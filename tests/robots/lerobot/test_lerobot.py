"""An arm that the real LeRobot drives, in its own environment, through our driver and gate; its motors are not real."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from saycan import Gate, check_robot
from saycan.action import Action
from saycan.compose import make_robot
from saycan.errors import BadInputError, LeaseError, MissingPartError, RobotError, UnsafeActionError
from saycan.lease import Lease
from saycan.lerobot import Bridge
from saycan.robot import Leased, MotorDriven
from saycan.robots.lerobot.config import read_config
from saycan.robots.lerobot.driver import LeRobotRobot
from saycan.skill import Skill
from saycan.skills.policies.lerobot import LeRobotPolicy
from tests.lerobot_environment import needs_lerobot, there
from tests.robots.lerobot.arm import FILE, HERE, until, wait_for
from tests.robots.lerobot.motors import NAMES, Motors


class TestTheFile:
    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("rate = 10", "rat = 10", r"arm.toml: the robot has no 'rat'; valid: name, robot, arm"),
            ('type = "simulated_arm"', "", r"robot is a table with a type"),
            ("home = [0.0, ", "home = [", r"arm\.home has one for each of arm\.motors \(5\), found 4"),
            ("scale = [0.01745329252, ", "scale = [0.0, ", r"never 0"),
            ('motor = "gripper"', 'motor = "roll"', "name each motor once"),
            ('motor = "gripper"', 'motor = "gripper"\nopen = 0', "different positions"),
            ("speed = 2.0", 'speed = "fast"', r"arm\.speed is a float, found 'fast'"),
            ("rate = 10", "rate = 0", "rate is a finite number above 0, found 0"),
            ("0.4, 0.5]", "0.4]", r"limits\.workspace_high is a list of 3 numbers, found \[0\.4, 0\.4\]"),
            ("[limits]", "[[limits]]", "limits is a table, found"),
            ("[gripper]", "[gripper", "cannot be read"),
            ("[gripper]", "[base]\nscale = [1.0, 1.0, 0.0]\n[gripper]", r"base\.scale is m/s or rad/s .*never 0"),
            ("[gripper]", '[base]\nforward = ""\nleft = ""\nturn = ""\n[gripper]', "base names some speed"),
        ],
    )
    def test_mistakes_are_told_with_their_place(self, file: Path, old: str, new: str, told: str) -> None:
        file.write_text(file.read_text().replace(old, new))
        with pytest.raises(BadInputError, match=told):
            read_config(file)

    def test_a_file_or_description_that_is_not_there_is_told(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match=r"there is no robot .*absent\.toml.*docs/lerobot\.md"):
            make_robot(f"lerobot:{tmp_path}/absent.toml")
        file.write_text(file.read_text().replace("arm.urdf", "leg.urdf"))
        with pytest.raises(BadInputError, match=r"description is the arm's URDF.*leg\.urdf"):
            make_robot(f"lerobot:{file}")

    def test_units_and_limits_are_whole(self, file: Path) -> None:
        config = read_config(file)
        assert config.limits.base_speed == 0.0 and config.limits.ee_speed == 0.2
        text = file.read_text()
        file.write_text(text.replace("scale = ", "offset = "))
        assert read_config(file).arm.scale == (np.pi / 180,) * 5 and config.arm.turning == 0.05


def test_an_arm_that_another_program_drives_is_not_connected_to(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise MissingPartError("LeRobot's process is made")

    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    monkeypatch.setattr("saycan.robots.lerobot.driver.Bridge", connect)
    other = Lease(f"lerobot:{read_config(file).robot['port']}")
    with pytest.raises(LeaseError, match="is driven by"):
        LeRobotRobot(file)
    other.release()
    with pytest.raises(MissingPartError, match="process is made") as failed:
        LeRobotRobot(file)
    Lease(other.device).release()  # free again, though the failure is still being looked at
    assert failed.tb is not None


class TestWithLeRobot:
    pytestmark = needs_lerobot

    @pytest.fixture(scope="class")
    def served(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Motors, str]]:
        """LeRobot's process, which several tests connect to, one after the other."""
        table = {"type": "simulated_arm", "calibration_dir": str(tmp_path_factory.mktemp("arm"))}
        with Motors() as motors, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(HERE))
            told = json.dumps({**table, "port": motors.port})
            bridge = Bridge("saycan.robots.lerobot.server", [told, "--plugin=lerobot_robot_simulated"])
            yield motors, bridge.url
            bridge.close()

    @pytest.fixture
    def motors(self, served: tuple[Motors, str]) -> Motors:
        return served[0]

    @pytest.fixture
    def robot(self, served: tuple[Motors, str], tmp_path: Path) -> Iterator[LeRobotRobot]:
        path = tmp_path / "arm.toml"
        path.write_text(f"server = {served[1]!r}\n" + FILE.format(here=HERE, port=served[0].port, folder=tmp_path))
        made: list[LeRobotRobot] = []

        def make() -> None:
            made.append(LeRobotRobot(path))

        until(make)
        yield made[0]
        made[0].close()

    def test_the_driver_keeps_the_contract(self, robot: LeRobotRobot, motors: Motors) -> None:
        assert isinstance(robot, MotorDriven) and isinstance(robot, Leased) and robot.motors == NAMES
        assert robot.spec.cameras == {"front": (48, 64, 3)} and robot.spec.device == f"lerobot:{motors.port}"
        assert len(check_robot(robot)) > 8
        assert motors.still()

    def test_it_goes_where_it_is_told_and_refuses_what_is_unsafe(self, robot: LeRobotRobot, motors: Motors) -> None:
        with Gate(robot) as gate:
            start = gate.observe()
            told = motors.positions()
            signs = [1, 1, 1, -1, 1]  # as the file says
            np.testing.assert_allclose(
                np.degrees(start.joints), [s * told[n] for s, n in zip(signs, NAMES, strict=False)]
            )
            assert start.gripper == pytest.approx(0.01 * told["gripper"])
            for _ in range(15):
                gate.apply(Action([0.004, 0.004, -0.002, 0, 0, 0], gripper=0.9))
                gate.observe()
            for _ in range(5):
                gate.apply(Action(gripper=0.9))
                end = gate.observe()
            np.testing.assert_allclose(end.ee_position - start.ee_position, [0.06, 0.06, -0.03], atol=0.006)
            assert end.gripper == pytest.approx(0.9, abs=0.01)
            assert motors.positions()["gripper"] == pytest.approx(90, abs=1)
            count = len(motors.goals)
            for bad in (np.nan, np.inf):
                with pytest.raises(UnsafeActionError, match="not finite"):
                    gate.apply(Action([bad, 0, 0, 0, 0, 0]))
            assert all(np.isfinite(list(goal.values())).all() for goal in motors.goals[count:])
            wait_for(motors.still)
            with pytest.raises(LeaseError):
                Gate(robot_again(robot))

    def test_what_is_not_finite_is_refused_there_too_and_no_second_client_gets_in(
        self, robot: LeRobotRobot, motors: Motors
    ) -> None:
        with pytest.raises(RobotError, match="refused an action that is not finite"):
            robot.apply(Action([np.nan, 0, 0, 0, 0, 0]))
        far = motors.positions() | {"pan": -80.0}
        robot._link.ask({"do": "send", "motors": np.array([far[name] for name in NAMES])})
        count = len(motors.goals)
        with pytest.raises(RobotError, match=r"LeRobot says: refused positions that are not finite: .*'pan': nan"):
            robot._link.ask({"do": "send", "motors": np.full(6, np.nan)})
        wait_for(lambda: len(motors.goals) > count)  # the hold
        wait_for(motors.still)  # back by as much as it went on while it was asked where it is
        assert motors.positions()["pan"] > -40.0  # without the hold it would be at -80
        assert all(np.isfinite(list(goal.values())).all() for goal in motors.goals)
        for question, told in (
            ({"do": "dance"}, "observe, send or hold; found 'dance'"),
            ({"do": "send", "motors": np.zeros(5)}, "each of its 6 motors"),
        ):
            until(robot.observe)
            with pytest.raises(RobotError, match=told):
                robot._link.ask(question)
        until(robot.observe)
        with connect(robot._link.url, compression=None) as other:
            assert "another program drives this robot" in str(other.recv())
        with pytest.raises(InvalidStatus), connect(robot._link.url, origin="http://example.org"):  # type: ignore[arg-type]
            pass

    def test_it_holds_when_it_hears_nothing_more(self, robot: LeRobotRobot, motors: Motors) -> None:
        far = motors.positions() | {"pan": 80.0}
        robot._link.ask({"do": "send", "motors": np.array([far[name] for name in NAMES])})
        wait_for(lambda: motors.positions()["pan"] > 20.0)
        wait_for(lambda: motors.still(0.1))
        assert 20.0 < motors.positions()["pan"] < 79.0  # it was on its way for half a second and no more

    def test_motors_that_answer_no_more_are_told_in_time(self, robot: LeRobotRobot, motors: Motors) -> None:
        gate = Gate(robot)
        motors.broken = True
        began = time.monotonic()
        with pytest.raises(RobotError, match="gave no answer in 1 s"):
            gate.observe()
        assert time.monotonic() - began < 4.0
        motors.broken = False
        until(gate.observe)
        gate.close()

    def test_a_policy_of_its_motors_moves_it(self, robot: LeRobotRobot, motors: Motors, tmp_path: Path) -> None:
        goal = [10.0, -40.0, 85.0, 5.0, 8.0, 20.0]
        sizes = {"state": 6, "action": 6, "cameras": {"front": [48, 64]}}
        there("make_checkpoint", folder=str(tmp_path / "act"), kind="act", **sizes, bias=goal)
        policy = LeRobotPolicy(tmp_path / "act", robot)
        skill = Skill("reach", "reach", seconds=4.0)
        policy.reset(skill)
        with Gate(robot) as gate:
            for _ in range(60):
                action = policy.act(gate.observe(), skill)
                gate.apply(action)
                if action.terminate:
                    break
            assert action.terminate
            end = motors.positions()
        policy.close()
        np.testing.assert_allclose([end[name] for name in NAMES], goal, atol=2.0)

    def test_motors_that_the_file_names_otherwise_are_told(self, robot: LeRobotRobot) -> None:
        config, url = robot._config, robot._link.url
        robot.close()
        with pytest.raises(BadInputError, match=r"name pan, lift, elbow, flex, roll, and .* has pan, .*gripper"):
            until(lambda: LeRobotRobot(replace(config, server=url, gripper=None)))

    def test_what_lerobot_cannot_make_is_told(self, tmp_path: Path) -> None:
        arm = {"type": "simulated_arm", "calibration_dir": str(tmp_path), "port": 1}
        with Motors() as motors, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(HERE))
            tables = [
                {"type": "so900"}, {**arm, "colour": "red"}, {**arm, "port": motors.port, "calibrated": False}, arm,
                {"type": "koch_follower", "port": "/dev/no_such_port", "id": "x"},
                {"type": "so101_follower", "port": "/dev/no_such_port", "id": "x"},
            ]  # fmt: skip
            told = there("refusals", tables=tables, plugins=["lerobot_robot_simulated"])
        assert re.search(
            r"BadInputError: LeRobot .* knows no robot 'so900'; valid: .*simulated_arm.*so101_follower", told[0]
        )
        assert re.search(r"BadInputError: LeRobot cannot make simulated_arm of .*colour", told[1])
        assert re.search(r"RobotError: .* not calibrated; run.*lerobot-calibrate --robot.type=simulated_arm", told[2])
        assert re.search(r"RobotError: simulated_arm cannot be connected: ConnectionRefusedError", told[3])
        assert re.search(r"MissingPartError: koch_follower needs dynamixel_sdk", told[4])
        assert re.search(r"RobotError: so_follower cannot be connected: .*/dev/no_such_port", told[5], re.DOTALL)
        assert len(told) == len(tables)


def robot_again(robot: LeRobotRobot) -> Any:
    """Another driver of the same device."""

    class Again:
        spec = robot.spec
        observe, apply, hold, close = robot.observe, robot.apply, robot.hold, robot.close

    return Again()
