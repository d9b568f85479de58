"""A cure for a torchvision whose compiled part does not fit the torch beside it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_CURES: list[object] = []  # torch.library.Library objects: their operators vanish with them


def cure_torchvision() -> bool:
    """Make `import torchvision` work where its compiled operators cannot be loaded; call it before transformers.

    The index's torchvision for CUDA does not load beside a torch for CPUs, and then `operator torchvision::nms does
    not exist` stops every package that imports it. Nothing here uses those operators, so declaring them is enough.
    Where torchvision is healthy nothing is declared: a second registration would abort the process.

    Returns:
        Whether the cure had to be applied in this process.
    """
    if _CURES:
        return True
    spec = None if "torchvision" in sys.modules else find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return False  # absent, or imported before us and so healthy
    import torch

    operators: Any = torch.ops  # neither of the two is typed
    registry: Any = torch.library
    folder = Path(next(iter(spec.submodule_search_locations)))
    for library in sorted([*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")]):
        try:
            operators.load_library(str(library))
            return False
        except OSError:
            continue
    declared = registry.Library("torchvision", "DEF")
    declared.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    declared.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _CURES.append(declared)
    return True
