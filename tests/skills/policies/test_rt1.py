import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from saycan.errors import BadInputError, UnknownNameError
from saycan.skills.policies.network import Inputs
from saycan.skills.policies.rt1 import RT1, Window
from saycan.skills.policies.rt1.bins import BINS, around, from_bins, to_bins
from saycan.skills.policies.rt1.token_learner import TokenLearner
from saycan.skills.policies.rt1.tokenizer import FilmEfficientNet
from saycan.skills.policies.rt1.transformer import CausalTransformer
from tests.skills.policies.batches import CAMERAS, STATE, TEXT, batch, overfit


def small(**changes: object) -> RT1:
    torch.manual_seed(0)
    return RT1.small(CAMERAS, TEXT, STATE, **({"width": 32, "layers": 2, "head": 8, "hidden": 64} | changes))


@pytest.fixture(scope="module")
def paper() -> RT1:
    torch.manual_seed(0)
    return RT1.paper()


def test_a_number_comes_back_from_its_bin_within_half_a_bin() -> None:
    actions = torch.linspace(-1, 1, 4001)
    assert (from_bins(to_bins(actions)) - actions).abs().max() <= 1 / (BINS - 1) + 1e-6
    assert torch.equal(to_bins(from_bins(torch.arange(BINS))), torch.arange(BINS))
    assert to_bins(torch.tensor([-9.0, 9.0])).tolist() == [0, BINS - 1]
    assert from_bins(to_bins(torch.tensor([0.0]))) == 0  # standing still is not creeping


def test_a_blurred_action_is_likeliest_in_its_own_bin() -> None:
    actions = torch.tensor([[-1.0, -0.3, 0.0], [0.25, 0.77, 1.0]])
    blurred = around(actions, spread=8.0)
    assert blurred.shape == (2, 3, BINS) and torch.allclose(blurred.sum(-1), torch.ones(2, 3))
    assert torch.equal(blurred.argmax(-1), to_bins(actions))
    assert blurred[1, 0, to_bins(actions)[1, 0] + 8] > 0.5 * blurred[1, 0].max()  # a deviation away: exp(-1/2)
    sharp = around(actions, spread=0.0)
    assert torch.equal(sharp.argmax(-1), to_bins(actions)) and torch.equal(sharp.max(-1).values, torch.ones(2, 3))


def test_the_papers_loss_is_the_cross_entropy_of_the_bins() -> None:
    network = small(spread=0.0, dropout=0.0, pointing=0.0).eval()
    inputs, targets = batch(2, network.history, side=32)
    logits = network.predict(network.tokens(inputs))
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 2), to_bins(targets.actions).flatten())
    assert torch.isclose(network.losses(inputs, targets)["action"], plain)


def test_token_learner_takes_weighted_means_of_the_places() -> None:
    tokens, maps = TokenLearner(16, 8)(x := torch.randn(3, 16, 9, 9))
    assert tokens.shape == (3, 8, 16) and maps.shape == (3, 8, 9, 9)
    assert torch.allclose(maps.exp().sum((2, 3)), torch.ones(3, 8), atol=1e-5)
    assert torch.allclose(tokens, torch.einsum("nshw,ndhw->nsd", maps.exp(), x), atol=1e-5)


def test_token_learner_with_places_tells_a_mirrored_image_from_its_original() -> None:
    """Without coordinates a mean over places cannot: the features are the same, elsewhere."""
    x = torch.randn(1, 16, 8, 8)
    torch.manual_seed(0)
    plain, placed = TokenLearner(16, 4), TokenLearner(16, 4, place=True)
    assert torch.allclose(plain(x)[0], plain(x.flip(3))[0], atol=1e-5)
    assert not torch.allclose(placed(x)[0], placed(x.flip(3))[0], atol=1e-2)


