from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saycan.errors import LanguageModelError
from saycan.planners import gguf as unpacking
from tests.planners.transformers.tiny_models import configuration, save_tokenizer

gguf = pytest.importorskip("gguf")

LAYERS, VOCABULARY = 6, 330


def tiny_gemma() -> Any:
    """A random Gemma 3 of six layers, weights exact in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    config = configuration("gemma3", VOCABULARY)
    config.num_hidden_layers = LAYERS
    config.layer_types = [*["sliding_attention"] * (LAYERS - 1), "full_attention"]
    config.query_pre_attn_scalar = config.head_dim
    config.rope_parameters["full_attention"]["rope_theta"] = 12345.0
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight + 0.1 * torch.randn_like(weight)).bfloat16().float())
    return model.eval()


def packed(model: Any, target: Path, architecture: str = "gemma3", extra: str | None = None) -> Path:
    """The model as a GGUF file in float32, with the factors of norms stored as GGUF stores them."""
    config = model.config
    names = {theirs: ours for ours, theirs in unpacking._OUTER.items()}
    for layer in range(LAYERS):
        for ours, theirs in unpacking._INNER.items():
            names[f"model.layers.{layer}.{theirs}.weight"] = f"blk.{layer}.{ours}.weight"
    writer = gguf.GGUFWriter(str(target), architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(12345.0)
    writer.add_sliding_window(config.sliding_window)
    writer.add_token_list([f"t{index}" for index in range(VOCABULARY)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(1)
    for name, weight in model.named_parameters():
        numbers = weight.detach().numpy() + (1.0 if name.endswith("norm.weight") else 0.0)
        writer.add_tensor(names[name], numbers.astype(np.float32))
    if extra:
        writer.add_tensor(extra, np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.fixture(autouse=True)
def own_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_save_tokenizer", lambda source, target: save_tokenizer(target))


def test_an_unpacked_file_is_the_model_that_was_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from saycan.planners.transformers import TransformersModel

    monkeypatch.setattr(unpacking, "_ROWS", 100)  # so that a matrix is unpacked in parts
    model, reports = tiny_gemma(), []
    folder = tmp_path / "model"
    folder.mkdir()
    unpacking.unpack_gemma3(
        packed(model, tmp_path / "tiny.gguf"), folder, lambda done, what: reports.append((done, what))
    )
    loaded = TransformersModel(folder, dtype="float32", device="cpu")
    tokens = torch.arange(40)[None] % VOCABULARY
    with torch.inference_mode():
        assert torch.allclose(loaded.model(tokens).logits, model(tokens).logits, atol=1e-5)
    assert loaded.score("the robot", [" wipes.", " finds."]).shape == (2,)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert reports[-1] == (1.0, "done")


def test_another_architecture_and_foreign_tensors_are_refused(tmp_path: Path) -> None:
    model = tiny_gemma()
    with pytest.raises(LanguageModelError, match="'llama' model"):
        unpacking.unpack_gemma3(packed(model, tmp_path / "a.gguf", "llama"), tmp_path, lambda done, what: None)
    strange = packed(model, tmp_path / "b.gguf", extra="blk.0.attn_sinks.weight")
    with pytest.raises(LanguageModelError, match=r"blk\.0\.attn_sinks\.weight"):
        unpacking.unpack_gemma3(strange, tmp_path, lambda done, what: None)
