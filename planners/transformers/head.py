"""The output head of a language model, over a vocabulary that is too large to be kept as logits.

    log p(token | text) = logit(token) - log sum over the vocabulary of exp(logit)          logit(t) = w_t . h + b_t

For 262,144 tokens the logits of 1,500 places in a text would take 1.6 GB. Only their sum is wanted, so the vocabulary
is gone through in tiles that stay in the processor's cache, and what leaves a tile is one number for each place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from saycan.interruption import check_interruption

if TYPE_CHECKING:
    import torch

_ROWS = 1024  # places in the text that are taken together
_TILE = 1024  # tokens of the vocabulary at once, on a CPU: 4 MB of logits
_TILE_GPU = 32768

LEAST = -80.0
"""Nats below the highest logit that all lower ones are taken for: near float32's smallest numbers exp takes sixty times
as long, and what it gives adds nothing."""


class OutputHead:
    """Reads log-probabilities from the last hidden states.

    Args:
        model: A causal language model of the transformers library.

    Attributes:
        weight: (V, D)
        bias: (V,) or None.
        rows: Number of hidden states that have been multiplied with the whole vocabulary so far.

    Raises:
        AttributeError: It has no output embeddings.
    """

    def __init__(self, model: Any) -> None:
        outer = model.get_output_embeddings()
        self.weight: torch.Tensor = outer.weight
        self.bias: torch.Tensor | None = getattr(outer, "bias", None)
        self.rows = 0
        config = model.config.get_text_config()
        cap = getattr(config, "final_logit_softcapping", None)  # Gemma 2
        self._cap = float(cap) if cap else None
        # Cohere multiplies, Granite divides.
        self._scale = float(getattr(config, "logit_scale", None) or 1) / float(
            getattr(config, "logits_scaling", None) or 1
        )
        self._tile = _TILE if self.weight.device.type == "cpu" else _TILE_GPU

    @property
    def is_plain(self) -> bool:
        """Whether a logit is w_t . h and nothing else: no bias, no scale, no cap."""
        return self.bias is None and self._scale == 1.0 and self._cap is None

    def log_normalizers(self, hidden: torch.Tensor) -> torch.Tensor:
        """(N,) float64, log sum over the vocabulary of exp(logit), for (N, D) hidden states."""
        import torch

        self.rows += len(hidden)
        result = torch.empty(len(hidden), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(hidden), _ROWS):
            result[start : start + _ROWS] = self._log_normalizers(hidden[start : start + _ROWS])
        return result

    def log_probabilities(
        self, hidden: torch.Tensor, tokens: torch.Tensor, rows: torch.Tensor | Sequence[int] | None = None
    ) -> torch.Tensor:
        """(M,) float64 log-probabilities of tokens (M,) after the hidden states (N, D) that `rows` (M,) name.

        Without rows, of one token after each state. None is above zero: in bfloat16 the logit of a token that is
        as good as certain is rounded otherwise than the sum that it stands in.
        """
        normalizers = self.log_normalizers(hidden)
        if rows is not None:
            hidden, normalizers = hidden[rows], normalizers[rows]
        return (self.logits(hidden, tokens) - normalizers).clamp(max=0.0)

    def logits(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """(N,) float64, the logit of one token (N,) for each hidden state (N, D)."""
        weight = self.weight[tokens].to(hidden.dtype)  # (N, D)
        logits = (hidden * weight).sum(dim=-1, dtype=self._sum_type(hidden))
        if self.bias is not None:
            logits = logits + self.bias[tokens].to(logits.dtype)
        return self._finish(logits).double()

    def best(self, hidden: torch.Tensor) -> int:
        """The likeliest next token after one hidden state (1, D)."""
        highest, token = float("-inf"), 0
        for start, logits in self._tiles(hidden):
            value, place = logits[0].max(dim=-1)
            if float(value) > highest:
                highest, token = float(value), start + int(place)
        return token

    def _log_normalizers(self, hidden: torch.Tensor) -> torch.Tensor:
        """At most _ROWS hidden states (N, D) to (N,) float64."""
        import torch

        # The highest so far is taken off each tile: the logits of a model that has learned to be certain leave the
        # range in which float32 has an exp (88), and to look for the highest first would be a second multiplication.
        highest = torch.full((len(hidden), 1), -torch.inf, device=hidden.device)
        total = torch.zeros((len(hidden), 1), dtype=torch.float64, device=hidden.device)
        for _, logits in self._tiles(hidden):
            higher = highest.maximum(logits.amax(dim=-1, keepdim=True))
            total *= (highest - higher).double().exp_()
            total += logits.sub_(higher).clamp_(min=LEAST).exp_().sum(dim=-1, keepdim=True)
            highest = higher
        return (total.log() + highest.double())[:, 0]

    def _tiles(self, hidden: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """First token of each tile of the vocabulary and its (N, T) logits, in a buffer that the next tile reuses."""
        import torch

        size = len(self.weight)
        buffer = torch.empty((len(hidden), min(self._tile, size)), dtype=hidden.dtype, device=hidden.device)
        for start in range(0, size, self._tile):
            check_interruption()
            weight = self.weight[start : start + self._tile]
            logits = buffer[:, : len(weight)]
            torch.mm(hidden, weight.to(hidden.dtype).T, out=logits)
            logits = logits.float()
            if self.bias is not None:
                logits += self.bias[start : start + self._tile].float()
            yield start, self._finish(logits)

    def _finish(self, logits: torch.Tensor) -> torch.Tensor:
        if self._scale != 1.0:
            logits = logits * self._scale
        if self._cap is not None:
            logits = (logits / self._cap).tanh() * self._cap
        return logits

    @staticmethod
    def _sum_type(hidden: torch.Tensor) -> torch.dtype:
        import torch

        return torch.float32 if hidden.dtype in (torch.bfloat16, torch.float16) else hidden.dtype
