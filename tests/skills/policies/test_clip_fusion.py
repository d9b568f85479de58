import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from saycan.skills.policies.clip import build_vision
from saycan.skills.policies.clip_fusion import ClipFusion
from tests.skills.policies.batches import CAMERAS, STATE, TEXT, batch, overfit

TINY = {
    "kind": "transformers",
    "vision": {
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 8,
    },
}
OPEN = {
    "kind": "open_clip",
    "model": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 24, "head_width": 12, "patch_size": 8},
    },
}


def tiny(vision: dict[str, Any] | None = None, **changes: Any) -> ClipFusion:
    torch.manual_seed(0)
    sizes = {"width": 32, "layers": 2, "heads": 2, "dropout": 0.0, "vision": vision or TINY}
    return ClipFusion.small(CAMERAS, TEXT, STATE, **(sizes | changes))


def test_the_small_network_has_the_contracts_shapes() -> None:
    network = ClipFusion.small(CAMERAS, TEXT, STATE, history=2, chunk=3).eval()
    inputs, _ = batch(2, 2, chunk=3)
    actions = network.actions(inputs)
    assert actions.shape == (2, 3, 11) and actions.dtype == torch.float32 and actions.abs().max() <= 1
    assert (network.history, network.chunk) == (2, 3)


@pytest.mark.parametrize("vision", [TINY, OPEN], ids=["transformers", "open_clip"])
def test_eight_samples_are_learned_by_heart(vision: dict[str, Any]) -> None:
    network = tiny(vision)
    inputs, targets = batch(8, side=32)
    overfit(network, inputs, targets, steps=150)
    with torch.no_grad():
        actions = network.actions(inputs)
    assert (actions - targets.actions)[..., :6].abs().mean() < 0.1  # a random answer errs by 0.7
    assert torch.equal(actions[..., [6, 10]].sign(), targets.actions[..., [6, 10]])


def test_a_frozen_tower_is_not_trained_and_the_rest_is() -> None:
    network = tiny(frozen=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inputs, targets = batch(2, side=32)
    overfit(network, inputs, targets, steps=1)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not any(name.startswith("vision.") for name in changed) and {"see.weight", "told.weight"} <= changed
    assert not network.train().vision.training


def test_a_tower_that_is_fine_tuned_is_trained() -> None:
    network = tiny(frozen=False)
    inputs, targets = batch(2, side=32)
    network.losses(inputs, targets)["action"].backward()
    assert network.vision.tower.embeddings.patch_embedding.weight.grad.abs().sum() > 0


def test_sentence_images_steps_and_proprioception_all_count() -> None:
    network = tiny(history=2).eval()
    inputs, _ = batch(1, 2, side=32)
    before = network.actions(inputs)
    older = {name: x.clone() for name, x in inputs.images.items()}
    older["wrist"][:, 0] = 0
    for other in (
        replace(inputs, text=inputs.text + 1),
        replace(inputs, state=inputs.state + 1),
        replace(inputs, images=older),
        replace(inputs, images={"head": inputs.images["wrist"], "wrist": inputs.images["head"]}),
    ):
        assert not torch.allclose(network.actions(other), before, atol=1e-6)


def test_auxiliary_losses_are_there_only_with_their_labels() -> None:
    network = tiny()
    inputs, targets = batch(2, side=32)
    assert set(network.losses(inputs, targets)) == {"action", "switches", "pointing", "goal"}
    assert set(network.losses(inputs, replace(targets, points={}, goal=None))) == {"action", "switches"}


def test_a_row_without_a_goal_teaches_nothing_about_goals() -> None:
    network = tiny().eval()
    inputs, targets = batch(2, side=32)
    assert targets.goal is not None
    none = network.losses(inputs, replace(targets, goal=targets.goal * float("nan")))["goal"]
    some = targets.goal.clone()
    some[1] = float("nan")
    alone = network.losses(inputs, replace(targets, goal=some))["goal"]
    assert none == 0 and torch.isfinite(alone) and alone > 0


def test_what_is_commanded_while_terminating_does_not_count() -> None:
    network = tiny().eval()
    inputs, targets = batch(2, side=32)
    ended, other = targets.actions.clone(), targets.actions.clone()
    ended[0, 0, 10] = other[0, 0, 10] = 1
    other[0, 0, :6] *= -1
    one, two = (network.losses(inputs, replace(targets, actions=a))["action"] for a in (ended, other))
    assert one == two != network.losses(inputs, targets)["action"]


def test_only_actions_within_the_episode_count() -> None:
    network = tiny(chunk=2).eval()
    inputs, targets = batch(2, chunk=2, side=32)
    masked = replace(targets, mask=torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    actions = masked.actions.clone()
    actions[:, 1] *= -1
    one, other = network.losses(inputs, masked), network.losses(inputs, replace(masked, actions=actions))
    assert one["action"] == other["action"] and one["switches"] == other["switches"]


@pytest.mark.parametrize("vision", [TINY, OPEN], ids=["transformers", "open_clip"])
def test_a_network_comes_back_from_its_configuration_and_safetensors(vision: dict[str, Any], tmp_path: Path) -> None:
    network = tiny(vision).eval()
    save_file(network.state_dict(), tmp_path / "clip.safetensors")
    other = ClipFusion(**json.loads(json.dumps(network.config()))).eval()
    other.load_state_dict(load_file(tmp_path / "clip.safetensors"))
    inputs, _ = batch(2, side=32)
    assert torch.equal(network.actions(inputs), other.actions(inputs))


class FakeClip:
    """A CLIP of a size of its own, with random weights."""

    def __init__(self, vision: dict[str, Any]) -> None:
        self.vision, self.text_width = build_vision(vision), 7

    def embed_text(self, phrases: list[str]) -> torch.Tensor:
        return torch.randn(len(phrases), self.text_width)


@pytest.mark.parametrize("vision", [TINY, OPEN], ids=["transformers", "open_clip"])
def test_a_pretrained_clip_brings_its_weights_and_its_widths(vision: dict[str, Any]) -> None:
    torch.manual_seed(1)
    clip = FakeClip(vision)
    network = ClipFusion.pretrained(clip, CAMERAS, STATE, width=32, heads=2, layers=1).eval()
    inputs, _ = batch(3, side=32, text=7)
    assert network.frozen and network.actions(replace(inputs, text=clip.embed_text(["a", "b", "c"]))).shape == (
        3,
        1,
        11,
    )
    images = inputs.images["head"][:, 0]
    with torch.no_grad():
        assert torch.equal(network.vision(images), clip.vision.eval()(images))


def test_it_says_where_it_looks() -> None:
    inputs, _ = batch(2, side=32)
    maps = tiny().eval().looks_at(inputs)
    assert set(maps) == set(inputs.images)
    for map_ in maps.values():
        assert map_.ndim == 3 and torch.allclose(map_.exp().sum(dim=(1, 2)), torch.ones(2), atol=1e-4)
