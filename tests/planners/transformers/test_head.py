from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from saycan.planners.transformers.head import OutputHead

VOCABULARY, WIDTH, PLACES = 50, 8, 7


def make(monkeypatch: pytest.MonkeyPatch, *, bias: bool = False, **config: float) -> tuple[OutputHead, Any, Any]:
    """A head, hidden states, and their logits as the definition has them."""
    import torch

    monkeypatch.setattr("saycan.planners.transformers.head._TILE", 16)
    monkeypatch.setattr("saycan.planners.transformers.head._ROWS", 3)
    torch.manual_seed(0)
    outer = torch.nn.Linear(WIDTH, VOCABULARY, bias=bias)
    inner = SimpleNamespace(**config)
    model = SimpleNamespace(get_output_embeddings=lambda: outer, config=SimpleNamespace(get_text_config=lambda: inner))
    hidden = 4 * torch.randn(PLACES, WIDTH)
    return OutputHead(model), hidden, outer(hidden).detach()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("config", "finish"),
    [
        ({}, lambda logits: logits),
        ({"final_logit_softcapping": 2.0}, lambda logits: 2.0 * (logits / 2.0).tanh()),
        ({"logit_scale": 0.25}, lambda logits: 0.25 * logits),
        ({"logits_scaling": 4.0}, lambda logits: logits / 4.0),
    ],
)
def test_tiles_give_the_log_probabilities_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, bias: bool, config: dict[str, float], finish: Any
) -> None:
    import torch

    with torch.inference_mode():
        head, hidden, logits = make(monkeypatch, bias=bias, **config)
        expected = finish(logits).double().log_softmax(-1)
        tokens = torch.tensor([0, 15, 16, 31, 32, 48, 49])
        found = head.log_probabilities(hidden, tokens)
        assert found.numpy() == pytest.approx(expected[range(PLACES), tokens].numpy(), abs=1e-5)
        for place in range(PLACES):
            assert head.best(hidden[place : place + 1]) == int(expected[place].argmax())


@pytest.mark.parametrize("shift", [1000.0, -1000.0])
def test_logits_beyond_the_range_of_exp_are_no_obstacle(monkeypatch: pytest.MonkeyPatch, shift: float) -> None:
    import torch

    with torch.inference_mode():
        head, hidden, logits = make(monkeypatch, bias=True)
        assert head.bias is not None
        head.bias += shift
        expected = logits.double().logsumexp(-1) + shift
        assert head.log_normalizers(hidden).numpy() == pytest.approx(expected.numpy(), abs=1e-3)


def test_one_token_far_above_all_others_does_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    with torch.inference_mode():
        head, hidden, _ = make(monkeypatch)
        head.weight[40] = 1000.0 * hidden[2]
        expected = (hidden @ head.weight.T).double().logsumexp(-1)
        assert float(expected[2]) > 1000.0
        assert head.log_normalizers(hidden).numpy() == pytest.approx(expected.numpy(), rel=1e-6)


def test_what_is_not_a_number_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    with torch.inference_mode():
        head, hidden, _ = make(monkeypatch)
        hidden[1, 0] = float("nan")
        assert head.log_normalizers(hidden).isnan().tolist() == [False, True] + [False] * (PLACES - 2)
