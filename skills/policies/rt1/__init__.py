"""RT-1: images and a sentence become tokens, a transformer reads a history of them, an action is bins."""

from saycan.skills.policies.rt1.rt1 import RT1, Window

__all__ = ["RT1", "Window"]
