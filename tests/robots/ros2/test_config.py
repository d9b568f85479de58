"""A robot's file: what is packaged can be read, and what is wrong in one's own is told with its place."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import saycan.robots.ros2
from saycan.errors import BadInputError, LeaseError, MissingPartError
from saycan.lease import Lease
from saycan.robot import Limits
from saycan.robots.kitchen import Kitchen
from saycan.robots.ros2.config import read_config
from saycan.robots.ros2.driver import Ros2Robot

PACKAGED = sorted(Path(saycan.robots.ros2.__file__).with_name("configs").glob("*.toml"))

SMALL = """
name = "arm"
{robot}
[arm]
joints = ["a", "b"]
base = "base"
tip = "tip"
home = [0.0, 0]
command = "/follow"
{arm}
"""


def test_whatever_a_robot_is_called_its_node_has_a_name_that_ros_takes(tmp_path: Path) -> None:
    file = tmp_path / "robot.toml"
    file.write_text(SMALL.format(robot="", arm="").replace('"arm"', '"UR5e, Bjørn\'s"', 1), encoding="utf-8")
    assert read_config(file).node_name == "saycan_UR5e__Bj_rn_s_driver"


@pytest.mark.parametrize("file", PACKAGED, ids=lambda file: file.stem)
def test_what_is_packaged_can_be_read(file: Path) -> None:
    config = read_config(file.stem)
    assert config == config and config.arm.joints and config.cameras
    assert read_config(file).arm == config.arm


@pytest.mark.parametrize("file", sorted(PACKAGED[0].parents[1].glob("launch/*.py")), ids=lambda file: file.stem)
def test_launch_files_parse_and_name_packaged_things_that_exist(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert "generate_launch_description" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    modules = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert "python3" in modules and "sys" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in modules:
        if name.startswith("saycan."):
            assert find_spec(name) is not None, name
        if name.startswith("examples/"):
            assert (Path(__file__).parents[3] / name).is_file(), name


def test_the_kitchen_has_the_map_and_the_limits_of_the_simulation() -> None:
    config, spec = read_config("kitchen"), Kitchen(cameras=()).spec
    assert config.limits == spec.limits and config.rate == spec.rate
    assert [*config.places] == [*spec.places]
    for name, place in spec.places.items():
        mine = config.places[name]
        assert (mine.kind, mine.name) == (place.kind, name)
        for one, other in ((mine.dock, place.dock), (mine.center, place.center), (mine.half_size, place.half_size)):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "arm.toml"
    file.write_text(SMALL.format(robot="rate = 20", arm="").replace("rate = 20", "rate = 20\nsim_time = true"))
    config = read_config(file)
    assert (config.name, config.rate, config.sim_time, config.arm.home) == ("arm", 20.0, True, (0.0, 0.0))
    assert config.gripper is None and config.base is None and not config.cameras
    assert config.limits == Limits(base_speed=0.0, base_turn=0.0)


def test_what_has_a_base_may_drive(tmp_path: Path) -> None:
    file = tmp_path / "arm.toml"
    base = "[base]\ncommand = '/cmd_vel'\nodometry = '/odom'"
    for more, limits in (
        (base, Limits()),
        (f"{base}\n[limits]\nbase_speed = 0.2", Limits(base_speed=0.2)),
        ("[limits]\nbase_speed = 0.2", Limits(base_speed=0.2, base_turn=0.0)),
    ):
        file.write_text(SMALL.format(robot="", arm=more))
        assert read_config(file).limits == limits


@pytest.mark.parametrize(
    ("robot", "arm", "problem"),
    [
        ("speed = 3", "", "the robot has no 'speed'; valid: name, arm,"),
        ("rate = 'fast'", "", "rate is a float, found 'fast'"),
        ("rate = 0", "", "rate is a finite number above 0, found 0"),
        ("rate = inf", "", "rate is a finite number above 0, found inf"),
        ("sim_time = 1", "", "sim_time is a bool, found 1"),
        ("", "colour = 'red'", "arm has no 'colour'; valid: joints,"),
        ("", "interface = 'smoke'", "arm.interface is one of follow_joint_trajectory, .* found 'smoke'"),
        ("", "[gripper]\njoint = 'g'\nclosed = 0", "gripper lacks 'open'"),
        ("", "[gripper]\njoint = 'g'\nclosed = 0\nopen = 0", "are different positions"),
        ("", "[gripper]\njoint = 'g'\nclosed = 0\nopen = 1\ninterface = 'joint_state'", "goes with the same interface"),
        ("", "[base]\ncommand = '/cmd_vel'", "needs odometry .a topic. or frames"),
        ("", "[cameras]\nhead = 3", "cameras.head is a table, found 3"),
        ("", "[cameras.head]\nimage = '/i'\nsize = ['a']", "cameras.head.size is a list of numbers"),
        ("", "[limits]\nee_speed = true", "limits.ee_speed is a float, found True"),
        ("", "[limits]\nworkspace_low = [0, 0]", r"limits.workspace_low is a list of 3 numbers, found \[0, 0\]"),
        ("limits = 3", "", "limits is a table, found 3"),
        (
            "",
            "[places.table]\nkind = 'surface'\ndock = [0, 0]\ncenter = [0, 0, 0]\nhalf_size = [1, 1]",
            "three numbers",
        ),
        ("", "[places.x]\nkind = 'sea'\ndock = [0, 0, 0]\ncenter = [0, 0, 0]\nhalf_size = [1, 1]", "one of surface"),
        ("places = 3", "", "places is a table of tables"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, robot: str, arm: str, problem: str) -> None:
    file = tmp_path / "arm.toml"
    file.write_text(SMALL.format(robot=robot, arm=arm))
    with pytest.raises(BadInputError, match=f"arm.toml: .*{problem}"):
        read_config(file)


def test_home_has_a_number_for_each_joint(tmp_path: Path) -> None:
    file = tmp_path / "arm.toml"
    file.write_text(SMALL.format(robot="", arm="").replace("[0.0, 0]", "[0.0]"))
    with pytest.raises(BadInputError, match=r"for each of arm.joints \(2\), found 1"):
        read_config(file)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"there is no robot .nowhere.: a TOML file, or one of .*kitchen"):
        read_config("nowhere")
    (tmp_path / "x.toml").write_text("name = ")
    with pytest.raises(BadInputError, match=r"x.toml: cannot be read"):
        read_config(tmp_path / "x.toml")


def test_a_description_that_is_neither_a_file_nor_a_topic_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # absent, then no text
        with pytest.raises(BadInputError, match=r"franka: description is .* found 'franka.urdf', .*: put it there, or"):
            Ros2Robot("isaac_franka")
        Path("franka.urdf").write_bytes(b"\xff")


def test_a_robot_that_another_program_drives_is_not_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise MissingPartError("a node is made")

    monkeypatch.setattr("saycan.lease._folder", lambda: tmp_path)
    monkeypatch.setattr("saycan.robots.ros2.driver.Session", connect)
    monkeypatch.setenv("ROS_DOMAIN_ID", "7")
    other = Lease(f"ros2:7{read_config('kitchen').arm.command}")
    with pytest.raises(LeaseError, match="is driven by"):
        Ros2Robot("kitchen")
    other.release()
    with pytest.raises(MissingPartError, match="a node is made") as failed:
        Ros2Robot("kitchen")
    Lease(other.device).release()  # free again, though the failure is still being looked at
    assert failed.tb is not None


def test_without_ros_it_is_said_what_to_do() -> None:
    from saycan.compose import make_robot

    try:
        import rclpy  # noqa: F401
    except ImportError:
        with pytest.raises(MissingPartError, match="source /opt/ros"):
            make_robot("ros2:kitchen")
    with pytest.raises(BadInputError, match="something after the colon"):
        make_robot("ros2:")
