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

TASKS = ("wave", "greet")
GREYS = (64, 128)
"""Levels of two pictures, one after the other."""


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


def make_checkpoint(
    folder: str,
    kind: str,
    state: int,
    action: int,
    cameras: dict[str, int | list[int]],
    bias: list[float] | None = None,
    steps: int = 1,
) -> dict[str, list[float]]:
    """A tiny policy with random weights and its processors, saved; its word on the second of two grey observations.

    Args:
        folder: Where to.
        kind: "act", "diffusion" or "smolvla".
        state, action: Numbers of the proprioception and of an action.
        cameras: Name to side, or to height and width, in pixels.
        bias: What it says whatever it sees (of an ACT).
        steps: How many actions of a chunk are carried out.

    Returns:
        Its word for each of `TASKS`.
    """
    import torch
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.factory import make_pre_post_processors

    torch.manual_seed(0)
    inputs = {"observation.state": PolicyFeature(FeatureType.STATE, (state,))}
    sizes = {camera: [side, side] if isinstance(side, int) else side for camera, side in cameras.items()}
    for camera, size in sizes.items():
        inputs[f"observation.images.{camera}"] = PolicyFeature(FeatureType.VISUAL, (3, *size))
    features = {
        "input_features": inputs, "output_features": {"action": PolicyFeature(FeatureType.ACTION, (action,))},
        "device": "cpu", "push_to_hub": False, "n_action_steps": steps,
    }  # fmt: skip
    policy = {"act": _act, "diffusion": _diffusion, "smolvla": _smolvla}[kind](features, folder).eval()
    if bias is not None:
        with torch.no_grad():
            policy.model.action_head.weight.zero_()
            policy.model.action_head.bias.copy_(torch.tensor(bias))
    zero = {name: torch.zeros(feature.shape) for name, feature in inputs.items()}
    stats = {
        name: {"mean": one, "std": torch.ones_like(one), "min": one - 1.0, "max": one + 1.0}
        for name, one in zero.items()
    }
    for name, feature in inputs.items():
        if feature.type is FeatureType.VISUAL:
            stats[name] = {"mean": torch.zeros(3, 1, 1), "std": torch.ones(3, 1, 1)}
    scale = torch.full((action,), 1.0 if bias is not None else 1e-3)
    stats["action"] = {"mean": 0.0 * scale, "std": scale, "min": -scale, "max": scale}
    before, after = make_pre_post_processors(policy.config, dataset_stats=stats)
    for part in (policy, before, after):
        part.save_pretrained(folder)
    said = {}
    for task in TASKS:
        policy.reset()
        for level in GREYS:
            seen = {"observation.state": torch.full((1, state), 0.5), "task": task}
            for camera, size in sizes.items():
                seen[f"observation.images.{camera}"] = torch.full((1, 3, *size), level / 255)
            with torch.inference_mode():
                said[task] = after(policy.select_action(before(seen)))[0].tolist()
    return said


def _act(features: dict[str, Any], folder: str) -> Any:
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    config = ACTConfig(
        **features, chunk_size=4, dim_model=32, n_heads=2, dim_feedforward=32, n_encoder_layers=1,
        n_vae_encoder_layers=1, latent_dim=4, pretrained_backbone_weights=None,
    )  # fmt: skip
    return ACTPolicy(config)


def _diffusion(features: dict[str, Any], folder: str) -> Any:
    """Looks at two observations. It does not look at the noise that it starts from: what it says can be compared."""
    import torch
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy

    config = DiffusionConfig(
        **features, horizon=8, down_dims=(16, 32), diffusion_step_embed_dim=16, n_groups=4,
        spatial_softmax_num_keypoints=4, pretrained_backbone_weights=None, num_train_timesteps=4,
        prediction_type="sample",
    )  # fmt: skip
    policy = DiffusionPolicy(config)
    first = policy.diffusion.unet.down_modules[0][0]
    with torch.no_grad():
        first.conv1.block[0].weight.zero_()
        first.residual_conv.weight.zero_()
    return policy


def _smolvla(features: dict[str, Any], folder: str) -> Any:
    """Listens to words. What it says stands well above the noise that it starts from, and does not look at."""
    import torch
    from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
    from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        PreTrainedTokenizerFast,
        SmolVLMConfig,
        SmolVLMImageProcessor,
        SmolVLMProcessor,
        SmolVLMVideoProcessor,
    )

    special = {
        "image_token": "<image>", "fake_image_token": "<fake>", "global_image_token": "<global>",
        "end_of_utterance_token": "<end>",
    }  # fmt: skip
    words = ["<pad>", "<unk>", *special.values(), *TASKS]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backbone = f"{folder}-backbone"
    SmolVLMConfig(
        text_config={
            "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": len(words),
            "pad_token_id": 0, "initializer_range": 0.5,
        },
        vision_config={
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 16,
        },
        scale_factor=2, image_token_id=words.index("<image>"),
    ).save_pretrained(backbone)  # fmt: skip
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", extra_special_tokens=special
    )
    SmolVLMProcessor(SmolVLMImageProcessor(), fast, SmolVLMVideoProcessor()).save_pretrained(backbone)
    config = SmolVLAConfig(
        **features, chunk_size=4, vlm_model_name=backbone, num_vlm_layers=2, resize_imgs_with_padding=(64, 64),
        tokenizer_max_length=8, num_steps=2, expert_width_multiplier=1.0,
    )  # fmt: skip
    policy = SmolVLAPolicy(config)
    with torch.no_grad():
        policy.model.action_in_proj.weight.zero_()
        policy.model.action_out_proj.weight.mul_(100.0)
    return policy


def make_checkpoints(**specifications: dict[str, Any]) -> dict[str, Any]:
    """Several, each as above, by name."""
    return {name: make_checkpoint(**one) for name, one in specifications.items()}


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
