"""Attention for a run of tree nodes on a CPU: keys that a whole block of nodes cannot see are not multiplied at all.

    out = softmax(q k^T / sqrt(d) + mask) v

A node sees the prompt and its own ancestors; in a run of a thousand nodes all others are masked away, after they have
been multiplied. Nodes stand in preorder, so what a block of neighbours sees together is little more than what each sees
alone. Query heads that share a key head are one matrix, which saves copying the keys for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_NAME = "saycan_tree"
_BLOCK = 96  # nodes: more of them see more together, fewer make short products

_Blocks = list[tuple[int, int, "torch.Tensor"]]
_blocks: ContextVar[_Blocks | None] = ContextVar("saycan_attention_blocks", default=None)


def install(model: Any) -> None:
    """Have a model attend in blocks within `in_blocks`, and as before elsewhere.

    Only on a CPU, and where the model uses PyTorch's own attention: whatever else it uses is there for a reason.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model.device.type == "cpu" and getattr(model.config, "_attn_implementation", None) == "sdpa":
        AttentionInterface.register(_NAME, _attend)
        AttentionMaskInterface.register(_NAME, sdpa_mask)
        model.set_attn_implementation(_NAME)


@contextmanager
def in_blocks(visible: NDArray[np.bool_]) -> Iterator[None]:
    """Within this block, every query of a forward pass sees what its row of (Q, K) `visible` says, or less."""
    import torch

    blocks: _Blocks = []
    for start in range(0, len(visible), _BLOCK):
        stop = min(start + _BLOCK, len(visible))
        blocks.append((start, stop, torch.from_numpy(np.flatnonzero(visible[start:stop].any(axis=0)))))
    token = _blocks.set(blocks)
    try:
        yield
    finally:
        _blocks.reset(token)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """(1, Q, H, D) from query (1, H, Q, D), key and value (1, G, K, D), H a multiple of G; an attention interface."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    blocks, scaling = _blocks.get(), options.get("scaling")
    learns = query.requires_grad and len(query) == 1 and not options.get("dropout")
    foreign = attention_mask is None or scaling is None or options.get("softcap") is not None
    if foreign or (blocks is None and not learns):
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result
    assert attention_mask is not None and scaling is not None
    if blocks is None:
        return _attend_to_learn(query, key, value, attention_mask, scaling), None
    _, heads, length, _ = query.shape
    groups, width = key.shape[1], value.shape[-1]
    shared = heads // groups
    out = query.new_empty((1, length, heads, width))
    query = (query * scaling)[0].view(groups, shared, length, -1)
    for start, stop, keys in blocks:
        size = shared * (stop - start)
        scores = query[:, :, start:stop].reshape(groups, size, -1) @ key[0, :, keys].transpose(1, 2)  # (G, size, K')
        scores = scores.view(groups, shared, stop - start, -1) + attention_mask[0, 0, start:stop][:, keys]
        weights = scores.softmax(dim=-1).view(groups, size, -1)
        part = weights @ value[0, :, keys]  # (G, size, D)
        out[0, start:stop] = part.view(heads, stop - start, width).transpose(0, 1)
    return out, None


def _attend_to_learn(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float
) -> torch.Tensor:
    """(1, Q, H, D) by plain products: gradients come back through them in less than half the time of PyTorch's own."""
    heads, length, _ = query.shape[1:]
    groups, width = key.shape[1], value.shape[-1]
    shared = heads // groups
    rows = (query * scaling)[0].reshape(groups, shared * length, -1)
    scores = (rows @ key[0].transpose(1, 2)).view(heads, length, -1)
    weights = (scores + mask[0]).softmax(dim=-1).view(groups, shared * length, -1)
    return (weights @ value[0]).view(1, heads, length, width).transpose(1, 2)
