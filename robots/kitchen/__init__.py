"""The MuJoCo mock kitchen: one robot, and the scenes that it can be put into."""

from saycan.robots.kitchen.kitchen import Kitchen as Kitchen
from saycan.robots.kitchen.scene import Scene as Scene
from saycan.robots.kitchen.scene import parse_scene as parse_scene

__all__ = ["Kitchen", "Scene", "parse_scene"]
