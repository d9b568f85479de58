"""It is PyTorch's, in either memory order."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from saycan.skills.group_norm import GroupNorm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_answers_and_gradients_are_those_of_pytorch(dtype: torch.dtype, order: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours, theirs = GroupNorm(4, 16), nn.GroupNorm(4, 16)
    nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    x, slope = torch.randn(3, 16, 5, 7), torch.randn(3, 16, 5, 7)
    found = []
    for layer, inner in ((ours, dtype), (theirs, torch.float32)):
        given = x.to(inner).contiguous(memory_format=order).requires_grad_()
        answer = layer(given)
        assert answer.is_contiguous(memory_format=order) or inner is torch.bfloat16
        answer.backward(slope.to(inner))
        found.append([answer, given.grad, layer.weight.grad, layer.bias.grad])
    close = 0.05 if dtype is torch.bfloat16 else 1e-5
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine.float(), wanted, rtol=close, atol=close)
