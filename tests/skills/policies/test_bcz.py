from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from saycan.skills.features import STATE as STATE_SIZE
from saycan.skills.policies.bcz import BCZ, HUBER, WEIGHTS, Block, Eye
from saycan.skills.policies.film import FiLM
from saycan.skills.policies.network import Inputs
from tests.skills.policies.batches import CAMERAS, STATE, TEXT, batch, overfit


def small(**changes: object) -> BCZ:
    torch.manual_seed(0)
    sizes = {
        "state": STATE,
        "stem": 8,
        "stages": [[16, 1, 2]],
        "keypoints": 4,
        "looks": 1,
        "hidden": 32,
        "sentence": 16,
    }
    return BCZ(CAMERAS, TEXT, **(sizes | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paper() -> BCZ:
    torch.manual_seed(0)
    return BCZ.paper()


def test_the_papers_network_is_a_resnet_18(paper: BCZ) -> None:
    eye = paper.eyes["head"]
    blocks = [block for block in eye.blocks if isinstance(block, Block)]
    assert [block.second.out_channels for block in blocks] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [block.first.stride[0] for block in blocks] == [1, 1, 2, 1, 2, 1, 2, 1]
    assert eye.stem.kernel_size == (7, 7) and eye.stem.out_channels == 64  # type: ignore[union-attr]
    # 18 layers with weights: the stem, two in each of eight blocks, and the classifier that a policy does without.
    assert sum(isinstance(m, torch.nn.Conv2d) and m.kernel_size[0] > 1 for m in eye.modules()) == 17
    weights = sum(m.weight.numel() for m in eye.modules() if isinstance(m, torch.nn.Conv2d))
    assert weights == 11_166_912  # of the convolutions of torchvision's resnet18, skips included
    total = sum(weight.numel() for weight in paper.parameters())
    assert 12e6 < total < 13e6


def test_the_papers_network_films_every_block_and_predicts_ten_actions(paper: BCZ) -> None:
    assert sum(isinstance(module, FiLM) for module in paper.modules()) == 8
    assert (paper.history, paper.chunk) == (1, 10)
    images = {"head": torch.zeros(1, 1, 3, 64, 64, dtype=torch.uint8)}
    inputs = Inputs(images, torch.zeros(1, 1, STATE_SIZE), torch.randn(1, 512))
    with torch.inference_mode():
        actions = paper.eval().actions(inputs)
    assert actions.shape == (1, 10, 11)
    widths = [layer.out_features for layer in paper.body if isinstance(layer, torch.nn.Linear)]
    assert widths == [256, 256]  # two hidden layers of 256


def test_its_map_has_a_thirty_second_of_the_pictures_size(paper: BCZ) -> None:
    eye = paper.eyes["head"]
    with torch.inference_mode():
        x = eye.pool(eye.stem(torch.zeros(1, 3, 64, 64)))  # type: ignore[operator]
        assert x.shape[2:] == (16, 16)  # a quarter
        for block in eye.blocks:  # type: ignore[union-attr]
            x = block(x, torch.zeros(1, 256))
    assert x.shape == (1, 512, 2, 2)  # 1/32


def test_a_sentence_changes_nothing_in_an_untrained_eye_and_something_in_a_trained_one() -> None:
    eye = Eye(TEXT, 8, [[16, 2, 2]], 4, 1).eval()
    pixels, text = torch.randn(1, 3, 32, 32).expand(2, -1, -1, -1), torch.randn(2, TEXT)
    seen = eye(pixels, text)
    assert torch.allclose(seen.features[0], seen.features[1], atol=1e-6)
    assert torch.allclose(seen.logits[0], seen.logits[1], atol=1e-6)
    block = eye.blocks[0]
    torch.nn.init.normal_(block.film.project.weight)  # type: ignore[union-attr, arg-type]
    features = eye(pixels, text).features
    assert (features[0] - features[1]).abs().max() > 0.01


def test_keypoints_are_where_the_attention_is() -> None:
    eye = Eye(TEXT, 8, [[8, 1, 2]], 2, 1).eval()
    logits = torch.full((1, 2, 8, 8), -30.0)
    logits[0, 0, 1, 6] = logits[0, 1, 7, 0] = 30.0

    class Attention(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape == (1, 8, 8, 8)
            return logits

    eye.attention = Attention()  # type: ignore[assignment]
    seen = eye(torch.randn(1, 3, 32, 32), torch.randn(1, TEXT))
    features, first = seen.features, seen.logits
    # x from left to right, y from top to bottom, cells' middles.
    assert features[0, :4].tolist() == pytest.approx([6.5 / 4 - 1, 1.5 / 4 - 1, 0.5 / 4 - 1, 7.5 / 4 - 1], abs=1e-5)
    assert features[0, 4:6].tolist() == pytest.approx([1, 1])
    assert features.shape[1] == eye.size == 2 * 3 + 8
    assert torch.equal(first, logits[:, 0])


def test_a_query_points_at_what_it_names_and_every_map_sees_it() -> None:
    eye = Eye(TEXT, 8, [[8, 1, 2]], 2, 1, finder=8).eval()
    things = torch.zeros(1, 8, 8, 8)
    things[0, 3, 2, 5] = things[0, 4, 6, 1] = 60.0

    class Finder(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return things

    eye.finder = Finder()  # type: ignore[assignment]
    torch.nn.init.zeros_(eye.attention.weight)  # type: ignore[union-attr, arg-type]
    torch.nn.init.constant_(eye.hint, 40.0)  # type: ignore[arg-type]
    for channel, (row, column) in ((3, (2, 5)), (4, (6, 1))):
        query = torch.zeros(1, 8)
        query[0, channel] = 2.0
        seen = eye(torch.randn(1, 3, 32, 32), torch.randn(1, TEXT), query)
        spot = pytest.approx([(column + 0.5) / 4 - 1, (row + 0.5) / 4 - 1], abs=1e-3)
        assert seen.features.shape == (1, eye.size)
        assert seen.features[0, -3:-1].tolist() == spot  # what the query found
        assert seen.features[0, :2].tolist() == spot  # and what attention 0 makes of it


def test_a_network_learns_names_from_everything_in_the_picture() -> None:
    network = small(finder=8)
    inputs, targets = batch(2)
    assert "naming" not in network.losses(inputs, targets)
    spots = torch.tensor([[[-0.8, -0.8, 1.0], [0.8, 0.8, 1.0]]]).expand(2, -1, -1)
    targets = replace(targets, named=torch.randn(1, 2, TEXT).expand(2, -1, -1), spots=dict.fromkeys(CAMERAS, spots))
    before = float(network.losses(inputs, targets)["naming"].detach())
    overfit(network, inputs, targets, 60)
    assert float(network.losses(inputs, targets)["naming"].detach()) < 0.3 * before
    absent = replace(targets, spots=dict.fromkeys(CAMERAS, spots * torch.tensor([1.0, 1.0, 0.0])))
    assert float(network.losses(inputs, absent)["naming"].detach()) == 0.0


def raw(network: BCZ, value: torch.Tensor) -> None:
    network._look = lambda inputs: (value, {}, torch.zeros(len(value), 3))  # type: ignore[method-assign]


def test_the_loss_of_moves_is_huber_and_weighs_each_channel() -> None:
    network = small(chunk=2)
    inputs, targets = batch(2, chunk=2)
    for channel in range(10):
        for error in (0.5 * HUBER, 4 * HUBER):
            wrong = targets.actions.clone()
            wrong[..., channel] += error
            raw(network, wrong)
            losses = network.losses(inputs, replace(targets, goal=None, points={}))
            huber = 0.5 * error**2 if error < HUBER else HUBER * (error - 0.5 * HUBER)
            assert float(losses["action"]) == pytest.approx(WEIGHTS[channel] * huber / HUBER, rel=1e-4)


def test_steps_after_the_end_and_moves_while_ending_do_not_count() -> None:
    network = small(chunk=3)
    inputs, targets = batch(1, chunk=3)
    targets.actions[0, 1, 10] = 1.0  # ends at the second, so there is no third
    targets = replace(targets, mask=torch.tensor([[1.0, 1.0, 0.0]]), goal=None, points={})
    right = targets.actions.clone()
    right[..., 10] *= 20.0
    wrong = right.clone()
    wrong[0, 1, :10] += 1.0
    wrong[0, 2] -= 5.0
    raw(network, right)
    before = network.losses(inputs, targets)
    raw(network, wrong)
    after = network.losses(inputs, targets)
    assert before["action"] == after["action"] == 0
    assert float(before["terminate"]) == float(after["terminate"]) == pytest.approx(0.0, abs=1e-6)
    wrong[0, 1, 10] *= -1  # goes on where it should end
    assert float(network.losses(inputs, targets)["terminate"]) > 0.1


def test_an_unknown_goal_costs_nothing() -> None:
    network = small()
    inputs, targets = batch(3)
    known = network.losses(inputs, targets)["goal"]
    assert known > 0
    assert "goal" not in network.losses(inputs, replace(targets, goal=None))
    nowhere = network.losses(inputs, replace(targets, goal=torch.full((3, 3), np.nan)))
    assert nowhere["goal"] == 0


def test_actions_stay_in_their_range_and_terminate_is_a_decision() -> None:
    network = small(chunk=2)
    inputs, _ = batch(2, chunk=2)
    value = torch.randn(2, 2, 11) * 5
    raw(network, value)
    actions = network.actions(inputs)
    assert actions.abs().max() <= 1
    assert torch.equal(actions[..., :10], value[..., :10].clamp(-1, 1))
    assert torch.equal(actions[..., 10] > 0, value[..., 10] > 0)


@pytest.mark.parametrize("changes", [{}, {"history": 3, "chunk": 4}, {"keypoints": 0}, {"state": 0}])
def test_shapes(changes: dict) -> None:
    network = small(**changes)
    inputs, targets = batch(2, network.history, network.chunk, side=32)
    actions, logits, goal = network(inputs)
    assert actions.shape == (2, network.chunk, 11) and goal.shape == (2, 3)
    assert {*logits} == ({*CAMERAS} if "keypoints" not in changes else set())
    assert all(map.shape == (2, 8, 8) for map in logits.values())
    losses = network.losses(inputs, targets)
    assert {*losses} == {"action", "terminate", "goal"} | ({"pointing"} if logits else set())
    sum(losses.values()).backward()  # type: ignore[union-attr]
    assert all(weight.grad is not None for weight in network.head.parameters())


def test_config_builds_the_same_network_again() -> None:
    network = small(history=2, chunk=3)
    again = BCZ(**network.config())
    again.load_state_dict(network.state_dict())
    inputs, _ = batch(1, 2, 3, side=32)
    assert torch.equal(network(inputs)[0], again(inputs)[0])


def test_it_learns_which_of_two_sentences_means_what() -> None:
    network = small()
    inputs, targets = batch(2, side=16)
    same = Inputs({name: images[:1].expand(2, -1, -1, -1, -1) for name, images in inputs.images.items()},
                  inputs.state[:1].expand(2, -1, -1), inputs.text)  # fmt: skip
    overfit(network, same, targets, 60, 1e-2)
    with torch.inference_mode():
        assert (network.actions(same)[:, 0, :3] - targets.actions[:, 0, :3]).abs().max() < 0.25
    assert (targets.actions[0, 0, :3] - targets.actions[1, 0, :3]).abs().max() > 0.5
