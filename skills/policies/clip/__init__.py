"""CLIP's towers behind one protocol: from the transformers library, from open_clip, or untrained."""

from saycan.skills.policies.clip.open_clip import OpenClip
from saycan.skills.policies.clip.towers import Clip, VisionTower, build_vision
from saycan.skills.policies.clip.transformers import TransformersClip

__all__ = ["Clip", "OpenClip", "TransformersClip", "VisionTower", "build_vision"]
