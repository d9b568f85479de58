from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saycan.planners.transformers import attention
from saycan.planners.transformers.attention import in_blocks


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(1, 9), st.integers(0, 6), st.sampled_from([(4, 1), (4, 2), (3, 3)]))
def test_blocks_give_what_pytorchs_own_attention_gives(
    seed: int, length: int, before: int, heads: tuple[int, int]
) -> None:
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rng = np.random.default_rng(seed)
    visible = rng.random((length, before + length)) < 0.3
    visible[np.arange(length), before + np.arange(length)] = True
    near = visible & (rng.random(visible.shape) < 0.7)  # a layer with a window sees less than the blocks say
    near[np.arange(length), before + np.arange(length)] = True
    torch.manual_seed(seed)
    query = torch.randn(1, heads[0], length, 8)
    key, value = torch.randn(1, heads[1], before + length, 8), torch.randn(1, heads[1], before + length, 8)
    module = torch.nn.Module()
    module.num_key_value_groups = heads[0] // heads[1]  # type: ignore[assignment]
    for seen in (visible, near):
        mask = torch.zeros(seen.shape).masked_fill(torch.from_numpy(~seen), torch.finfo(torch.float32).min)[None, None]
        expected, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
        with pytest.MonkeyPatch.context() as patch, in_blocks(visible):
            patch.setattr(attention, "_BLOCK", 2)
            with in_blocks(visible):
                found, _ = attention._attend(module, query, key, value, mask, scaling=0.3)
        assert found.shape == expected.shape
        assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    outside, _ = attention._attend(module, query, key, value, mask, scaling=0.3)
    assert outside.numpy() == pytest.approx(expected.numpy(), abs=1e-6)


@pytest.mark.parametrize("heads", [(4, 1), (4, 2), (3, 3)])
def test_what_is_learned_through_it_is_what_is_learned_through_pytorchs_own(heads: tuple[int, int]) -> None:
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    torch.manual_seed(0)
    seen = torch.tril(torch.rand(9, 9) < 0.5) | torch.eye(9, dtype=torch.bool)
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]
    parts = [torch.randn(1, count, 9, 8, requires_grad=True) for count in (heads[0], heads[1], heads[1])]
    module = torch.nn.Module()
    module.num_key_value_groups = heads[0] // heads[1]  # type: ignore[assignment]
    answer, slopes = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        ways: dict[str, Callable[..., Any]] = {"own": sdpa_attention_forward, "plain": attention._attend}
        for name, attend in ways.items():
            answer[name], _ = attend(module, *parts, mask, scaling=0.3)
            slopes[name] = torch.autograd.grad((answer[name] ** 3).sum(), parts)
            patch.setattr("transformers.integrations.sdpa_attention.sdpa_attention_forward", None)  # not called again
    torch.testing.assert_close(answer["plain"], answer["own"])
    for plain, own in zip(slopes["plain"], slopes["own"], strict=True):
        torch.testing.assert_close(plain, own)
