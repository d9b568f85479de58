"""The transformer of RT-1: decoder only, normalised before each part, causal over steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Layer(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)).

    Args:
        width: D of the tokens.
        heads: How many heads.
        head: Numbers of a key, a query and a value in one head; heads times this may differ from `width`.
        hidden: Width inside the feed-forward part; None makes that part one linear layer.
        dropout: Probability with which a number of either part's result is dropped in training.
    """

    def __init__(self, width: int, heads: int, head: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projection = nn.Linear(width, 3 * heads * head)
        self.output = nn.Linear(heads * head, width)
        self.feed_forward: nn.Module = nn.Linear(width, width)
        if hidden is not None:
            self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) to (B, L, D); `mask` is (L, L) bool, true where a row may look at a column."""
        projected = self.projection(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, L, 3, heads, head)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each (B, heads, L, head)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.dropout(self.output(attended.transpose(1, 2).flatten(2)))
        changed: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return changed


class CausalTransformer(nn.Module):
    """Reads T steps of S tokens each, then answers Q questions about the newest step.

    The questions are learned tokens behind the newest step. In the paper's published code the action tokens that are
    fed in are zeros, which leaves their learned positions alone: the same thing. Nobody looks at them but they
    themselves, so the dimensions of an action are predicted independently given the observations, all in one pass.

    A token looks at its own step and at older ones, never at a newer one.

    Args:
        width: D.
        layers: How many.
        heads: Heads in a layer.
        head: Numbers in a head.
        steps: T.
        tokens: S, tokens of a step.
        questions: Q.
        hidden: As for `Layer`.
        dropout: As for `Layer`.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        head: int,
        steps: int,
        tokens: int,
        questions: int,
        hidden: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(width, width)
        self.positions = nn.Parameter(torch.randn(steps, tokens, width) * 0.02)
        self.questions = nn.Parameter(torch.randn(questions, width) * 0.02)
        self.layers = nn.ModuleList(Layer(width, heads, head, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        mask = causal_mask(steps, tokens, questions)
        self.mask: Tensor
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Read a history.

        Args:
            steps: (B, T, S, D), oldest step first.

        Returns:
            Answers (B, Q, D), and what became of the steps' own tokens (B, T, S, D).
        """
        batch, count, tokens, _ = steps.shape
        x = torch.cat([(self.embed(steps) + self.positions).flatten(1, 2), self.questions.expand(batch, -1, -1)], dim=1)
        for layer in self.layers:
            x = layer(x, self.mask)
        x = self.norm(x)
        return x[:, count * tokens :], x[:, : count * tokens].unflatten(1, (count, tokens))


def causal_mask(steps: int, tokens: int, questions: int) -> Tensor:
    """(L, L) bool for L = steps * tokens + questions, true where the token of a row may look at that of a column."""
    order = torch.arange(steps).repeat_interleave(tokens)
    order = torch.cat([order, torch.full((questions,), steps)])
    mask = order[:, None] >= order[None, :]
    mask[-questions:, -questions:] = torch.eye(questions, dtype=torch.bool)
    return mask
