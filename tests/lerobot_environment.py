"""LeRobot's own environment, for tests: whether it is there, and what is made in it with the real library.

Run as a script, it is that environment's side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from saycan.errors import MissingPartError
from saycan.lerobot import find_python

ROOT = Path(__file__).resolve().parent.parent


def environment() -> Path | None:
    try:
        return find_python()
    except MissingPartError:
        return None


needs_lerobot = [
    pytest.mark.lerobot,
    pytest.mark.skipif(environment() is None, reason="LeRobot is not installed; .ci/lerobot makes its environment"),
]


def there(task: str, **arguments: Any) -> Any:
    """What a function below returns when it is called in that environment, as JSON."""
    python = environment()
    assert python is not None
    folders = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [str(python), __file__, task, json.dumps(arguments)],
        capture_output=True, text=True, timeout=240, env=os.environ | {"PYTHONPATH": folders}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def make_act(
    folder: str,
    state: int,
    action: int,
    cameras: dict[str, int | list[int]],
    bias: list[float] | None = None,
    steps: int = 1,
) -> dict[str, Any]:
    """A tiny ACT policy with random weights and its processors, saved; its own word on a grey observation.

    With `bias` its actions are those numbers, whatever it sees.
    """
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy
    from lerobot.policies.factory import make_pre_post_processors

    torch.manual_seed(0)
    inputs = {"observation.state": PolicyFeature(FeatureType.STATE, (state,))}
    sizes = {camera: [side, side] if isinstance(side, int) else side for camera, side in cameras.items()}
    for camera, size in sizes.items():
        inputs[f"observation.images.{camera}"] = PolicyFeature(FeatureType.VISUAL, (3, *size))
    config = ACTConfig(
        input_features=inputs, output_features={"action": PolicyFeature(FeatureType.ACTION, (action,))}, device="cpu",
        chunk_size=4, n_action_steps=steps, dim_model=32, n_heads=2, dim_feedforward=32, n_encoder_layers=1,
        n_vae_encoder_layers=1, latent_dim=4, pretrained_backbone_weights=None, push_to_hub=False,
    )  # fmt: skip
    policy = ACTPolicy(config).eval()
    if bias is not None:
        with torch.no_grad():
            policy.model.action_head.weight.zero_()
            policy.model.action_head.bias.copy_(torch.tensor(bias))
    zero = {name: torch.zeros(feature.shape) for name, feature in inputs.items()}
    stats = {name: {"mean": one, "std": torch.ones_like(one)} for name, one in zero.items()}
    for name, feature in inputs.items():
        if feature.type is FeatureType.VISUAL:
            stats[name] = {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)}
    scale = 1.0 if bias is not None else 1e-3
    stats["action"] = {"mean": torch.zeros(action), "std": torch.full((action,), scale)}
    before, after = make_pre_post_processors(config, dataset_stats=stats)
    for part in (policy, before, after):
        part.save_pretrained(folder)
    seen = {"observation.state": torch.full((1, state), 0.5), "task": "wave"}
    for camera, size in sizes.items():
        seen[f"observation.images.{camera}"] = torch.full((1, 3, *size), 128 / 255)
    with torch.inference_mode():
        return {"said": after(policy.select_action(before(seen)))[0].tolist()}


def make_acts(**specifications: dict[str, Any]) -> dict[str, Any]:
    """Several, each as above, by name."""
    return {name: make_act(**one) for name, one in specifications.items()}


def refusals(tables: list[dict[str, Any]], plugins: list[str]) -> list[str]:
    """What each of these robots is refused with."""
    from saycan.errors import SayCanError
    from saycan.robots.lerobot.server import ArmServer

    told = []
    for table in tables:
        try:
            ArmServer(table, plugins)
        except SayCanError as error:
            told.append(f"{type(error).__name__}: {error}")
    return told


def read_dataset(folder: str, name: str) -> dict[str, Any]:
    """A folder as LeRobotDataset sees it: counts, and some of its rows."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    data = LeRobotDataset(f"local/{name}", root=folder)
    rows = [data[index] for index in range(len(data))]
    return {
        "episodes": data.num_episodes, "frames": data.num_frames, "fps": data.fps,
        "features": sorted(data.features), "cameras": data.meta.camera_keys,
        "tasks": [row["task"] for row in rows],
        "action": [row["action"].tolist() for row in rows],
        "state": [row["observation.state"].tolist() for row in rows],
        "pixels": {key: [_levels(row[key]) for row in rows] for key in data.meta.camera_keys},
        "success": [bool(row["next.success"]) for row in rows] if "next.success" in data.features else [],
    }  # fmt: skip


def _levels(picture: Any) -> list[int]:
    """Of a picture (3, H, W) in [0, 1]."""
    return list((picture * 255).round().int().flatten().tolist())


def record_dataset(folder: str, name: str, video: bool = False) -> dict[str, Any]:
    """A set as LeRobot itself records one, of a five-joint arm and one camera: two episodes, names left out."""
    import numpy as np
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    picture = {"dtype": "video" if video else "image", "shape": (64, 64, 3), "names": ["height", "width", "channels"]}
    features = {
        "observation.state": {"dtype": "float32", "shape": (16,), "names": None},
        "action": {"dtype": "float32", "shape": (11,), "names": None},
        "observation.images.front": picture,
    }
    data = LeRobotDataset.create(f"local/{name}", fps=10, root=folder, features=features, use_videos=video)
    rng = np.random.default_rng(0)
    told: dict[str, Any] = {"joints": [], "actions": [], "greys": []}
    for task, length in (("stack the blocks", 4), ("open the box", 3)):
        for _ in range(length):
            state, action = rng.normal(size=16).astype(np.float32), rng.normal(size=11).astype(np.float32)
            grey = 20 + 30 * len(told["greys"])
            for key, value in (("joints", state.tolist()), ("actions", action.tolist()), ("greys", grey)):
                told[key].append(value)
            image = np.full((64, 64, 3), grey, np.uint8)
            row = {"observation.state": state, "action": action, "observation.images.front": image, "task": task}
            data.add_frame(row)
        data.save_episode()
    data.finalize()
    return told


if __name__ == "__main__":
    from saycan.torchvision import cure_torchvision

    cure_torchvision()
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
