"""Robots of LeRobot's, which run in its own environment."""
