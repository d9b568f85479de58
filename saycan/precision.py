"""Where sixteen bits are enough: the hardware that multiplies bfloat16 does so about twice as fast as float32."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether a device ("cpu", "cuda:0", "mps") has instructions for it; without them it is slower than float32."""
    import torch

    if not device.startswith("cpu"):
        return True
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(check is not None and check() for check in checks)


def coarse(like: Tensor, wanted: bool) -> AbstractContextManager[object]:
    """Within it, convolutions and products of matrices are bfloat16's where that is `wanted` and `like` lies on such
    hardware. Meant for the layers that do most of the work, in training; what positions are read out from is not."""
    import torch

    device = like.device
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and multiplies_bfloat16(str(device)))
