"""Demonstrations and rollouts: how they are made, stored and read."""
