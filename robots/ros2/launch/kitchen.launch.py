"""The simulated kitchen and the agent: ros2 launch robots/ros2/launch/kitchen.launch.py scene:="apple on table"."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess
from launch.substitutions import LaunchConfiguration


def generate_launch_description() -> LaunchDescription:
    """Two processes of the Python that comes first on PATH; `ros2` itself runs in the system's."""
    scene = LaunchConfiguration("scene")
    kitchen = ["python3", "-m", "saycan.robots.ros2.kitchen", "--scene", scene]
    agent = ["python3", "-m", "saycan", "ros2", "--robot", "ros2:kitchen", "--llm", LaunchConfiguration("llm")]
    return LaunchDescription(
        [
            DeclareLaunchArgument("scene", default_value="at table, apple and sponge on table, spill on close counter"),
            DeclareLaunchArgument("llm", default_value="gemma"),
            ExecuteProcess(cmd=kitchen, output="screen"),
            ExecuteProcess(cmd=agent, output="screen"),
        ]
    )
