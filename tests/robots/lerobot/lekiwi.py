"""LeKiwi's side of the network, in LeRobot's environment: its own sockets, before a robot that is simulated.

lekiwi.py PORT PORT      says where it stands once its standard input ends: x, y in m, yaw in rad
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import sys
import time

from saycan.torchvision import cure_torchvision


def main() -> None:
    cure_torchvision()
    import zmq
    from lerobot.robots.lekiwi.config_lekiwi import LeKiwiHostConfig
    from lerobot.robots.lekiwi.lekiwi_host import LeKiwiHost

    commands, observations = map(int, sys.argv[1:])
    host = LeKiwiHost(LeKiwiHostConfig(port_zmq_cmd=commands, port_zmq_observations=observations))
    motors = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
    at = {f"arm_{motor}.pos": 0.0 for motor in motors}
    at |= {"arm_shoulder_lift.pos": -45.0, "arm_elbow_flex.pos": 90.0, "arm_gripper.pos": 50.0}
    speeds = dict.fromkeys(("x.vel", "y.vel", "theta.vel"), 0.0)
    x = y = yaw = 0.0
    print("ready", flush=True)
    then = time.monotonic()
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        now = time.monotonic()
        forward, left, turn = (speed * (now - then) for speed in speeds.values())
        yaw += math.radians(turn)
        x += math.cos(yaw) * forward - math.sin(yaw) * left
        y += math.sin(yaw) * forward + math.cos(yaw) * left
        then = now
        try:
            told = json.loads(host.zmq_cmd_socket.recv_string(zmq.NOBLOCK))
            at |= {name: told[name] for name in at}
            speeds |= {name: told[name] for name in speeds}
        except zmq.Again:
            pass  # LeKiwi would stop its base after half a second; here that is left to whoever drives it
        with contextlib.suppress(zmq.Again):
            host.zmq_observation_socket.send_string(json.dumps({**at, **speeds}), flags=zmq.NOBLOCK)
    print(json.dumps({"at": [x, y, yaw], "speeds": speeds, "motors": at}))
    host.disconnect()


if __name__ == "__main__":
    main()
