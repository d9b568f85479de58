"""A robot of yours in Gazebo, its controllers, the bridge and the agent.

    ros2 launch robots/ros2/launch/gazebo.launch.py urdf:=panda.urdf world:=table.sdf agent:=examples/ros2_arm.py

The URDF has a <ros2_control> tag with gz_ros2_control and names the controllers; the world holds the head camera. The
agent is a script of yours, since no robot but the kitchen comes with a policy, values and phrases (docs/ros2.md). It
runs in the Python that comes first on PATH: that of the activated environment, while `ros2` runs in the system's.
"""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

BRIDGED = [
    "/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock",
    "/head_camera/image@sensor_msgs/msg/Image[gz.msgs.Image",
    "/head_camera/camera_info@sensor_msgs/msg/CameraInfo[gz.msgs.CameraInfo",
    "/head_camera/depth_image@sensor_msgs/msg/Image[gz.msgs.Image",
]
CONTROLLERS = ["joint_state_broadcaster", "panda_arm_controller", "panda_hand_controller"]


def _nodes(context):
    urdf = Path(LaunchConfiguration("urdf").perform(context)).read_text()
    simulated = {"use_sim_time": True}
    agent = ["python3", LaunchConfiguration("agent")]
    return [
        Node(
            package="robot_state_publisher",
            executable="robot_state_publisher",
            parameters=[{"robot_description": urdf, **simulated}],
        ),
        Node(package="ros_gz_sim", executable="create", arguments=["-topic", "robot_description", "-name", "robot"]),
        Node(package="ros_gz_bridge", executable="parameter_bridge", arguments=BRIDGED),
        *(Node(package="controller_manager", executable="spawner", arguments=[name]) for name in CONTROLLERS),
        ExecuteProcess(cmd=agent, output="screen"),
    ]


def generate_launch_description() -> LaunchDescription:
    """Gazebo first; the agent waits for the rest by itself."""
    gazebo = PathJoinSubstitution([FindPackageShare("ros_gz_sim"), "launch", "gz_sim.launch.py"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("urdf"),
            DeclareLaunchArgument("world", default_value="empty.sdf"),
            DeclareLaunchArgument("agent", default_value="examples/ros2_arm.py"),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(gazebo),
                launch_arguments={"gz_args": ["-r ", LaunchConfiguration("world")]}.items(),
            ),
            OpaqueFunction(function=_nodes),
        ]
    )
