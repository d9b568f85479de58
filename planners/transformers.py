"""Say with any causal language model that the transformers library can load: exact log-probabilities, offline.

    log p(option | prompt) = sum over the option's tokens t_i of log p(t_i | prompt, t_1 ... t_{i-1})

All options are merged into one prefix tree whose nodes attend to the prompt and to their own ancestors only, so what
options share is computed once, the prompt's keys and values are computed once for all of them, and they are kept for
the next call as far as its prompt begins with the same tokens.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, MissingPartError
from saycan.planners.prefix_tree import PrefixTree, common_prefix
from saycan.torchvision import cure_torchvision

if TYPE_CHECKING:
    import torch

_CHUNK = 64  # tree nodes fed at once: at a vocabulary of 262,144 their logits take 67 MB
_PROMPT_CHUNK = 512
_NAIVE_BATCH = 4


class TransformersModel:
    """Implements `saycan.language.LanguageModel`.

    Where the prompt ends and an option begins, a tokenizer may merge characters of both into one token. Prompt and
    option are therefore tokenised together, and every option is scored from the last token that the prompt and all
    options have in common. When that leaves a tail of the prompt to be scored too, it is the same text for every
    option and so the same constant in exact arithmetic; nothing is ever scored on tokens the model would not see.

    Args:
        path: A folder, or a hub name whose files are in the local cache already: nothing is downloaded.
        dtype: "float32", "bfloat16", ... or "auto": bfloat16 on a GPU and on a CPU that multiplies it in hardware,
            float32 elsewhere.
        device: "cpu", "cuda", ...; a GPU when there is one, if None.
        name: What traces call it; "transformers:PATH" if None.

    Raises:
        MissingPartError: No such folder, or no such model in the local cache.
        LanguageModelError: The files are there but cannot be loaded.
    """

    def __init__(
        self, path: str | Path, *, dtype: str = "auto", device: str | None = None, name: str | None = None
    ) -> None:
        # OpenMP's threads wait for each other by spinning. Beside any other busy process they spin in each other's way:
        # a decision of 1.3 s then took 20. Spinning briefly costs nothing on a quiet machine and 4.2 s on a busy one.
        # It is read when torch is first loaded; whoever has set it knows better.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
        cure_torchvision()
        import torch
        import transformers

        self.name = name or f"transformers:{path}"
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        number_type = _fast_type(self._device) if dtype == "auto" else dtype
        bars = transformers.utils.logging.is_progress_bar_enabled()
        transformers.utils.logging.disable_progress_bar()  # it would tear the caller's own display
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
            self._model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, dtype=getattr(torch, number_type)
            )
        except OSError as error:
            raise MissingPartError(
                f"no language model at {str(path)!r}: it is neither a folder with config.json, tokenizer and weights "
                f"nor a name in the local hub cache. Fetch it once with `hf download {path}`, or pass a folder. "
                f"({error})"
            ) from error
        except (ValueError, KeyError, RuntimeError, ImportError) as error:
            raise LanguageModelError(f"the language model at {str(path)!r} cannot be loaded: {error}") from error
        finally:
            if bars:
                transformers.utils.logging.enable_progress_bar()
        self._model = self._model.to(self._device).eval()
        self._keeps_logits = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        self._prefix = self._special_prefix()
        self._tree_is_exact: bool | None = None  # not tried yet
        self._forget()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities in nats. Raises LanguageModelError when the prompt does not fit."""
        import torch

        if not options:
            return np.zeros(0)
        head, tails = self._split(prompt, options)
        self._check_length(len(head) + max(map(len, tails)))
        with torch.inference_mode():
            if self._tree_is_exact is None:
                self._tree_is_exact = self._try_tree(head, tails)
            try:
                return self._score_tree(head, tails) if self._tree_is_exact else self._score_naively(head, tails)
            except BaseException:
                self._forget()  # a cache that was interrupted half-way holds no known tokens
                raise

    # Tokens ----------------------------------------------------------------------------------------------------------

    def _special_prefix(self) -> list[int]:
        """Tokens in front of every text: what the tokenizer itself puts there, or any start that the model knows."""
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        automatic = self._tokenizer("a")["input_ids"][:1]
        if begin is not None and automatic == [begin]:
            return [begin]
        return [token for token in (begin, end) if token is not None][:1]

    def _split(self, prompt: str, options: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """Tokens that all options share, at least one, and for each option those that follow."""
        texts = [prompt, *(prompt + option for option in options)]
        prompt_ids, *full = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        shared = len(prompt_ids)
        for ids in full:
            shared = min(shared, common_prefix(prompt_ids, ids))
        head = self._prefix + prompt_ids[:shared]
        if not head:
            raise LanguageModelError(f"{self.name} has no token to begin with; give it a prompt that is not empty")
        return head, [ids[shared:] for ids in full]

    def _check_length(self, length: int) -> None:
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit is not None and length > limit:
            raise LanguageModelError(
                f"the prompt with its options has {length} tokens; {self.name} takes {limit}. "
                "Use a shorter instruction, fewer examples in the prompt file, or a model with a longer context"
            )

    # The tree on the shared cache ------------------------------------------------------------------------------------

    def _forget(self) -> None:
        """Begin with an empty key/value cache."""
        from transformers import DynamicCache

        # Made without the model's config: sliding-window layers would drop what lies behind their window, and could
        # then not be shortened again. Our masks hide it instead.
        self._cache: Any = DynamicCache()
        self._cached: list[int] = []

    def _score_tree(self, head: list[int], tails: list[list[int]]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities; leaves the cache holding `head` but for its last token, the tree's root."""
        import torch

        self._extend(head[:-1])
        tree = PrefixTree.build(head[-1], tails)
        kept = len(self._cached)
        edges = torch.empty(len(tree.edge_tokens), dtype=torch.float64)
        edge_tokens, edge_parents = torch.tensor(tree.edge_tokens), torch.tensor(tree.edge_parents)
        for start in range(0, len(tree.tokens), _CHUNK):
            stop = min(start + _CHUNK, len(tree.tokens))
            visible = np.concatenate([np.ones((stop - start, kept), bool), tree.ancestry[start:stop, :stop]], axis=1)
            positions = kept + tree.depths
            logits = self._forward(
                tree.tokens[start:stop],
                positions[start:stop],
                np.concatenate([np.arange(kept), positions[:stop]]),
                visible,
                keep=stop - start,
            )  # (nodes, V)
            normaliser = logits.logsumexp(dim=-1)  # (nodes,)
            mine = (edge_parents >= start) & (edge_parents < stop)
            rows = (edge_parents[mine] - start).to(logits.device)
            columns = edge_tokens[mine].to(logits.device)
            edges[mine] = (logits[rows, columns] - normaliser[rows]).double().cpu()
        self._cache.crop(-len(tree.tokens))
        found = edges.numpy()
        return np.array([found[path].sum() for path in tree.paths])

    def _extend(self, tokens: list[int]) -> None:
        """Make the cache hold exactly `tokens`, computing only what it does not hold yet."""
        keep = common_prefix(self._cached, tokens)
        if keep < len(self._cached):
            self._cache.crop(keep - len(self._cached))
            self._cached = self._cached[:keep]
        for start in range(keep, len(tokens), _PROMPT_CHUNK):
            stop = min(start + _PROMPT_CHUNK, len(tokens))
            visible = np.tri(stop - start, stop, start, dtype=bool)
            self._forward(tokens[start:stop], np.arange(start, stop), np.arange(stop), visible, keep=1)
            self._cached = tokens[:stop]

    def _forward(
        self,
        tokens: list[int],
        positions: NDArray[np.int64],
        key_positions: NDArray[np.int64],
        visible: NDArray[np.bool_],
        keep: int,
    ) -> torch.Tensor:
        """(keep, V) float32 logits of the last `keep` tokens; the cache grows by all of them.

        Args:
            tokens: (Q,) to feed.
            positions: (Q,) their positions in the text.
            key_positions: (K,) positions of everything in the cache and of the tokens themselves.
            visible: (Q, K) which keys each token may look at.
            keep: How many logits are wanted.
        """
        import torch

        config = self._model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ())
        window = getattr(config, "sliding_window", None)
        full = self._bias(visible)
        near = full
        if window:
            near = self._bias(visible & (positions[:, None] - key_positions[None, :] < window))
        mask: Any = full
        if kinds - {"full_attention"}:
            mask = {"full_attention": full, "sliding_attention": near}
        elif window and not kinds:
            mask = near
        output = self._model(
            input_ids=torch.tensor([tokens], device=self._device),
            position_ids=torch.tensor(positions[None], device=self._device),
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
            **({"logits_to_keep": keep} if self._keeps_logits else {}),
        )
        return output.logits[0, -keep:].float()  # type: ignore[no-any-return]

    def _bias(self, visible: NDArray[np.bool_]) -> torch.Tensor:
        """(1, 1, Q, K) what is added to attention scores: 0 where visible, the lowest number elsewhere."""
        import torch

        bias = torch.zeros(visible.shape, dtype=self._model.dtype)
        bias.masked_fill_(torch.from_numpy(~visible), torch.finfo(self._model.dtype).min)
        return bias[None, None].to(self._device)

    # Without the tree ------------------------------------------------------------------------------------------------

    def _score_naively(self, head: list[int], tails: list[list[int]]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities, each option read with the whole prompt: slow, and right for every model."""
        import torch

        scores = np.zeros(len(tails))
        for start in range(0, len(tails), _NAIVE_BATCH):
            some = tails[start : start + _NAIVE_BATCH]
            longest = max(map(len, some))
            # Padding comes last, where causal attention cannot see it.
            rows = [head + tail + [head[0]] * (longest - len(tail)) for tail in some]
            wanted = {"logits_to_keep": longest + 1} if self._keeps_logits else {}
            logits = self._model(input_ids=torch.tensor(rows, device=self._device), use_cache=False, **wanted).logits
            first = len(head) - 1 - (len(rows[0]) - logits.shape[1])  # where the first option token is predicted
            for row, tail in enumerate(some):
                own = logits[row, first : first + len(tail)].float().log_softmax(dim=-1)  # (L, V)
                chosen = own[range(len(tail)), tail]
                scores[start + row] = float(chosen.double().sum())
        return scores

    def _try_tree(self, head: list[int], tails: list[list[int]]) -> bool:
        """Whether this model honours masks and positions: two options scored in both ways, once per model.

        Recurrent models, ALiBi and the like do not, and are then scored naively.
        """
        some = [max(tails, key=len), min(tails, key=len)]
        try:
            found = self._score_tree(head, some)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError):
            self._forget()
            return False
        per_token = 0.01 if str(self._model.dtype) == "torch.float32" else 0.25
        tolerance = per_token * (1 + max(map(len, some)))
        exact = bool(np.allclose(found, self._score_naively(head, some), rtol=0.0, atol=tolerance, equal_nan=True))
        if not exact:
            self._forget()
        return exact


def _fast_type(device: str) -> str:
    """bfloat16 where the hardware multiplies it, which makes it twice as fast as float32; elsewhere it is slower."""
    import torch

    if not device.startswith("cpu"):
        return "bfloat16"
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return "bfloat16" if any(check is not None and check() for check in checks) else "float32"
