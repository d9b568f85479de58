"""An arm of your own that speaks ROS 2, as a node that is told what to do: ros2 action send_goal /saycan/instruct ...

    python examples/ros2_arm.py [my_arm.toml]

Phrases, policy and values are yours. These are honest placeholders to replace: a hand that goes where a phrase says, in
millimetres a period, and values that find everything possible.
"""

import sys
import threading

from saycan import Action, Agent, Observation, Skill
from saycan.node import AgentNode
from saycan.robots.ros2.driver import Ros2Robot

WAYS = {"raise the hand": (0, 0, 1), "lower the hand": (0, 0, -1), "reach forward": (1, 0, 0), "draw back": (-1, 0, 0)}


def policy(observation: Observation, skill: Skill) -> Action:
    """2 cm a second, for five seconds. Fingers that hold something need what was sent last, not what is measured."""
    x, y, z = WAYS[skill.phrase]
    ended = observation.time - began.setdefault(skill.phrase, observation.time) > 5.0
    if ended:
        del began[skill.phrase]
    return Action([0.002 * x, 0.002 * y, 0.002 * z, 0, 0, 0], observation.gripper, terminate=ended)


began: dict[str, float] = {}

if __name__ == "__main__":
    with Agent(
        Ros2Robot(sys.argv[1] if len(sys.argv) > 1 else "gazebo_panda"),
        library=list(WAYS),
        policy=policy,
        values=lambda observation, skill: 1.0,
    ) as agent:
        died = threading.Event()
        node = AgentNode(agent, died.set)
        died.wait()  # until Ctrl-C
        node.require_serving()
