"""Image tokenizers of RT-1: convolutions with FiLM between their blocks, in the paper's size and a small one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from saycan.errors import BadInputError, UnknownNameError
from saycan.skills.policies.film import FiLM
from saycan.torchvision import cure_torchvision

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, in RGB, of 1
_EFFICIENT_NETS = tuple(f"efficientnet_b{size}" for size in range(8))
BACKBONES = ("small", *_EFFICIENT_NETS)


def build_tokenizer(backbone: str, text: int, width: int, image: int | None) -> nn.Module:
    """The tokenizer of that name.

    Args:
        backbone: One of `BACKBONES`.
        text: E, numbers of the sentence embedding.
        width: D, channels of the feature map.
        image: Side in pixels to which images are resized first; None leaves them as they are.

    Returns:
        A module from (N, 3, H, W) uint8 and (N, E) to (N, D, h, w).

    Raises:
        UnknownNameError: There is none of that name.
    """
    if backbone == "small":
        return FilmConvNet(text, width, image)
    if backbone in _EFFICIENT_NETS:
        return FilmEfficientNet(text, width, image, backbone)
    raise UnknownNameError("backbone", backbone, BACKBONES)


class FilmEfficientNet(nn.Module):
    """EfficientNet with a FiLM layer after each of its MBConv blocks, then a 1x1 convolution to the tokens' width.

    B3 (Tan and Le 2019, arXiv:1905.11946) has 26 blocks and here 15.2 M parameters with FiLM; the paper says 16 M. The
    last of its strided convolutions pads one pixel less than torchvision's: the map of a 300x300 image is then 9x9, the
    paper's 81 tokens, and not 10x10. No weight depends on it.

    Args:
        text: E.
        width: D, 512 in the paper.
        image: Side in pixels; 300 in the paper.
        name: Which EfficientNet, by torchvision's name.
    """

    def __init__(self, text: int, width: int, image: int | None = 300, name: str = "efficientnet_b3") -> None:
        super().__init__()
        cure_torchvision()
        from torchvision import models  # late: it takes a second, and the small tokenizer needs none of it

        features = list(getattr(models, name)(weights=None).features)
        self.stem, self.head = features[0], features[-1]
        blocks = [block for stage in features[1:-1] for block in stage]
        self.blocks = nn.ModuleList(blocks)
        self.films = nn.ModuleList(FiLM(text, block.out_channels) for block in blocks)
        self.project = nn.Conv2d(self.head.out_channels, width, 1)
        strided = [c for block in blocks for c in block.modules() if isinstance(c, nn.Conv2d) and c.stride == (2, 2)]
        last = strided[-1]
        last.padding = ((last.kernel_size[0] - 3) // 2, (last.kernel_size[1] - 3) // 2)
        self.image = image

    def forward(self, images: Tensor, text: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 and (N, E) to (N, D, h, w)."""
        x = self.stem(normalise(images, self.image))
        for block, film in zip(self.blocks, self.films, strict=True):
            x = film(block(x), text)
        features: Tensor = self.project(self.head(x))
        return features

    def load_imagenet(self, path: str | Path) -> None:
        """Take the convolutions' weights from a file in torchvision's format; the classifier in it is left out.

        Args:
            path: A `.pth` or `.safetensors` file of the same EfficientNet, for example the
                `efficientnet_b3_rwightman-*.pth` that torchvision downloads.

        Raises:
            BadInputError: The file holds the weights of another network.
        """
        loaded = read_weights(path)
        sequence = [name for name in loaded if name.startswith("features.")]
        last = max((int(name.split(".")[1]) for name in sequence), default=0)
        own: dict[str, Tensor] = {}
        block, seen = -1, ""
        for name in sequence:  # features.STAGE.BLOCK.rest, in the order of the network
            stage, rest = name.split(".", 2)[1:]
            if stage in ("0", str(last)):
                own[("stem." if stage == "0" else "head.") + rest] = loaded[name]
                continue
            here, rest = rest.split(".", 1)
            block, seen = (block, seen) if seen == f"{stage}.{here}" else (block + 1, f"{stage}.{here}")
            own[f"blocks.{block}.{rest}"] = loaded[name]
        expected = {n: tensor for n, tensor in self.state_dict().items() if not n.startswith(("films", "project"))}
        wrong = [n for n in expected if n not in own or own[n].shape != expected[n].shape]
        wrong += [n for n in own if n not in expected]
        if wrong:
            raise BadInputError(
                f"{path} does not hold the weights of this EfficientNet: {len(wrong)} tensors differ, "
                f"first {wrong[0]!r}. Pass a file in torchvision's format for the same size (paper: efficientnet_b3)."
            )
        self.load_state_dict(own, strict=False)


class FilmConvNet(nn.Module):
    """Three strided convolutions, inverted residual blocks with FiLM between them: for 64x64 images on a processor.

    Args:
        text: E.
        width: D, channels of the map.
        image: Side in pixels; None takes images as they are.
        channels: Of the three resolutions (a half, a quarter, an eighth of the image's side).
    """

    def __init__(
        self, text: int, width: int, image: int | None = None, channels: tuple[int, int, int] = (24, 48, 96)
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.stem = _convolution(3, first)
        self.stages = nn.ModuleList(
            [
                nn.Sequential(_convolution(first, second), InvertedResidual(second)),
                nn.Sequential(_convolution(second, third), InvertedResidual(third)),
                InvertedResidual(third),
            ]
        )
        self.films = nn.ModuleList([FiLM(text, second), FiLM(text, third), FiLM(text, third)])
        self.project = nn.Conv2d(third, width, 1)
        self.image = image

    def forward(self, images: Tensor, text: Tensor) -> Tensor:
        """(N, 3, H, W) uint8 and (N, E) to (N, D, H / 8, W / 8)."""
        x = self.stem(normalise(images, self.image))
        for stage, film in zip(self.stages, self.films, strict=True):
            x = functional.relu(film(stage(x), text))
        features: Tensor = self.project(x)
        return features


class InvertedResidual(nn.Module):
    """x + narrow(depthwise(widen(x))): the block of MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), 3x3.

    Args:
        channels: In and out.
        expansion: How many times as many there are in between.
    """

    def __init__(self, channels: int, expansion: int = 2) -> None:
        super().__init__()
        inner = channels * expansion
        self.block = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        changed: Tensor = x + self.block(x)
        return changed


def normalise(images: Tensor, side: int | None) -> Tensor:
    """(N, 3, H, W) uint8 to float32, resized to a square of that side, with ImageNet's mean and deviation taken out."""
    # Channels last: convolutions on a processor take two thirds of the time, and the weights need not be stored so.
    x = images.contiguous(memory_format=torch.channels_last).float()
    if side is not None and x.shape[-2:] != (side, side):
        x = functional.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
    mean, deviation = x.new_tensor(_MEAN)[:, None, None], x.new_tensor(_DEVIATION)[:, None, None]
    return (x - 255 * mean) / (255 * deviation)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a `.safetensors` or `.pth` file, by name; no code in a file is run."""
    if Path(path).suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(str(path))
    loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
