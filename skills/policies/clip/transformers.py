"""CLIP from the transformers library: any checkpoint of its CLIPModel, or a vision tower without a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from saycan.errors import MissingPartError
from saycan.skills.policies.clip.towers import DEVIATION, MEAN, prepare
from saycan.torchvision import cure_torchvision


class TransformersVision(nn.Module):
    """The patch tokens of a `transformers.CLIPVisionModel`, after the norm that CLIP applies to its class token.

    Args:
        vision: Arguments of `transformers.CLIPVisionConfig`.
        mean: Of the pixels, in RGB, of 1.
        deviation: As `mean`.
    """

    def __init__(
        self, vision: Mapping[str, Any], mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION
    ) -> None:
        super().__init__()
        cure_torchvision()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        config = CLIPVisionConfig.from_dict(dict(vision))
        self.tower: Any = CLIPVisionModel(config)
        self._config: dict[str, Any] = {"vision": dict(vision), "mean": list(mean), "deviation": list(deviation)}
        self._size = _pair(config.image_size)
        patch = _pair(config.patch_size)
        self.width: int = config.hidden_size
        self.grid = (self._size[0] // patch[0], self._size[1] // patch[1])

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 to (N, rows * columns, W) float32."""
        pixels = prepare(images, self._size, self._config["mean"], self._config["deviation"])
        found: Tensor = self.tower.post_layernorm(self.tower(pixel_values=pixels).last_hidden_state[:, 1:])
        return found

    def config(self) -> dict[str, Any]:
        """What `build_vision` takes."""
        return {"kind": "transformers", **self._config}


class TransformersClip:
    """A pretrained CLIP of the transformers library, both towers.

    The towers' widths differ (768 and 512 in ViT-B/32): `vision.width` is the one, `text_width` the width of the
    projected text features.

    Args:
        model: A `transformers.CLIPModel`.
        tokenizer: Its tokenizer.
        mean: Of the pixels, as the checkpoint's preprocessing has it.
        deviation: As `mean`.
    """

    def __init__(
        self, model: Any, tokenizer: Any, mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION
    ) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        self.vision = TransformersVision(model.config.vision_config.to_diff_dict(), mean, deviation)
        self.vision.tower = model.vision_model
        self.text_width: int = model.config.projection_dim

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Load a checkpoint with its tokenizer and preprocessing.

        Args:
            name: A folder, or a name on the hub such as "openai/clip-vit-base-patch32".

        Raises:
            MissingPartError: There is no such checkpoint, or the hub cannot be reached.
        """
        cure_torchvision()
        from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

        try:
            model = CLIPModel.from_pretrained(name, dtype=torch.float32)  # else as stored, often half
            tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise MissingPartError(
                f"no CLIP checkpoint at {str(name)!r}: {error}. Valid: a folder that CLIPModel.save_pretrained and the "
                "tokenizer's save_pretrained have written, or a name on a hub that this machine reaches."
            ) from error
        try:
            preprocessing, _ = CLIPImageProcessor.get_image_processor_dict(name)
        except OSError:  # a checkpoint without it was made with CLIP's own
            preprocessing = {}
        return cls(model, tokenizer, preprocessing.get("image_mean", MEAN), preprocessing.get("image_std", DEVIATION))

    @torch.inference_mode()
    def embed_text(self, phrases: Sequence[str]) -> Tensor:
        """(N, E) float32 of length one."""
        tokens = self._tokenizer(list(phrases), padding=True, truncation=True, return_tensors="pt")
        features: Tensor = self._model.get_text_features(**tokens).pooler_output.float()
        return functional.normalize(features, dim=-1)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))