def test_the_papers_figures(paper: RT1) -> None:
    def millions(module: torch.nn.Module) -> float:
        return sum(p.numel() for p in module.parameters()) / 1e6

    assert millions(paper) == pytest.approx(35, abs=1)
    assert millions(paper.tokenizer) == pytest.approx(16, abs=1)
    assert millions(paper.transformer) == pytest.approx(19, abs=0.5)
    assert len(paper.tokenizer.films) == 26
    assert paper.history * paper.step_tokens == 48
    assert paper.bins == 256 and paper.chunk == 1 and len(paper.transformer.layers) == 8


def test_the_papers_size_runs_forward_and_backward(paper: RT1) -> None:
    assert paper.tokenizer.eval()(torch.zeros(1, 3, 300, 300, dtype=torch.uint8), torch.zeros(1, 512)).shape[1:] == (
        512,
        9,
        9,
    )
    paper.history_gradient = False  # one image of six backward is enough here
    inputs, targets = batch(1, 6, side=64, text=512)  # resized to 300
    losses = paper.train().losses(inputs, replace(targets, points={}))
    losses["action"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in paper.parameters())
    paper.zero_grad(set_to_none=True)
    assert paper.predict(torch.randn(2, 6, 8, 512)).shape == (2, 1, 11, 256)


def test_film_leaves_the_efficient_net_as_it_was_at_first() -> None:
    tokenizer = FilmEfficientNet(8, 4, image=64, name="efficientnet_b0").eval()
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        one, other = tokenizer(images, torch.randn(1, 8)), tokenizer(images, torch.randn(1, 8))
        assert torch.equal(one, other)
        tokenizer.films[3].project.weight.normal_()
        assert not torch.equal(one, tokenizer(images, torch.randn(1, 8)))


def test_weights_in_torchvisions_format_go_where_they_belong(tmp_path: Path) -> None:
    ours = FilmEfficientNet(8, 4, image=64, name="efficientnet_b0")
    from torchvision.models import efficientnet_b0  # after the tokenizer's own import, which cures torchvision

    theirs = efficientnet_b0(weights=None)
    torch.save(theirs.state_dict(), tmp_path / "b0.pth")
    ours.load_imagenet(tmp_path / "b0.pth")
    stem, *stages, head = theirs.features
    pairs = [(ours.stem, stem), *zip(ours.blocks, [b for s in stages for b in s], strict=True), (ours.head, head)]
    for mine, other in pairs:
        there = other.state_dict()
        assert all(torch.equal(tensor, there[name]) for name, tensor in mine.state_dict().items())
    with pytest.raises(BadInputError, match="efficientnet_b3"):
        FilmEfficientNet(8, 4, name="efficientnet_b1").load_imagenet(tmp_path / "b0.pth")


def test_a_later_frame_does_not_change_what_was_thought_of_an_earlier_one() -> None:
    torch.manual_seed(0)
    transformer = CausalTransformer(16, 2, 2, 8, steps=4, tokens=3, questions=5).eval()
    steps = torch.randn(1, 4, 3, 16)
    changed = steps.clone()
    changed[:, 2] += 1
    (answers, before), (other_answers, after) = transformer(steps), transformer(changed)
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2], after[:, 2]) and not torch.allclose(before[:, 3], after[:, 3])
    assert not torch.allclose(answers, other_answers)


def test_the_dimensions_of_an_action_do_not_look_at_each_other() -> None:
    torch.manual_seed(0)
    transformer = CausalTransformer(16, 2, 2, 8, steps=2, tokens=3, questions=5).eval()
    steps = torch.randn(1, 2, 3, 16)
    before = transformer(steps)[0]
    with torch.no_grad():
        transformer.questions[2] += 1
    after = transformer(steps)[0]
    others = [0, 1, 3, 4]
    assert torch.equal(before[:, others], after[:, others]) and not torch.allclose(before[:, 2], after[:, 2])


