"""Whose hands: simulators, drivers, cameras and the fake robot."""
