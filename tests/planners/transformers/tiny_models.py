"""Random models of a few thousand weights, made from their configurations: no hub, no weights."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from saycan.torchvision import cure_torchvision

TREES = ("llama", "mistral", "qwen2", "qwen3", "phi", "phi3", "granite", "cohere", "gemma2", "gemma3", "gpt2")
"""Kinds that can be told a tree of options, masks and positions included."""

WINDOW = 16  # tokens; the prompts of the tests are longer
TEXT = "the robot finds the coke can, picks up the sponge and wipes the close counter. done. 1. 2. 3. Request: Steps:"


def save_tokenizer(folder: Path) -> int:
    """A byte-level BPE tokenizer that merges what it likes, also across the edge of a prompt; returns its size."""
    cure_torchvision()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    # No split at spaces: " c" + "an" and "the c" may be single tokens.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


def configuration(kind: str, vocabulary: int) -> Any:
    """The smallest configuration of a kind that still has every mechanism of it."""
    cure_torchvision()
    import transformers as t

    shared: dict[str, Any] = {
        "vocab_size": vocabulary, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    makers: dict[str, Any] = {
        "llama": functools.partial(t.LlamaConfig, **shared),
        "mistral": functools.partial(t.MistralConfig, **shared, sliding_window=WINDOW),
        "qwen2": functools.partial(t.Qwen2Config, **shared),
        "qwen3": functools.partial(t.Qwen3Config, **shared, head_dim=8),
        "phi3": functools.partial(t.Phi3Config, **shared),
        # Logits have a bias, are scaled before they are compared, or capped.
        "phi": functools.partial(t.PhiConfig, **shared),
        "granite": functools.partial(t.GraniteConfig, **shared, logits_scaling=4.0),
        "cohere": functools.partial(t.CohereConfig, **shared, logit_scale=0.25),
        "gemma2": functools.partial(
            t.Gemma2Config, **shared, head_dim=8, sliding_window=WINDOW, final_logit_softcapping=5.0
        ),
        "gemma3": functools.partial(t.Gemma3TextConfig, **shared, head_dim=8, sliding_window=WINDOW, layer_types=kinds),
        "gpt2": functools.partial(
            t.GPT2Config, vocab_size=vocabulary, n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=0,
            eos_token_id=1,
        ),
        # Positions by ALiBi: a tree of options cannot be told to it.
        "bloom": functools.partial(
            t.BloomConfig, vocab_size=vocabulary, hidden_size=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=1
        ),
        # No attention at all.
        "mamba": functools.partial(
            t.MambaConfig, vocab_size=vocabulary, hidden_size=32, num_hidden_layers=2, state_size=4, bos_token_id=0,
            eos_token_id=1, pad_token_id=1,
        ),
    }  # fmt: skip
    return makers[kind]()


def save_model(folder: Path, kind: str) -> Path:
    """A random model of a kind with its tokenizer."""
    cure_torchvision()
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = save_tokenizer(folder)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configuration(kind, vocabulary))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 or "norm" in name or name == "lm_head.bias":
                weight.add_(0.15 * torch.randn_like(weight))  # far from the flat start, so that errors show
    model.save_pretrained(folder)
    return folder
