"""CLIP from open_clip: any pretrained name that its hub has, a file of weights, or a local folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from saycan.errors import MissingPartError
from saycan.skills.policies.clip.towers import DEVIATION, MEAN, prepare
from saycan.torchvision import cure_torchvision

_NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


class OpenClipVision(nn.Module):
    """The patch tokens of an open_clip vision tower, normalised as its last layer does.

    Args:
        model: A configuration of open_clip's: "embed_dim", "vision_cfg", perhaps "quick_gelu"; "text_cfg" is not read.
        mean: Of the pixels, in RGB, of 1.
        deviation: As `mean`.
    """

    def __init__(
        self, model: Mapping[str, Any], mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION
    ) -> None:
        super().__init__()
        cure_torchvision()
        import open_clip

        vision = deepcopy(dict(model["vision_cfg"]))
        if "timm_model_name" in vision:
            vision["timm_model_pretrained"] = False  # or it would look for weights on the hub
        kept = {
            "embed_dim": model["embed_dim"],
            "vision_cfg": vision,
            "quick_gelu": bool(model.get("quick_gelu", False)),
        }
        self._config: dict[str, Any] = {"model": kept, "mean": list(mean), "deviation": list(deviation)}
        # open_clip builds its models whole; this text tower is thrown away at once.
        self.tower: Any = open_clip.CLIP(**deepcopy(kept), text_cfg=dict(_NO_TEXT)).visual
        size = self.tower.image_size
        self._size = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
        with torch.inference_mode():
            _, self.width, *grid = self._map(torch.zeros(1, 3, *self._size)).shape
        self.grid = (grid[0], grid[1])

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 to (N, rows * columns, W) float32."""
        pixels = prepare(images, self._size, self._config["mean"], self._config["deviation"])
        return self._map(pixels).flatten(2).transpose(1, 2)

    def config(self) -> dict[str, Any]:
        """What `build_vision` takes."""
        return {"kind": "open_clip", **self._config}

    def _map(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.tower.forward_intermediates(
            pixels, indices=1, normalize_intermediates=True, intermediates_only=True
        )["image_intermediates"][-1]
        return found  # (N, W, rows, columns)


class OpenClip:
    """A pretrained CLIP of open_clip, both towers.

    Args:
        model: What `open_clip.create_model` returns.
        tokenizer: What `open_clip.get_tokenizer` returns.
        config: The configuration of that model: "embed_dim", "vision_cfg", "text_cfg".
    """

    def __init__(self, model: Any, tokenizer: Any, config: Mapping[str, Any]) -> None:
        self._model, self._tokenizer = model.eval(), tokenizer
        visual = model.visual
        self.vision = OpenClipVision(config, visual.image_mean or MEAN, visual.image_std or DEVIATION)
        self.vision.tower = visual
        self.text_width = int(config["embed_dim"])

    @classmethod
    def load(cls, name: str, pretrained: str | Path | None = None) -> Self:
        """Load a model with its tokenizer and preprocessing.

        Args:
            name: One of open_clip's architectures such as "ViT-B-32", "hf-hub:OWNER/NAME", or "local-dir:FOLDER" with
                an `open_clip_config.json` and the weights beside it.
            pretrained: With an architecture: a tag of open_clip's such as "laion2b_s34b_b79k", or a file of weights.

        Raises:
            MissingPartError: There is no such model, it has no weights, or the hub cannot be reached.
        """
        cure_torchvision()
        import open_clip

        try:
            model = open_clip.create_model(
                name, pretrained=None if pretrained is None else str(pretrained), require_pretrained=True
            )
            return cls(model, open_clip.get_tokenizer(name), _model_config(name))
        except (OSError, RuntimeError, ValueError) as error:
            raise MissingPartError(
                f"no CLIP weights for {name!r} with pretrained={pretrained!r}: {error}. Valid: an architecture from "
                "open_clip.list_models() with one of its tags or with a file of weights, hf-hub:OWNER/NAME, or "
                "local-dir:FOLDER; names and tags need a hub that this machine reaches."
            ) from error

    @torch.inference_mode()
    def embed_text(self, phrases: Sequence[str]) -> Tensor:
        """(N, E) float32 of length one."""
        features: Tensor = self._model.encode_text(self._tokenizer(list(phrases)), normalize=True)
        return features.float()


def _model_config(name: str) -> dict[str, Any]:
    """The configuration of a model by open_clip's name, of which a loaded model keeps no trace."""
    import open_clip

    scheme, _, rest = name.partition(":")
    if scheme == "local-dir":
        text = (Path(rest) / "open_clip_config.json").read_text(encoding="utf-8")
    elif scheme == "hf-hub":
        from open_clip.pretrained import download_pretrained_from_hf

        text = Path(download_pretrained_from_hf(rest, filename="open_clip_config.json")).read_text(encoding="utf-8")
    else:
        found: dict[str, Any] = open_clip.get_model_config(name.replace("/", "-"))
        return found
    config: dict[str, Any] = json.loads(text)["model_cfg"]
    return config
