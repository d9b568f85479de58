"""Trained networks as files: safetensors, whose metadata say how to build what the tensors belong to.

network/...    the weights
scaling/...    low, high, mean, scale (`saycan.skills.policies.scaling`)
sentences      (N, E) float16, embeddings of the phrases that stand in the metadata
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences

if TYPE_CHECKING:
    from torch import nn

FORMAT = "saycan-checkpoint-1"

UNSAID = (64, 64, 3)
"""Shape of the pictures that a network was trained on whose file does not say it."""

NETWORKS = {
    "bcz": "saycan.skills.policies.bcz:BCZ",
    "rt1": "saycan.skills.policies.rt1:RT1",
    "clip-fusion": "saycan.skills.policies.clip_fusion:ClipFusion",
    "value": "saycan.skills.values.network:ValueNetwork",
}
"""Name of a network to its class; a checkpoint names one of them and no code."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a file holds.

    Attributes:
        kind: One of `NETWORKS`.
        config: What the network is built with.
        network: It, in evaluation mode.
        scaling, sentences: What goes with it.
        about: Plain facts: data, seeds, steps, results; "pictures", the shape of each camera's, and "map", whether the
            data had one of the furniture.
        extra: Arrays that belong to it besides.
    """

    kind: str
    config: Mapping[str, Any]
    network: nn.Module
    scaling: Scaling
    sentences: Sentences
    about: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def misfit(self, given: Mapping[str, tuple[int, ...]]) -> str:
        """Why the network cannot look at pictures of these shapes, camera by camera; "" when it can."""
        cameras = self.config.get("cameras", ())
        if any(name not in given for name in cameras):
            return f"it looks through the cameras {', '.join(cameras)}; the robot has: {', '.join(given) or 'none'}"
        shapes = self.about.get("pictures", {})
        for name in cameras:
            found, wanted = given[name], tuple(shapes.get(name, given[name]))
            if found != wanted:
                return (
                    f"it was trained on pictures of {wanted[1]} x {wanted[0]} pixels, and the camera {name!r} gives "
                    f"{found[1]} x {found[0]}; give the robot's camera the size that it was trained on"
                )
        return ""


def network_class(kind: str) -> Any:
    """The class of a network. Raises BadInputError for an unknown kind."""
    if kind not in NETWORKS:
        raise BadInputError(f"unknown network {kind!r}; valid: {', '.join(NETWORKS)}")
    module, _, name = NETWORKS[kind].partition(":")
    return getattr(importlib.import_module(module), name)


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """A new network. Raises BadInputError for an unknown kind."""
    network: nn.Module = network_class(kind)(**config)
    return network


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a file; an existing one is replaced at once or not at all."""
    from safetensors.numpy import save_file

    tensors = {
        f"network/{name}": tensor.detach().cpu().float().numpy().copy()
        for name, tensor in checkpoint.network.state_dict().items()
    }
    for name in ("low", "high", "mean", "scale"):
        tensors[f"scaling/{name}"] = np.ascontiguousarray(getattr(checkpoint.scaling, name), np.float32)
    tensors |= {f"extra/{name}": np.ascontiguousarray(array) for name, array in checkpoint.extra.items()}
    tensors["sentences"] = checkpoint.sentences.vectors.astype(np.float16)
    metadata = {
        "format": FORMAT,
        "kind": checkpoint.kind,
        "config": json.dumps(dict(checkpoint.config)),
        "phrases": json.dumps(checkpoint.sentences.phrases),
        "embedding": checkpoint.sentences.name,
        "about": json.dumps(dict(checkpoint.about)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata)
    unfinished.chmod(0o644)  # a shipped file is read by whoever installs it
    unfinished.replace(path)


def load(path: Path) -> Checkpoint:
    """Read a file. Raises BadInputError when it is not one, or when it does not fit the code."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise BadInputError(f"{path} is no checkpoint of this version ({FORMAT}); train one: saycan train")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError) as error:
        raise BadInputError(f"{path} cannot be read as a checkpoint: {error}") from error
    kind, config = metadata["kind"], json.loads(metadata["config"])
    try:
        network = build(kind, config)
    except TypeError as error:
        raise BadInputError(f"{path} holds a network {kind!r} that this version cannot build: {error}") from error
    weights = {
        name.removeprefix("network/"): torch.from_numpy(array)
        for name, array in tensors.items()
        if name.startswith("network/")
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BadInputError(f"{path} does not fit its network {kind!r}: {error}") from error
    network.eval().requires_grad_(False)
    low, high, mean, scale = (tensors[f"scaling/{name}"] for name in ("low", "high", "mean", "scale"))
    sentences = Sentences(json.loads(metadata["phrases"]), tensors["sentences"], name=metadata["embedding"])
    about = {"pictures": dict.fromkeys(config.get("cameras", ()), UNSAID)} | json.loads(metadata["about"])
    extra = {name.removeprefix("extra/"): array for name, array in tensors.items() if name.startswith("extra/")}
    return Checkpoint(kind, config, network, Scaling(low, high, mean, scale), sentences, about, extra)
