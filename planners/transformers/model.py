"""Say with any causal language model that the transformers library can load: exact log-probabilities, offline.

    log p(option | prompt) = sum over the option's tokens t_i of log p(t_i | prompt, t_1 ... t_{i-1})

All options are merged into one prefix tree whose nodes attend to the prompt and to their own ancestors only, so what
options share is computed once, the prompt's keys and values are computed once for all of them, and they are kept for
the next call as far as its prompt begins with the same tokens. A token's probability is read where its parent stands:
leaves of the tree go through nothing, and the output head runs only where a child hangs.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError
from saycan.interruption import check_interruption
from saycan.planners.transformers.adapter import merge
from saycan.planners.transformers.head import OutputHead
from saycan.planners.transformers.loading import load
from saycan.planners.transformers.network import CausalNetwork
from saycan.planners.transformers.prefix_tree import PrefixTree, common_prefix
from saycan.planners.transformers.search import likeliest
from saycan.usage import Usage

if TYPE_CHECKING:
    import torch

_CHUNK = 1024  # nodes of the tree that are fed at once
_NAIVE_BATCH = 4
_EMBED_BATCH = 32


class TransformersModel:
    """Any causal model that transformers loads, from a folder or the hub's cache; scores are exact.

    It is a `saycan.language.LanguageModel`, `TextGenerator`, `TokenCounter`, `Shortlister` and `TextEmbedder`.

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
        adapter: A folder with a low-rank adapter (`saycan.planners.transformers.adapter`); none if None.

    Attributes:
        prompt_name: Of the prompt that it is best asked in: an adapter's own, else the one with examples.
        model: The model as the library loaded it.
        network, head: The same in two parts: the body on its key/value cache, and the output head.
        usage: Tokens since it was made: of all that it has read, and those of them that the cache saved.
        reads_trees: Whether it can score all options at once. Recurrent models, ALiBi and the like cannot be told a
            tree; they are scored one option at a time, slowly and just as exactly.

    Raises:
        MissingPartError: No such folder, no such model in the local cache, or no such adapter.
        LanguageModelError: The files are there but cannot be loaded.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        dtype: str = "auto",
        device: str | None = None,
        name: str | None = None,
        adapter: str | Path | None = None,
    ) -> None:
        self.name = name or f"transformers:{path}"
        self.model, self._tokens, self._device = load(path, dtype, device)
        self.prompt_name = "kitchen" if adapter is None else merge(self.model, adapter)
        self.network = CausalNetwork(self.model, self._device)
        self.head = OutputHead(self.model)
        self.usage = Usage()
        self.reads_trees = self._try_tree()

    def score(self, prompt: str, options: Sequence[str]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities in nats. Raises LanguageModelError when the prompt does not fit."""
        if not options:
            return np.zeros(0)
        head, tails = self.split(prompt, options)
        with self._reading():
            return self._score_tree(head, tails) if self.reads_trees else self._score_naively(head, tails)

    def lengths(self, prompt: str, options: Sequence[str]) -> NDArray[np.int64]:
        """(N,) int64, tokens that `score` adds up for each option."""
        tails = self.split(prompt, options)[1] if options else []
        return np.array([max(1, len(tail)) for tail in tails], np.int64)

    def shortlist(self, prompt: str, options: Sequence[str], count: int) -> NDArray[np.int64]:
        """(K,) int64 indices of the `count` options with the highest `score`, best first, without scoring the rest."""
        if not options or count < 1:
            return np.zeros(0, np.int64)
        if not self.reads_trees:
            return np.argsort(-self.score(prompt, options), kind="stable")[:count]
        head, tails = self.split(prompt, options)
        network, before = self.network, self.network.fed
        with self._reading():
            network.read(head[:-1])
            cached = len(head) - 1 - (network.fed - before)
            found = likeliest(network, self.head, PrefixTree.build(head[-1], tails), count)
        self.usage += Usage(tokens_in=cached + network.fed - before, tokens_cached=cached)
        return found

    def generate(self, prompt: str, *, max_tokens: int = 32, stop: Sequence[str] = ("\n",)) -> str:
        """The likeliest next tokens one after the other, up to a stop text. Raises LanguageModelError."""
        tokens = self._tokens.prefix + self._tokens.encode([prompt])[0]
        self._check_length(len(tokens) + max_tokens)
        written: list[int] = []
        text = ""
        with self._reading():
            while len(written) < max_tokens:
                check_interruption()
                token = self._next_token(tokens + written)
                if token in self._tokens.ends:
                    break
                written.append(token)
                # Decoded with what stands before it: many tokenizers drop a space in front of the first word.
                text = self._tokens.decode(tokens[-1:] + written)[len(self._tokens.decode(tokens[-1:])) :]
                cut = min((text.find(end) for end in stop if end in text), default=-1)
                if cut >= 0:
                    text = text[:cut]
                    break
        self.usage += Usage(tokens_in=len(tokens), tokens_out=len(written))
        return text

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) float32 rows of length 1: the mean of a text's last hidden states."""
        import torch

        result = np.zeros((len(texts), self.model.config.get_text_config().hidden_size), np.float32)
        if not texts:
            return result
        rows = [self._tokens.prefix + ids for ids in self._tokens.encode(texts)]
        with torch.inference_mode():
            for start in range(0, len(rows), _EMBED_BATCH):
                check_interruption()
                some = rows[start : start + _EMBED_BATCH]
                longest = max(map(len, some))
                ids = torch.tensor([row + [row[0]] * (longest - len(row)) for row in some], device=self._device)
                real = torch.tensor([[i < len(row) for i in range(longest)] for row in some], device=self._device)
                states = self.model.base_model(input_ids=ids, attention_mask=real.long(), use_cache=False)[0].float()
                mean = (states * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)  # (B, D)
                result[start : start + len(some)] = torch.nn.functional.normalize(mean, dim=-1).cpu().numpy()
        self.usage += Usage(tokens_in=sum(map(len, rows)))
        return result

    # Tokens ----------------------------------------------------------------------------------------------------------

    def split(self, prompt: str, options: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """Tokens that all options share, at least one, and for each option those that follow.

        Raises LanguageModelError when they are more than the model takes.
        """
        # Only the last line is tokenised again for every option, where tokens do not reach across the line's start.
        longest = max(options, key=len)
        lines = prompt.rpartition("\n")
        before, last = lines[0] + lines[1], lines[2]
        start, end, whole, beyond, far = self._tokens.encode([before, last, prompt, last + longest, prompt + longest])
        if not last or start + end != whole or start + beyond != far:
            last, start, end = prompt, [], whole
        full = self._tokens.encode([last + option for option in options])
        shared = len(end)
        for ids in full:
            shared = min(shared, common_prefix(end, ids))
        head = self._tokens.prefix + start + end[:shared]
        if not head:
            raise LanguageModelError(f"{self.name} has no token to begin with; give it a prompt that is not empty")
        tails = [ids[shared:] for ids in full]
        self._check_length(len(head) + max(map(len, tails)))
        return head, tails

    def _check_length(self, length: int) -> None:
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit is not None and length > limit:
            raise LanguageModelError(
                f"the prompt with its options has {length} tokens; {self.name} takes {limit}. "
                "Use a shorter instruction, fewer examples in the prompt file, or a model with a longer context"
            )

    # The tree on the shared cache ------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Without gradients; a cache that was interrupted half-way holds no known tokens and is thrown away."""
        import torch

        try:
            with torch.inference_mode():
                yield
        except BaseException:
            self.network.forget()
            raise

    def _score_tree(self, head: list[int], tails: list[list[int]]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities; leaves the cache holding `head` but for its last token, the tree's root."""
        import torch

        network, before = self.network, self.network.fed
        network.read(head[:-1])
        cached = len(head) - 1 - (network.fed - before)
        tree = PrefixTree.build(head[-1], tails)
        kept, size = len(network.known), len(tree.tokens)
        parts = []
        ends = np.linspace(0, size, -(-size // _CHUNK) + 1).astype(int)  # runs of one length, none of them short
        for start, stop in itertools.pairwise(ends.tolist()):
            check_interruption()
            nodes, seen = tree.run(start, stop)
            positions = kept + tree.depths[nodes]
            states = network.feed(
                tree.tokens[nodes],
                positions,
                np.concatenate([np.arange(kept), positions]),
                np.concatenate([np.ones((len(nodes), kept), bool), seen], axis=1),
            )
            network.drop(len(nodes))
            parts.append(states[start - stop :])  # without the ancestors, which another run has had
        hidden = torch.cat(parts)  # (M, D)
        parents = torch.as_tensor(tree.edge_parents, device=hidden.device)
        tokens = torch.as_tensor(tree.edge_tokens, device=hidden.device)
        edges = self.head.log_probabilities(hidden, tokens, parents)
        self.usage += Usage(tokens_in=len(head) - 1 + size, tokens_cached=cached)
        found = edges.cpu().numpy()
        return np.array([found[list(path)].sum() for path in tree.paths])

    def _next_token(self, tokens: list[int]) -> int:
        """The likeliest token after a text."""
        if not self.reads_trees:
            import torch

            return int(self.model(input_ids=torch.tensor([tokens], device=self._device)).logits[0, -1].argmax())
        if self.network.known[: len(tokens)] == tokens:
            self.network.read(tokens[:-1])  # its last state is not kept, only its keys and values
        hidden = self.network.read(tokens)
        assert hidden is not None, "something was left to read"
        return self.head.best(hidden)

    # Without the tree ------------------------------------------------------------------------------------------------

    def _score_naively(self, head: list[int], tails: list[list[int]]) -> NDArray[np.float64]:
        """(N,) float64 log-probabilities, each option read with the whole prompt: slow, and right for every model."""
        import torch

        scores = np.zeros(len(tails))
        keeps = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        for start in range(0, len(tails), _NAIVE_BATCH):
            check_interruption()
            some = tails[start : start + _NAIVE_BATCH]
            longest = max(map(len, some))
            # Padding comes last, where causal attention cannot see it.
            rows = [head + tail + [head[0]] * (longest - len(tail)) for tail in some]
            wanted = {"logits_to_keep": longest + 1} if keeps else {}
            logits = self.model(input_ids=torch.tensor(rows, device=self._device), use_cache=False, **wanted).logits
            first = len(head) - 1 - (len(rows[0]) - logits.shape[1])  # where the first option token is predicted
            for row, tail in enumerate(some):
                own = logits[row, first : first + len(tail)].float().log_softmax(dim=-1)  # (L, V)
                chosen = own[range(len(tail)), tail]
                scores[start + row] = float(chosen.double().sum())
        self.usage += Usage(tokens_in=len(head) * len(tails) + sum(map(len, tails)))
        return scores

    def _try_tree(self) -> bool:
        """Whether this model honours masks and positions and its head is understood: a small tree, scored both ways."""
        if not self.network.is_plain or not self._tokens.prefix:
            return False
        size = self.model.config.get_text_config().vocab_size
        head = self._tokens.prefix + [token % size for token in (11, 7, 19, 5, 23, 13, 3, 17)]
        tails = [[token % size for token in tail] for tail in ([29, 31, 37], [29, 31, 41], [29, 43], [47])]
        try:
            with self._reading():
                found, expected = self._score_tree(head, tails), self._score_naively(head, tails)
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError, KeyError):
            return False
        finally:
            self.network.forget()
            self.usage = Usage()
        # Half the bits: the improbable tokens' logits are off by a percent or two, in either of the two ways.
        relative, absolute = (0.0, 1e-3) if self.model.dtype == _float32() else (0.05, 0.5)
        return bool(np.allclose(found, expected, rtol=relative, atol=absolute, equal_nan=True))


def _float32() -> torch.dtype:
    import torch

    return torch.float32
