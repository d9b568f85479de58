"""A robot of one joint, one finger and one camera that misbehaves as it is told to; a process of its own.

    python puppet.py MODE

It publishes joint states, odometry, pictures and depth at 50 Hz; after four seconds of good behaviour MODE begins
("slow ..." at once). It is at once where /joint_command says, and takes no notice of trajectories and speeds.
"""

from __future__ import annotations

import math
import sys
import time

import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from saycan.ros import stamp

MODES = (
    *("good", "nan", "short", "no positions", "torn picture", "late picture", "frozen clock", "silence"),
    *("dead arm", "dead gripper", "slow gripper"),  # joint states from two publishers
    *("dead odometry", "slow odometry"),
    "dead depth",
    "slow clock",  # half a second behind
)
SLOW = 15  # rounds from one message of a slow publisher to the next
URDF = """<robot name="puppet"><link name="base"/><link name="tip"/><joint name="hinge" type="revolute">
<parent link="base"/><child link="tip"/><origin xyz="0.3 0 0.5"/><axis xyz="0 0 1"/>
<limit lower="-2" upper="2" effort="1" velocity="1"/></joint></robot>"""


def main(mode: str) -> None:
    rclpy.init()
    node = rclpy.create_node("puppet")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(String, "/robot_description", latched).publish(String(data=URDF))
    states = node.create_publisher(JointState, "/joint_states", 10)
    odometry = node.create_publisher(Odometry, "/odom", 10)
    pictures = node.create_publisher(Image, "/image", 10)
    depths = node.create_publisher(Image, "/depth", 10)
    positions = {"hinge": 0.1, "finger": 0.0}
    node.create_subscription(JointTrajectory, "/arm", lambda message: None, 10)
    node.create_subscription(Twist, "/cmd_vel", lambda message: None, 10)

    def take(message: JointState) -> None:
        positions.update(zip(message.name, message.position, strict=True))

    node.create_subscription(JointState, "/joint_command", take, 10)
    print("the puppet is there", flush=True)
    began, count, frozen = time.time(), 0, 0.0
    while rclpy.ok() and time.time() - began < 120.0:
        now, bad = time.time() - 0.5 * (mode == "slow clock"), mode if time.time() - began > 4.0 else "good"
        count += 1
        if bad == "silence":
            time.sleep(0.02)
            continue
        frozen = frozen if bad == "frozen clock" else now
        hinge = math.nan if bad == "nan" else positions["hinge"]
        state = JointState(name=["hinge", "elsewhere", "finger"], position=[hinge, 7.0, positions["finger"]])
        if bad == "dead arm":
            state = JointState(name=["elsewhere", "finger"], position=[7.0, positions["finger"]])
        if bad == "dead gripper" or (mode == "slow gripper" and count % SLOW != 1):
            state = JointState(name=["hinge", "elsewhere"], position=[hinge, 7.0])
        if bad == "no positions" or (bad == "short" and count % 2):
            state.position = []
        state.header.stamp = stamp(frozen)
        image = Image(height=8, width=8, encoding="rgb8", step=24)
        image.data = bytes([50 + count % 100] * (24 * (7 if bad == "torn picture" else 8)))
        image.header.stamp = stamp(now - 3.0 if bad == "late picture" else now)
        depth = Image(height=8, width=8, encoding="16UC1", step=16, data=(1500).to_bytes(2, "little") * 64)
        depth.header = image.header
        where = Odometry()
        where.header.stamp, where.pose.pose.position.x = stamp(now), 0.25
        where.pose.pose.orientation.w = 1.0
        if bad != "dead odometry" and (mode != "slow odometry" or count % SLOW == 1):
            odometry.publish(where)
        states.publish(state)
        pictures.publish(image)
        if bad != "dead depth":
            depths.publish(depth)
        rclpy.spin_once(node, timeout_sec=0.02)
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
