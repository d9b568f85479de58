"""A robot in Isaac Sim behind its ROS 2 bridge, and the agent.

    ros2 launch robots/ros2/launch/isaac.launch.py urdf:=franka.urdf agent:=my_agent.py

Isaac Sim is started by itself, with the bridge and the graph that robots/ros2/configs/isaac_franka.toml describes; it
publishes no robot description, which is done here (description = "/robot_description" in the config then). The agent
runs in the Python that comes first on PATH: that of the activated environment, while `ros2` runs in the system's.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def _nodes(context):
    urdf = Path(LaunchConfiguration("urdf").perform(context)).read_text()
    return [
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": urdf, "use_sim_time": True}],
        ),
        ExecuteProcess(cmd=["python3", LaunchConfiguration("agent")], output="screen"),
    ]


def generate_launch_description() -> LaunchDescription:
    """The agent waits for Isaac Sim by itself."""
    arguments = [DeclareLaunchArgument("urdf"), DeclareLaunchArgument("agent", default_value="examples/ros2_arm.py")]
    return LaunchDescription([*arguments, OpaqueFunction(function=_nodes)])
