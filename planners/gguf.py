"""A Gemma 3 GGUF file, unpacked into a folder that transformers loads in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saycan.errors import LanguageModelError

if TYPE_CHECKING:
    import torch

_OUTER = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_INNER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_ROWS = 16384  # of the largest matrix, unpacked at once


def unpack_gemma3(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
    """Write config.json, tokenizer and model.safetensors (bfloat16) into the existing folder `target`.

    Weights are unpacked block by block with the `gguf` package, which holds one matrix at a time: transformers' own
    reader keeps the whole model in float32 beside the packed one.

    Args:
        source: The GGUF file.
        target: An empty folder.
        report: Called with the fraction done and a word on what is being done.

    Raises:
        LanguageModelError: The file is no text-only Gemma 3, or holds tensors that are not known.
    """
    from gguf import GGUFReader
    from safetensors.torch import save_file

    report(0.0, "reading")
    reader = GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    if architecture != "gemma3":
        raise LanguageModelError(f"{source.name} holds a {architecture!r} model; only gemma3 is unpacked here")
    config = _config(reader)
    report(0.15, "tokenizer")
    _save_tokenizer(source, target)
    weights: dict[str, torch.Tensor] = {}
    sizes = [int(tensor.n_elements) for tensor in reader.tensors]
    for index, tensor in enumerate(reader.tensors):
        report(0.5 + 0.4 * sum(sizes[:index]) / sum(sizes), "weights")
        weights[_name(tensor.name)] = _unpacked(tensor)
    report(0.9, "writing")
    save_file(weights, str(target / "model.safetensors"), metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    report(1.0, "done")


def _name(name: str) -> str:
    """The name that transformers gives a tensor of the file."""
    if name in _OUTER:
        return _OUTER[name]
    block, _, rest = name.removeprefix("blk.").partition(".")
    kind = rest.removesuffix(".weight")
    if not (name.startswith("blk.") and block.isdigit() and kind in _INNER):
        raise LanguageModelError(f"the GGUF file holds a tensor {name!r} that a text-only Gemma 3 does not have")
    return f"model.layers.{block}.{_INNER[kind]}.weight"


def _unpacked(tensor: Any) -> torch.Tensor:
    """The tensor in bfloat16."""
    import torch
    from gguf import dequantize

    # The file stores a norm's factor; transformers stores what is added to 1.
    offset = 1.0 if tensor.name.endswith("norm.weight") else 0.0
    shape = tuple(int(size) for size in reversed(tensor.shape))
    rows = len(tensor.data)
    result = torch.empty((rows, int(tensor.n_elements) // rows), dtype=torch.bfloat16)
    for start in range(0, rows, _ROWS):
        numbers = dequantize(tensor.data[start : start + _ROWS], tensor.tensor_type) - np.float32(offset)
        result[start : start + _ROWS] = torch.from_numpy(numbers).reshape(-1, result.shape[1])
    return result.reshape(shape)


def _config(reader: Any) -> dict[str, Any]:
    """config.json of the model, from the metadata of the file."""

    def read(key: str) -> Any:
        return reader.fields[f"gemma3.{key}"].contents()

    def token(key: str) -> int:
        return int(reader.fields[f"tokenizer.ggml.{key}_token_id"].contents())

    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "dtype": "bfloat16",
        "vocab_size": len(reader.fields["tokenizer.ggml.tokens"].data),
        "max_position_embeddings": read("context_length"),
        "hidden_size": read("embedding_length"),
        "intermediate_size": read("feed_forward_length"),
        "num_hidden_layers": read("block_count"),
        "num_attention_heads": read("attention.head_count"),
        "num_key_value_heads": read("attention.head_count_kv"),
        "head_dim": read("attention.key_length"),
        "query_pre_attn_scalar": read("attention.key_length"),
        "rms_norm_eps": read("attention.layer_norm_rms_epsilon"),
        "sliding_window": read("attention.sliding_window"),
        # Five layers that look 512 tokens back, then one that looks at everything; the file does not say so.
        "layer_types": [
            "full_attention" if (layer + 1) % 6 == 0 else "sliding_attention" for layer in range(read("block_count"))
        ],
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": read("rope.freq_base")},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
        "hidden_activation": "gelu_pytorch_tanh",
        "tie_word_embeddings": True,
        "bos_token_id": token("bos"),
        "eos_token_id": token("eos"),
        "pad_token_id": token("padding"),
    }


def _save_tokenizer(source: Path, target: Path) -> None:
    """The tokenizer of the file, as transformers itself rebuilds it."""
    from saycan.torchvision import cure_torchvision

    cure_torchvision()
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(target)
    # Of no special class, and without the spaces that make it good to read: it is then read in half the time.
    about, vocabulary = target / "tokenizer_config.json", target / "tokenizer.json"
    plain = json.loads(about.read_text(encoding="utf-8")) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    about.write_text(json.dumps(plain, indent=2), encoding="utf-8")
    whole = json.loads(vocabulary.read_text(encoding="utf-8"))
    vocabulary.write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
