from __future__ import annotations

import math

import pytest
import torch

from saycan.skills.features import BODY, PLACE
from saycan.skills.values.network import ValueNetwork, binary_loss, pointing_loss
from tests.skills.data.builder import CAMERAS, TEXT


def small(cameras: tuple[str, ...] = CAMERAS) -> ValueNetwork:
    torch.manual_seed(0)
    return ValueNetwork(cameras, TEXT, stem=8, channels=8, blocks=1, heads=2, width=4, hidden=16).eval()


def pictures(size: int = 2, side: int = 16, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {name: torch.randint(0, 256, (size, 3, side, side), dtype=torch.uint8, generator=g) for name in CAMERAS}


def test_shapes_of_a_look_and_of_answers() -> None:
    network = small()
    look = network.look(pictures(2, 32), torch.randn(2, BODY))
    assert look.counts == (64, 64)  # a quarter of the picture's size
    assert look.keys.shape == look.values.shape == (2, 128, 8)
    assert look.coherent.shape == (2,) and look.features.shape == (2, 32)
    answers = network.ask(look, network.read(torch.randn(5, TEXT)), torch.randn(2, 5, PLACE))
    assert answers.value.shape == answers.possible.shape == answers.done.shape == (2, 5)
    assert [scores.shape for scores in answers.attention] == [(2, 2, 5, 64)] * 2


def test_a_phrase_is_answered_alike_whatever_else_is_asked_and_of_whom() -> None:
    network, body = small(), torch.randn(3, BODY)
    look = network.look(pictures(3), body)
    text, place = torch.randn(40, TEXT), torch.randn(3, 40, PLACE)
    all_at_once = network.ask(look, network.read(text), place)
    for index in (0, 17, 39):
        alone = network.ask(look, network.read(text[index : index + 1]), place[:, index : index + 1])
        for name in ("value", "possible", "done"):
            assert torch.allclose(getattr(alone, name)[:, 0], getattr(all_at_once, name)[:, index], atol=1e-5)
    own = network.ask(look, network.read(text.expand(3, -1, -1)), place)  # an embedding for each observation
    assert torch.allclose(own.done, all_at_once.done, atol=1e-5)
    first = network.look({name: images[:1] for name, images in pictures(3).items()}, body[:1])
    assert torch.allclose(first.keys, look.keys[:1], atol=1e-5)
    assert torch.allclose(first.coherent, look.coherent[:1], atol=1e-5)


def test_every_part_of_the_question_matters() -> None:
    network = small()
    body, text, place = torch.randn(1, BODY), torch.randn(1, TEXT), torch.randn(1, 1, PLACE)
    plain = network.ask(network.look(pictures(1), body), network.read(text), place).done
    for other in (
        network.ask(network.look(pictures(1, seed=1), body), network.read(text), place),
        network.ask(network.look(pictures(1), body + 1), network.read(text), place),
        network.ask(network.look(pictures(1), body), network.read(text + 1), place),
        network.ask(network.look(pictures(1), body), network.read(text), place + 1),
    ):
        assert (other.done - plain).abs() > 1e-4


def test_each_camera_has_an_eye_of_its_own() -> None:
    network = small()
    images = pictures(1)
    swapped = {"head": images["wrist"], "wrist": images["head"]}
    body = torch.zeros(1, BODY)
    assert not torch.allclose(network.look(images, body).features, network.look(swapped, body).features, atol=1e-3)
    reordered = {"wrist": images["wrist"], "head": images["head"]}
    assert torch.equal(network.look(images, body).features, network.look(reordered, body).features)


def test_pointing_is_cheapest_at_the_true_cell_of_each_camera() -> None:
    # The second camera sees the thing right of and a little above the middle: row 1, column 3 of 4 x 4.
    where = torch.tensor([[[[0.0, 0.0, 0.0], [0.75, -0.25, 1.0]]]])
    losses = []
    for cell in range(32):
        attention = [torch.zeros(1, 2, 1, 16), torch.zeros(1, 2, 1, 16)]
        attention[cell // 16][0, 0, 0, cell % 16] = 5.0  # the first head
        losses.append(float(pointing_loss(attention, where)))
    assert min(range(32), key=losses.__getitem__) == 16 + 4 + 3
    assert losses[23] == pytest.approx(math.log(1 + 15 * math.exp(-5)), abs=1e-4)
    assert losses[0] == pytest.approx(math.log(16), abs=1e-4)  # the other camera does not matter
    other_head = [torch.zeros(1, 2, 1, 16), torch.zeros(1, 2, 1, 16)]
    other_head[1][0, 1, 0, 7] = 5.0
    assert float(pointing_loss(other_head, where)) == pytest.approx(math.log(16), abs=1e-4)
    assert pointing_loss([torch.randn(1, 2, 1, 16)] * 2, where * 0) == 0


def test_binary_loss_is_the_mean_over_what_is_known() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0]])
    target, weight = torch.tensor([[0.25, 1.0, 1.0]]), torch.tensor([[1.0, 3.0, 0.0]])
    wanted = (math.log(2) + 3 * math.log(1 + math.exp(-2))) / 4
    assert float(binary_loss(logits, target, weight)) == pytest.approx(wanted, rel=1e-5)
    assert binary_loss(logits, target, weight * 0) == 0


def test_config_builds_the_same_network_again() -> None:
    network = small()
    again = ValueNetwork(**network.config()).eval()
    again.load_state_dict(network.state_dict())
    look, other = (one.look(pictures(1), torch.zeros(1, BODY)) for one in (network, again))
    assert torch.equal(look.features, other.features)
    assert {*small(("head",)).config()["cameras"]} == {"head"}


def test_the_default_network_is_small_enough_to_ship() -> None:
    assert sum(weight.numel() for weight in ValueNetwork().parameters()) * 4 < 5e6  # bytes
