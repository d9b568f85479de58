"""Learned value functions and success detectors: what can be done, and what has been done, from what is seen."""
