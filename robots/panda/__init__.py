"""A Franka Panda at a table, in PyBullet: for trying things out quickly, and for what was learned on another robot."""

from saycan.robots.panda.table import PandaTable as PandaTable

__all__ = ["PandaTable"]
