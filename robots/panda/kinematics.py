"""The Panda as a URDF, from PyBullet's own data, and its kinematics.

Two conventions are the kitchen's, so that what is learned there reads the same numbers here. The end effector's frame
lies between the fingertips and is parallel to the base's where the hand points straight down, its y axis along which
the fingers close. And the last joint counts from where the fingers close across the robot: Franka's own zero is an
eighth of a turn from there, because the hand is screwed on at 45 degrees.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np

from saycan.robots.arm import ArmKinematics, urdf_model
from saycan.robots.panda.bullet import data_folder
from saycan.robots.panda.layout import MOUNT

JOINTS = tuple(f"panda_joint{index}" for index in range(1, 8))
FINGERS = ("panda_leftfinger", "panda_rightfinger")
GRASP = 0.105
"""m below the hand's own frame, where its fingers take things (the URDF's `panda_grasptarget`)."""

PALM = 0.066  # m below the hand's own frame, where the palm's lowest point is

JOINT_ZERO = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25 * np.pi])
"""(7,) rad in Franka's terms, where ours are zero."""

JOINT_SPEED = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])  # rad/s, as the URDF says
JOINT_FORCE = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])  # N m, likewise

START = np.array([0.0, -0.6, 0.0, -2.2, 0.0, 1.6, 0.25 * np.pi])
"""(7,) rad in Franka's terms, a posture from which `home` is looked for."""

HOME_POSITION = np.array([0.47, 0.0, 1.14])
"""(3,) m in the base frame: where the kitchen's hand begins, and where its experts carry things."""


def urdf(meshes: str = "") -> str:
    """The Panda's URDF with paths that hold anywhere, on its mount, with the end effector's frame as link `ee`.

    Args:
        meshes: "visual" to be drawn with the fine meshes; by default with those that collide, an eighth of the cost.
    """
    file = data_folder() / "franka_panda" / "panda.urdf"
    robot = xml.fromstring(file.read_text(encoding="utf-8"))
    for mesh in robot.iter("mesh"):
        path = mesh.get("filename", "").removeprefix("package://")
        mesh.set("filename", str(file.parent / (path if meshes else path.replace("/visual/", "/collision/"))))
    if not meshes:
        _white(robot)
    _add_frame(robot, "mount")
    _fix(robot, "mount", "panda_link0", MOUNT, (0.0, 0.0, 0.0))
    _add_frame(robot, "ee")
    _fix(robot, "panda_hand", "ee", (0.0, 0.0, GRASP), (np.pi, 0.0, 0.0))
    return xml.tostring(robot, encoding="unicode")


def panda_arm() -> ArmKinematics:
    """The arm's kinematics, in the base frame and in Franka's joint angles; its home has the hand straight down."""
    model = urdf_model(urdf())
    arm = ArmKinematics(model, JOINTS, "ee", START)
    home, down = START, np.array([1.0, 0.0, 0.0, 0.0])
    for _ in range(10):
        home = arm.solve(home, HOME_POSITION, down)
    return ArmKinematics(model, JOINTS, "ee", home)


def _white(robot: xml.Element) -> None:
    for visual in robot.iter("visual"):
        for material in visual.findall("material"):
            visual.remove(material)
        material = xml.SubElement(visual, "material", name="panda_shell")
        xml.SubElement(material, "color", rgba="0.88 0.89 0.90 1")


def _add_frame(robot: xml.Element, name: str) -> None:
    """A link without a body; PyBullet would give one without numbers a kilogram."""
    inertial = xml.SubElement(xml.SubElement(robot, "link", name=name), "inertial")
    xml.SubElement(inertial, "mass", value="0.0")
    xml.SubElement(inertial, "inertia", ixx="0.1", ixy="0", ixz="0", iyy="0.1", iyz="0", izz="0.1")


def _fix(robot: xml.Element, parent: str, child: str, xyz: tuple[float, ...], rpy: tuple[float, float, float]) -> None:
    joint = xml.SubElement(robot, "joint", name=f"{child}_on_{parent}", type="fixed")
    xml.SubElement(joint, "origin", xyz=" ".join(map(str, xyz)), rpy=" ".join(map(str, rpy)))
    xml.SubElement(joint, "parent", link=parent)
    xml.SubElement(joint, "child", link=child)


def write_urdf(folder: Path, meshes: str = "") -> Path:
    """The URDF as a file, as PyBullet wants it."""
    file = folder / "panda.urdf"
    file.write_text(urdf(meshes), encoding="utf-8")
    return file
