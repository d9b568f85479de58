"""LeRobot's process as it is in use: started with the robot, killed with its user, with LeRobot's own drivers in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from saycan import Gate
from saycan.action import Action
from saycan.compose import make_robot
from saycan.errors import BadInputError
from saycan.lerobot import find_python
from saycan.robots.lerobot.driver import LeRobotRobot
from tests.lerobot_environment import ROOT, needs_lerobot
from tests.robots.lerobot.arm import FILE, HERE, wait_for
from tests.robots.lerobot.feetech import HIGH, LOW, MIDDLE, TORQUE, Bus
from tests.robots.lerobot.motors import NAMES, Motors


class TestAProcessOfItsOwn:
    pytestmark = needs_lerobot

    def test_killed_in_mid_motion_it_leaves_the_arm_still_and_what_is_gripped_in_the_gripper(
        self, file: Path, motors: Motors
    ) -> None:
        program = (
            "from saycan import Gate; from saycan.action import Action; from saycan.compose import make_robot\n"
            f"robot = make_robot('lerobot:{file}'); gate = Gate(robot)\n"
            "print(robot._link._bridge._process.pid, flush=True)\n"
            "while True: gate.observe(); gate.apply(Action([0, 0.02, 0, 0, 0, 0], gripper=0.0))"
        )
        root = str(HERE.parents[2])
        motors.stops["gripper"] = 35.0
        assert not motors.power
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root) as started:
            assert started.stdout is not None
            pid = int(started.stdout.readline())
            wait_for(lambda: abs(motors.positions()["pan"]) > 3.0)
            started.kill()
        there_ = motors.positions()["pan"]
        wait_for(lambda: not psutil.pid_exists(pid))
        wait_for(motors.still)
        assert motors.power  # LeRobot's own default lets an arm fall when it disconnects
        assert abs(motors.positions()["pan"] - there_) < 15.0
        last = motors.goals[-1]
        assert last["pan"] == pytest.approx(motors.positions()["pan"])
        assert last["gripper"] == 0.0 and motors.positions()["gripper"] == 35.0

    @pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals take a servo's line speed on Linux")
    def test_lerobots_own_driver_of_the_so101_moves_its_servos(self, tmp_path: Path) -> None:
        names = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
        one = {"drive_mode": 0, "homing_offset": 0, "range_min": LOW, "range_max": HIGH}
        table = {name: {"id": number, **one} for number, name in enumerate(names, 1)}
        (tmp_path / "test.json").write_text(json.dumps(table))
        with Bus((MIDDLE, MIDDLE - 512, MIDDLE + 1024, MIDDLE, MIDDLE, MIDDLE)) as bus:
            text = FILE.format(here=HERE, port=repr(bus.port), folder=tmp_path)
            text = text.replace("simulated_arm", "so101_follower").replace("-0.01745329252", "0.01745329252")
            text = text.replace('["lerobot_robot_simulated"]', "[]")
            text = text.replace('motor = "gripper"', 'motor = "gripper"\nclosed = 0\nopen = 100')
            for ours, theirs in zip(NAMES, names, strict=True):
                text = text.replace(f'"{ours}"', f'"{theirs}"')
            (tmp_path / "arm.toml").write_text(text)
            with Gate(make_robot(f"lerobot:{tmp_path}/arm.toml")) as gate:
                start = gate.observe()
                np.testing.assert_allclose(np.degrees(start.joints), [0, -45, 90, 0, 0], atol=0.2)
                assert start.gripper == pytest.approx(0.5, abs=0.01)
                for _ in range(15):
                    gate.apply(Action([0, 0.004, -0.002, 0, 0, 0], gripper=0.9))
                    gate.observe()
                for _ in range(5):
                    gate.apply(Action(gripper=0.9))
                    end = gate.observe()
                np.testing.assert_allclose(end.ee_position - start.ee_position, [0, 0.06, -0.03], atol=0.008)
                assert (bus.positions()[5] - LOW) / (HIGH - LOW) == pytest.approx(0.9, abs=0.02)
            before = bus.positions()
            time.sleep(0.3)
            assert bus.positions() == before
            assert all(servo.table[TORQUE] == 1 for servo in bus.servos.values())

    def test_lerobots_own_lekiwi_drives_and_stands_when_it_hears_nothing_more(self, tmp_path: Path) -> None:
        python = find_python()
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            ports = [str(each.getsockname()[1]) for each in (one, other)]
        text = FILE.format(here=HERE, port=ports[0], folder=tmp_path).replace("-0.01745329252", "0.01745329252")
        text = text.replace("simulated_arm", "lekiwi_client").replace('["lerobot_robot_simulated"]', "[]")
        text = text.replace(
            f"port = {ports[0]}",
            f'remote_ip = "127.0.0.1"\nport_zmq_cmd = {ports[0]}\nport_zmq_observations = {ports[1]}\ncameras = {{}}',
        )
        names = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
        for ours, theirs in zip(NAMES, names, strict=True):
            text = text.replace(f'"{ours}"', f'"arm_{theirs}"')
        path = tmp_path / "kiwi.toml"
        path.write_text(text + "\n[base]\n")
        command = [str(python), str(HERE / "lekiwi.py"), *ports]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        ) as host:
            assert host.stdout is not None and host.stdout.readline() == "ready\n"
            robot = make_robot(f"lerobot:{path}")
            assert isinstance(robot, LeRobotRobot)
            assert robot.spec.limits.base_speed == 0.1 and robot.spec.limits.base_turn == 0.5
            before = robot.observe()
            for _ in range(20):
                robot.apply(Action(base_delta=[0.01, 0.005, 0.04]))
                robot.observe()
            # It is looked at, and nobody says how to go on: LeRobot's process stops it, for there is no gate to do it.
            wait_for(lambda: robot.observe() is not None and not robot._velocity.any())
            end = robot.observe()
            robot.close()
            path.write_text(text + '\n[base]\nleft = "sideways"\n')
            with pytest.raises(
                BadInputError, match=r"base names sideways, and LeRobot's lekiwi_client takes x\.vel, y"
            ):
                make_robot(f"lerobot:{path}")
            said = json.loads(host.communicate("")[0])
        x, y, yaw = end.base_pose
        assert said["speeds"] == {"x.vel": 0.0, "y.vel": 0.0, "theta.vel": 0.0}
        assert (
            0.3 < yaw < 1.1 and 0.08 < np.hypot(x, y) < 0.3
        )  # 0.8 and 0.22, less where a machine is busy, and the stop
        off = np.subtract([x, y, yaw], said["at"])
        assert np.hypot(*off[:2]) < 0.05 and abs(off[2]) < 0.15
        np.testing.assert_allclose(end.ee_position, before.ee_position, atol=1e-3)
