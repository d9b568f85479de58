"""The body of a language model on a key/value cache, told token by token which others it may look at."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saycan.interruption import check_interruption
from saycan.planners.transformers.attention import in_blocks, install
from saycan.planners.transformers.prefix_tree import common_prefix

if TYPE_CHECKING:
    import torch

_CHUNK = 512  # tokens of a prompt that are fed at once


class CausalNetwork:
    """A transformer without its output head, and the keys and values of the text that it has read last.

    Args:
        model: A causal language model of the transformers library.
        device: Where it lies.

    Attributes:
        body, config, dtype: Of the model.
        known: Tokens whose keys and values are kept.
        fed: Number of tokens that have gone through the body so far.
    """

    def __init__(self, model: Any, device: str) -> None:
        install(model)
        self.body, self._device, self.dtype = model.base_model, device, model.dtype
        # transformers 5.24 renames the argument, and warns about the old name.
        takes = inspect.signature(self.body.forward).parameters
        self._cache_argument = "cache" if "cache" in takes else "past_key_values"
        self.config = model.config.get_text_config()
        self._placed = "position_ids" in takes and not getattr(self.config, "alibi", False)
        self._kinds = set(getattr(self.config, "layer_types", None) or ())
        self._window: int | None = getattr(self.config, "sliding_window", None)
        self.fed = 0
        self.known: list[int] = []
        self.forget()

    @property
    def is_plain(self) -> bool:
        """Whether it can be told where tokens stand (ALiBi counts by itself), and every layer attends in a way that
        masks can tell it; recurrent layers and fixed blocks do not."""
        return self._placed and self._kinds <= {"full_attention", "sliding_attention"}

    def forget(self) -> None:
        """Begin with an empty cache."""
        from transformers import DynamicCache

        # Made without the model's config: sliding-window layers would drop what lies behind their window, and could
        # then not be shortened again. The masks hide it instead.
        self._cache: Any = DynamicCache()
        self.known = []

    def read(self, tokens: Sequence[int]) -> torch.Tensor | None:
        """Make the cache hold exactly `tokens`, computing only what it does not hold yet.

        Returns:
            (1, D) the hidden state of the last token; None when nothing had to be computed.
        """
        tokens = list(tokens)
        keep = common_prefix(self.known, tokens)
        self.drop(len(self.known) - keep)
        self.known = self.known[:keep]
        hidden = None
        for start in range(keep, len(tokens), _CHUNK):
            stop = min(start + _CHUNK, len(tokens))
            check_interruption()
            places = np.arange(stop)
            hidden = self.feed(
                tokens[start:stop], places[start:], places, np.tri(stop - start, stop, start, dtype=bool)
            )
            self.known = tokens[:stop]
        return None if hidden is None else hidden[-1:]

    def feed(
        self,
        tokens: Sequence[int] | NDArray[np.int64],
        positions: NDArray[np.int64],
        key_positions: NDArray[np.int64],
        visible: NDArray[np.bool_],
        keep: bool = True,
    ) -> torch.Tensor:
        """(Q, D) last hidden states of some tokens, whose keys and values are appended to the cache.

        Args:
            tokens: (Q,) to feed.
            positions: (Q,) their positions in the text.
            key_positions: (K,) positions of everything in the cache and of the tokens themselves.
            visible: (Q, K) which keys each token may look at.
            keep: False leaves the cache out altogether, and lets gradients through; then K = Q.
        """
        import torch

        full = near = self._bias(visible)
        if self._window and positions.max() - key_positions.min() >= self._window:
            near = self._bias(visible & (positions[:, None] - key_positions[None, :] < self._window))
        mask: Any = full
        if "sliding_attention" in self._kinds:
            mask = {"full_attention": full, "sliding_attention": near}
        elif self._window and not self._kinds:
            mask = near
        ids = torch.as_tensor(np.asarray(tokens, np.int64), device=self._device)[None]
        self.fed += ids.shape[1]
        cache = {"use_cache": True, self._cache_argument: self._cache} if keep else {"use_cache": False}
        with in_blocks(visible) if keep else nullcontext():
            output = self.body(
                input_ids=ids,
                position_ids=torch.as_tensor(positions, device=self._device)[None],
                attention_mask=mask,
                **cache,
            )
        return output.last_hidden_state[0]  # type: ignore[no-any-return]

    def drop(self, count: int) -> None:
        """Take the newest `count` tokens out of the cache."""
        if count:
            self._cache.crop(-count)

    def _bias(self, visible: NDArray[np.bool_]) -> torch.Tensor:
        """(1, 1, Q, K) what is added to attention scores: 0 where visible, the lowest number elsewhere."""
        import torch

        bias = torch.zeros(visible.shape, dtype=self.dtype)
        bias.masked_fill_(torch.from_numpy(~visible), torch.finfo(self.dtype).min)
        return bias[None, None].to(self._device)