def test_eight_samples_are_learned_by_heart() -> None:
    network = small(width=64, dropout=0.0, place=True)
    inputs, targets = batch(8, network.history, side=32)
    overfit(network, inputs, targets, steps=60)
    with torch.no_grad():
        error = (network.actions(inputs) - targets.actions).abs().mean()
    assert error < 0.1, error  # a random answer errs by 0.7


def test_only_actions_within_the_episode_count() -> None:
    network = small(chunk=2, dropout=0.0).eval()
    inputs, targets = batch(2, network.history, chunk=2)
    masked = replace(targets, mask=torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    changed = masked.actions.clone()
    changed[:, 1] *= -1
    assert (
        network.losses(inputs, masked)["action"] == network.losses(inputs, replace(masked, actions=changed))["action"]
    )
    assert network.actions(inputs).shape == (2, 2, 11)


def test_what_is_commanded_while_terminating_does_not_count() -> None:
    network = small(dropout=0.0).eval()
    inputs, targets = batch(2, network.history, side=32)
    ended, other = targets.actions.clone(), targets.actions.clone()
    ended[0, 0, 10] = other[0, 0, 10] = 1
    other[0, 0, :6] *= -1
    one, two = (network.losses(inputs, replace(targets, actions=a))["action"] for a in (ended, other))
    assert one == two != network.losses(inputs, targets)["action"]


def test_the_pointing_loss_is_there_only_with_points() -> None:
    network = small()
    inputs, targets = batch(2, network.history)
    assert set(network.losses(inputs, targets)) == {"action", "pointing"}
    assert set(network.losses(inputs, replace(targets, points={}))) == {"action"}
    assert set(small(pointing=0.0).losses(inputs, targets)) == {"action"}


def test_it_says_where_it_looks() -> None:
    inputs, _ = batch(2, history=small().history)
    maps = small().eval().looks_at(inputs)
    assert set(maps) == set(inputs.images)
    for map_ in maps.values():
        assert map_.ndim == 3 and torch.allclose(map_.exp().sum(dim=(1, 2)), torch.ones(2), atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_window_gives_the_same_actions_as_the_whole_history(stride: int) -> None:
    network = small().eval()
    inputs, _ = batch(1, 7)

    def steps(a: int, b: int) -> Inputs:
        return Inputs({n: x[:, a:b] for n, x in inputs.images.items()}, inputs.state[:, a:b], inputs.text)

    window = Window(network, stride)
    for t in range(7):
        before = [max(0, t - k * stride) for k in reversed(range(network.history))]
        whole = Inputs({n: x[:, before] for n, x in inputs.images.items()}, inputs.state[:, before], inputs.text)
        with torch.no_grad():
            assert torch.equal(window.actions(steps(t, t + 1)), network.actions(whole))
    window.reset()
    assert torch.equal(window.actions(steps(0, 1)), Window(network).actions(steps(0, 1)))


def test_proprioception_is_read_only_where_it_was_asked_for() -> None:
    inputs, _ = batch(2, 3)
    other = replace(inputs, state=inputs.state + 1)
    reads, ignores = small().eval(), RT1.small(CAMERAS, TEXT, 0, width=32, head=8).eval()
    assert not torch.equal(reads.predict(reads.tokens(inputs)), reads.predict(reads.tokens(other)))
    assert torch.equal(ignores.predict(ignores.tokens(inputs)), ignores.predict(ignores.tokens(other)))


def test_a_network_comes_back_from_its_configuration_and_safetensors(tmp_path: Path) -> None:
    network = small().eval()
    save_file(network.state_dict(), tmp_path / "rt1.safetensors")
    other = RT1(**json.loads(json.dumps(network.config()))).eval()
    other.load_state_dict(load_file(tmp_path / "rt1.safetensors"))
    inputs, _ = batch(2, network.history)
    assert torch.equal(network.actions(inputs), other.actions(inputs))


def test_a_backbone_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnknownNameError, match="efficientnet_b3"):
        RT1(("head",), TEXT, backbone="resnet50")
