"""What CLIP (Radford et al. 2021, arXiv:2103.00020) brings to a policy: patch tokens and embeddings of phrases.

The vision tower is a part of the policy network and may be trained on. The text tower is not: like the language model
whose sentence embedding it replaces, it is frozen, so a phrase is embedded once, by `Clip.embed_text`, and comes to the
network as `Inputs.text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from saycan.errors import UnknownNameError

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of OpenAI's CLIP


class VisionTower(Protocol):
    """A `torch.nn.Module` that turns images into patch tokens; resizing and normalising are its own business.

    Attributes:
        width: W, numbers of a token.
        grid: (rows, columns) of the patches.
    """

    width: int
    grid: tuple[int, int]

    def __call__(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 to (N, rows * columns, W) float32, row by row."""
        ...

    def config(self) -> dict[str, Any]:
        """Plain JSON values from which `build_vision` builds the same tower, untrained and without a network."""
        ...


class Clip(Protocol):
    """A pretrained CLIP.

    Attributes:
        text_width: E, numbers of a phrase's embedding.
    """

    text_width: int

    @property
    def vision(self) -> VisionTower:
        """Its vision tower."""
        ...

    def embed_text(self, phrases: Sequence[str]) -> Tensor:
        """(N, E) float32 of length one, CLIP's projected text features."""
        ...


def build_vision(config: Mapping[str, Any]) -> VisionTower:
    """The vision tower that a `config()` describes, with random weights.

    Args:
        config: Its "kind" is "transformers" or "open_clip"; the rest is that class's arguments.

    Raises:
        UnknownNameError: It is of no such kind.
    """
    from saycan.skills.policies.clip.open_clip import OpenClipVision
    from saycan.skills.policies.clip.transformers import TransformersVision

    kinds: dict[str, Any] = {"transformers": TransformersVision, "open_clip": OpenClipVision}
    arguments = dict(config)
    kind = str(arguments.pop("kind", None))
    if kind not in kinds:
        raise UnknownNameError("kind of vision tower", kind, kinds)
    tower: VisionTower = kinds[kind](**arguments)
    return tower


def prepare(images: Tensor, size: tuple[int, int], mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
    """(N, 3, H, W) uint8 to float32 of that size (height, width), stretched to it, standardised channel by channel."""
    x = images.float()
    if tuple(x.shape[-2:]) != tuple(size):
        x = functional.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)
    of = torch.tensor([mean, deviation], device=x.device)[:, :, None, None]
    return (x / 255 - of[0]) / of[1]
