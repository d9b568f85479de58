"""Serves a LeRobot checkpoint; runs in LeRobot's environment, where `saycan.lerobot.Bridge` starts it.

A question is {"observation": {"observation.state": (n,), "observation.images.head": (H, W, 3) uint8, ...}, "prompt":
phrase, "reset": whether a skill begins}, under the names that the checkpoint was trained with; the answer is
{"actions": (1, m)}, in its units. Weights are read from safetensors and settings from JSON: nothing is unpickled.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import BadInputError, MissingPartError, PolicyError
from saycan.lerobot import TESTED, require_lerobot, serve
from saycan.serving import Server, check_question

_IMAGE = "VISUAL"


class CheckpointServer(Server):
    """Serves one checkpoint; see the module.

    Args:
        checkpoint: A folder that `save_pretrained` made, or a name on the hub.
        device: Where it runs, such as "cuda"; by default where the checkpoint says, if that is here.
        port: See `Server`.

    Raises:
        BadInputError: There is no such checkpoint, or LeRobot cannot load it.
        MissingPartError: LeRobot, or what this kind of policy needs, is not installed.
    """

    def __init__(self, checkpoint: str, device: str = "", port: int = 0) -> None:
        if Path(checkpoint).exists() and not (Path(checkpoint) / "config.json").is_file():
            raise BadInputError(
                f"{checkpoint} is no LeRobot checkpoint: it has no config.json; save_pretrained makes one"
            )
        self._version = require_lerobot()
        self._checkpoint = checkpoint
        self._policy, self._before, self._after = _load(checkpoint, device, self._version)
        config = self._policy.config
        self._features = {
            name: (feature.type.value, tuple(feature.shape)) for name, feature in config.input_features.items()
        }
        self._action = config.output_features["action"].shape[0]
        self._act({name: _blank(kind, shape) for name, (kind, shape) in self._features.items()}, "warm up")
        self.begin()
        super().__init__("127.0.0.1", port)

    def about(self) -> dict[str, Any]:
        """What it looks at, and how many numbers its actions have."""
        features = {name: {"kind": kind, "shape": list(shape)} for name, (kind, shape) in self._features.items()}
        return {
            "server": f"lerobot {self._version}", "policy": self._policy.config.type, "checkpoint": self._checkpoint,
            "features": features, "action": self._action,
        }  # fmt: skip

    def begin(self) -> None:
        """Forget what was seen before."""
        for part in (self._policy, self._before, self._after):
            part.reset()

    def answer(self, question: Any) -> dict[str, Any]:
        """(1, m) actions."""
        asked = check_question(question)
        seen = self._checked(asked["observation"])
        if asked.get("reset", False):
            self.begin()
        return {"actions": self._act(seen, asked["prompt"])}

    def _checked(self, seen: Any) -> dict[str, NDArray[Any]]:
        if not isinstance(seen, Mapping) or not all(isinstance(one, np.ndarray) for one in seen.values()):
            raise BadInputError("an observation for LeRobot is a map of feature names to arrays")
        missing = [name for name in self._features if name not in seen]
        if missing:
            raise BadInputError(
                f"{self._checkpoint} looks at {', '.join(missing)}, found {', '.join(seen) or 'nothing'}"
            )
        for name, (kind, shape) in self._features.items():
            expected = (*shape[1:], shape[0]) if kind == _IMAGE else shape
            if seen[name].shape != expected or not np.isfinite(seen[name]).all():
                raise BadInputError(
                    f"{name} has shape {seen[name].shape}, or is not finite; {self._checkpoint} takes {expected}"
                )
        return {name: seen[name] for name in self._features}

    def _act(self, seen: Mapping[str, NDArray[Any]], phrase: str) -> NDArray[np.float64]:
        import torch
        from lerobot.policies.utils import prepare_observation_for_inference

        arrays = {
            name: np.array(array, np.uint8 if self._features[name][0] == _IMAGE else np.float32)
            for name, array in seen.items()
        }  # copies: what came over the wire cannot be written to, and torch wants to
        with torch.inference_mode():
            batch = prepare_observation_for_inference(arrays, torch.device(self._policy.config.device), phrase, "")
            found = self._after(self._policy.select_action(self._before(batch)))
        actions = np.asarray(found.detach().to("cpu", torch.float64).numpy()).reshape(1, -1)
        if actions.shape != (1, self._action) or not np.isfinite(actions).all():
            raise PolicyError(
                f"{self._checkpoint} answers with {actions.tolist()}, which are not {self._action} finite numbers"
            )
        return actions


def _load(checkpoint: str, device: str, version: str) -> tuple[Any, Any, Any]:
    """The policy, what comes before it, and what comes after."""
    try:
        from lerobot.configs.policies import PreTrainedConfig
        from lerobot.policies.factory import get_policy_class, make_pre_post_processors
    except ImportError as error:
        raise MissingPartError(
            f"LeRobot {version} cannot be used as {TESTED} can, which this was written for: {error}"
        ) from error
    try:
        config = PreTrainedConfig.from_pretrained(checkpoint)
        if device:
            config.device = device
        policy = get_policy_class(config.type).from_pretrained(checkpoint, config=config)
        before, after = make_pre_post_processors(
            config, pretrained_path=checkpoint, preprocessor_overrides={"device_processor": {"device": config.device}}
        )
    except ImportError as error:
        raise MissingPartError(
            f"{checkpoint} needs {error.name or error}, which LeRobot's environment lacks"
        ) from error
    except Exception as error:  # hub, JSON, safetensors and draccus have no common root
        raise BadInputError(
            f"{checkpoint} cannot be loaded as a LeRobot policy: {type(error).__name__}: {error}. It is a folder with "
            "config.json, model.safetensors and the two processors beside it (save_pretrained of each), or a name on "
            "the hub, USER/NAME"
        ) from error
    if not config.input_features or "action" not in (config.output_features or {}):
        raise BadInputError(f"{checkpoint} does not say what it looks at, or gives no action")
    return policy, before, after


def _blank(kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.zeros((*shape[1:], shape[0]), np.uint8) if kind == _IMAGE else np.zeros(shape, np.float32)


def main() -> None:
    """What the process does."""
    parser = argparse.ArgumentParser(description="Serve a LeRobot checkpoint on the loopback interface.")
    parser.add_argument("checkpoint")
    parser.add_argument("--device", default="")
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    serve(lambda: CheckpointServer(asked.checkpoint, asked.device, asked.port))


if __name__ == "__main__":
    main()
