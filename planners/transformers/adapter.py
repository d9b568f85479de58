"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv:2106.09685) as the peft library keeps them, merged into a model.

    W' = W + (alpha / r) B A          W (out, in), A (r, in), B (out, r)

Merged, an adapted model costs what the model itself costs, and needs no peft.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saycan.errors import LanguageModelError, MissingPartError

if TYPE_CHECKING:
    import torch

WEIGHTS, ABOUT = "adapter_model.safetensors", "adapter_config.json"

_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def merge(model: Any, folder: str | Path) -> str:
    """Add an adapter to a model's weights; returns the name of the prompt that it was trained on.

    Args:
        model: As the transformers library loaded it; changed in place.
        folder: With adapter_config.json and adapter_model.safetensors.

    Raises:
        MissingPartError: There is no adapter.
        LanguageModelError: It belongs to another model, or is of a kind that is not understood.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    if not (folder / WEIGHTS).is_file() or not (folder / ABOUT).is_file():
        raise MissingPartError(
            f"no adapter in {str(folder)!r}: it takes {ABOUT} and {WEIGHTS}, as `saycan train planner` "
            "or peft writes them"
        )
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        scale = scale_of(about)
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        names = sorted({name.removesuffix(end) for name in tensors for end in (_A, _B) if name.endswith(end)})
        if 2 * len(names) != len(tensors) or not names:
            strange = [name for name in tensors if not name.endswith((_A, _B))]
            raise ValueError(f"it holds more than pairs of low-rank matrices: {', '.join(strange[:3]) or 'nothing'}")
        with torch.no_grad():
            for name in names:
                weight = model.get_submodule(name.removeprefix(_PREFIX)).weight
                change = scale * (tensors[name + _B].float() @ tensors[name + _A].float())
                if change.shape != weight.shape:
                    raise ValueError(f"{name} is {tuple(change.shape)} there and {tuple(weight.shape)} in the model")
                weight.copy_((weight.float() + change.to(weight.device)).to(weight.dtype))
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise LanguageModelError(f"the adapter in {str(folder)!r} does not fit this model: {error}") from error
    return str(metadata.get("prompt", "kitchen"))


def scale_of(about: Mapping[str, Any]) -> float:
    """alpha / r, from adapter_config.json. Raises ValueError for what is not plain LoRA, KeyError and TypeError."""
    strange = [
        name
        for name in ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "modules_to_save")
        if about.get(name)
    ]
    if about.get("peft_type") != "LORA" or about.get("bias", "none") != "none" or strange:
        raise ValueError(f"only plain LoRA is understood, found {about.get('peft_type')} {' '.join(strange)}")
    rank = float(about["r"])
    return float(about["lora_alpha"]) / (rank**0.5 if about.get("use_rslora") else rank)
