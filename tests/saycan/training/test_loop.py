from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from saycan.errors import BadInputError
from saycan.training.loop import CURVE, STATE, Progress, Recipe, read_curve, train

RECIPE = Recipe(steps=12, batch=8, rate=0.05, warmup=3, save=0.0, evaluate=4)
Losses = Callable[[nn.Module, np.random.Generator, int], dict[str, Tensor]]


def make(width: int = 4) -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(3, width), nn.GroupNorm(2, width), nn.Tanh(), nn.Linear(width, 1))


def losses(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
    x = torch.from_numpy(rng.normal(size=(size, 3)).astype(np.float32))
    error = network(x)[:, 0] - (x[:, 0] - 2 * x[:, 1])
    return {"square": error.square().mean(), "size": 0.01 * sum(w.square().sum() for w in network.parameters())}


def dying_at(step: int) -> Losses:
    calls = 0

    def some(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls > step:
            raise KeyboardInterrupt
        return losses(network, rng, size)

    return some


def weights(network: nn.Module) -> list[list[float]]:
    return [tensor.flatten().tolist() for tensor in network.state_dict().values()]


def go(folder: Path, recipe: Recipe = RECIPE, losses: Losses = losses, **options: Any) -> nn.Module:
    return train(make(), losses, recipe, folder, device="cpu", **options)


def test_the_rate_goes_up_in_a_line_and_down_in_a_cosine() -> None:
    recipe = Recipe(steps=110, rate=0.4, warmup=10)
    assert [recipe.rate_at(step) for step in (0, 4, 9, 10)] == pytest.approx([0.04, 0.2, 0.4, 0.4])
    assert recipe.rate_at(60) == pytest.approx(0.2)  # half-way
    assert recipe.rate_at(35) == pytest.approx(0.4 * 0.5 * (1 + np.cos(np.pi / 4)))
    assert recipe.rate_at(110) == pytest.approx(0.0) == recipe.rate_at(500)
    assert Recipe(warmup=0, rate=1.0).rate_at(0) == 1.0


def test_it_learns(tmp_path: Path) -> None:
    network = go(tmp_path, replace(RECIPE, steps=150, save=1e9))
    assert not network.training
    rng = np.random.default_rng(99)
    assert losses(network, rng, 200)["square"] < 0.3 * losses(make(), rng, 200)["square"]


def test_stopped_and_called_again_it_ends_with_the_very_same_weights(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    pieces = 0
    while True:
        network = go(tmp_path / "pieces", minutes=0.0)  # a step at a time
        pieces += 1
        if read_curve(tmp_path / "pieces")[-1]["step"] == RECIPE.steps:
            break
    assert pieces == RECIPE.steps
    assert weights(network) == weights(whole)


def test_killed_after_a_save_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    for at in (5, 4):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "killed", losses=dying_at(at))
    assert weights(go(tmp_path / "killed")) == weights(whole)
    # Killed long after the last save, it does the steps since then again.
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "late", replace(RECIPE, save=1e9), dying_at(5))
    assert not (tmp_path / "late" / STATE).exists()
    assert weights(go(tmp_path / "late")) == weights(whole)


def test_killed_while_saving_it_goes_on_from_the_save_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = go(tmp_path / "whole")
    go(tmp_path / "killed", minutes=0.0)
    before = (tmp_path / "killed" / STATE).read_bytes()

    def torn(tensors: Any, path: Path, metadata: Any) -> None:
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("safetensors.torch.save_file", torn)
        go(tmp_path / "killed")
    assert (tmp_path / "killed" / STATE).read_bytes() == before
    assert weights(go(tmp_path / "killed")) == weights(whole)


def test_what_was_trained_to_the_end_is_not_trained_again(tmp_path: Path) -> None:
    whole = go(tmp_path)
    assert weights(go(tmp_path, losses=dying_at(0))) == weights(whole)


def test_a_network_beside_it_is_kept_too(tmp_path: Path) -> None:
    """As temporal differences do, the losses bootstrap from a slow copy."""

    def slow(beside: nn.Module) -> Losses:
        def some(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
            with torch.no_grad():
                for kept, new in zip(beside.parameters(), network.parameters(), strict=True):
                    kept.lerp_(new, 0.1)
            x = torch.from_numpy(rng.normal(size=(size, 3)).astype(np.float32))
            return {"far": (network(x) - 0.5 * beside(x).detach() - 1).square().mean()}

        return some

    beside = make()
    whole = go(tmp_path / "whole", losses=slow(beside), beside=beside)
    for _ in range(RECIPE.steps):
        fresh = make()
        network = go(tmp_path / "pieces", losses=slow(fresh), beside=fresh, minutes=0.0)
    assert weights(network) == weights(whole) and weights(fresh) == weights(beside)
    old = make()  # a state that was saved without it
    go(tmp_path / "plain", minutes=0.0)
    go(tmp_path / "plain", losses=dying_at(1), beside=old, minutes=0.0)
    assert weights(old) != weights(make())


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    go(tmp_path, minutes=0.0)
    with pytest.raises(BadInputError, match=r"state.safetensors belongs to another network; train into another folder"):
        train(make(width=6), losses, RECIPE, tmp_path, device="cpu")


def test_another_job_does_not_go_on_in_the_same_folder(tmp_path: Path) -> None:
    job = {"data": "12 rows", "start": None}
    whole = go(tmp_path / "whole", job=job)
    go(tmp_path / "pieces", job=job, minutes=0.0)
    before = (tmp_path / "pieces" / STATE).read_bytes()
    with pytest.raises(
        BadInputError, match=r"holds a training of something else: data is 12 rows, not 13 rows\. Train"
    ):
        go(tmp_path / "pieces", job={**job, "data": "13 rows"})
    with pytest.raises(BadInputError, match="seed is 0, not 1"):
        go(tmp_path / "pieces", replace(RECIPE, seed=1), job=job)
    with pytest.raises(BadInputError, match="start is None, not ab12"):
        go(tmp_path / "pieces", job={**job, "start": "ab12"})
    assert (tmp_path / "pieces" / STATE).read_bytes() == before
    assert weights(go(tmp_path / "pieces", job=job)) == weights(whole)


def test_a_state_that_does_not_say_its_job_goes_on(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    go(tmp_path / "pieces", minutes=0.0)
    path = tmp_path / "pieces" / STATE
    with safe_open(path, framework="pt") as file:
        metadata = {name: value for name, value in file.metadata().items() if name != "job"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    save_file(tensors, path, metadata)
    assert weights(go(tmp_path / "pieces", job={"data": "12 rows"})) == weights(whole)


def test_what_layers_leave_out_follows_from_seed_and_step(tmp_path: Path) -> None:
    def thinned(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        x = torch.from_numpy(rng.normal(size=(size, 3)).astype(np.float32))
        return {"square": (network(nn.functional.dropout(x, 0.5)) - 1).square().mean()}

    whole = go(tmp_path / "whole", losses=thinned)
    for _ in range(RECIPE.steps):
        torch.rand(3)  # somebody else draws numbers
        network = go(tmp_path / "pieces", losses=thinned, minutes=0.0)
    assert weights(network) == weights(whole)


def test_what_is_kept_is_the_moving_average(tmp_path: Path) -> None:
    network, steps = make(), []

    def noting(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        steps.append([tensor.clone() for tensor in network.state_dict().values()])
        return losses(network, rng, size)

    average = train(network, noting, replace(RECIPE, steps=30, average=0.6), tmp_path, device="cpu")
    steps.append([tensor.clone() for tensor in network.state_dict().values()])
    expected = steps[0]
    for step, new in enumerate(steps[1:]):
        decay = min(0.6, (1 + step) / (10 + step))
        expected = [decay * old + (1 - decay) * now for old, now in zip(expected, new, strict=True)]
    for found, wanted in zip(average.state_dict().values(), expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


def test_steps_are_no_longer_than_the_clip_allows(tmp_path: Path) -> None:
    seen: list[float] = []

    def huge(network: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        grads = [w.grad for w in network.parameters() if w.grad is not None]
        seen.extend([float(torch.stack([g.norm() for g in grads]).norm())] if grads else [])
        return {"huge": 1e6 * losses(network, rng, size)["square"]}

    go(tmp_path, replace(RECIPE, clip=0.5), huge)
    assert len(seen) == 11 and max(seen) <= 0.5 + 1e-4


def test_the_curve_has_losses_and_scores_once_a_step(tmp_path: Path) -> None:
    told: list[Progress] = []
    score = iter(range(100))
    go(tmp_path, evaluate=lambda network: {"score": next(score)}, report=told.append)
    assert [row["step"] for row in read_curve(tmp_path)] == [4, 8, 12]
    assert [row["score"] for row in read_curve(tmp_path)] == [0, 1, 2]
    assert {*read_curve(tmp_path)[0]} == {"step", "seconds", "square", "size", "score"}
    assert [(one.step, one.scores) for one in told] == [(4, {"score": 0}), (8, {"score": 1}), (12, {"score": 2})]
    assert told[-1].seconds == pytest.approx(read_curve(tmp_path)[-1]["seconds"], abs=1e-5)
    with (tmp_path / CURVE).open("a") as file:
        file.write(json.dumps({"step": 8, "seconds": 9.0, "score": 7}) + "\n")  # a step that was done again
    assert [row["score"] for row in read_curve(tmp_path)] == [0, 7, 2]
    assert read_curve(tmp_path / "nowhere") == []


def test_a_line_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    go(tmp_path, replace(RECIPE, steps=8))
    with (tmp_path / CURVE).open("ab") as file:
        file.write(b'{"step": 12, "squ\xc3')
    assert [row["step"] for row in read_curve(tmp_path)] == [4, 8]
    go(tmp_path)
    assert [row["step"] for row in read_curve(tmp_path)] == [4, 8, 12]


def test_seconds_add_up_over_the_pieces(tmp_path: Path) -> None:
    for _ in range(3):
        go(tmp_path, minutes=0.0)
    seconds = [row["seconds"] for row in read_curve(tmp_path)]
    assert len(seconds) == 3 and seconds[0] < seconds[1] < seconds[2]
