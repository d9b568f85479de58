"""Adapters, merged as the peft library would apply them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saycan.errors import LanguageModelError, MissingPartError
from saycan.language import prompt_of
from saycan.planners.transformers import TransformersModel
from saycan.planners.transformers.adapter import ABOUT, WEIGHTS
from saycan.torchvision import cure_torchvision
from tests.planners.transformers.tiny_models import save_model

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks for it
PROMPT, OPTIONS = "Request: Steps: 1.", [" picks up the sponge", " wipes the close counter", " done"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("gemma3"), "gemma3")


def peft_of(folder: Path, **options: Any) -> Any:
    """The model with a random adapter, as peft makes it."""
    cure_torchvision()
    peft = pytest.importorskip("peft")
    import torch
    import transformers

    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", init_lora_weights=False, **options)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return peft.get_peft_model(model, config)


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}])
def test_a_merged_adapter_scores_as_peft_does(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    adapted = peft_of(folder, **options)
    adapted.save_pretrained(tmp_path)
    plain = TransformersModel(folder, dtype="float32", device="cpu")
    merged = TransformersModel(folder, dtype="float32", device="cpu", adapter=tmp_path)
    wanted = TransformersModel(folder, dtype="float32", device="cpu")
    wanted.model.load_state_dict(adapted.merge_and_unload().state_dict())
    scores = merged.score(PROMPT, OPTIONS)
    np.testing.assert_allclose(scores, wanted.score(PROMPT, OPTIONS), atol=1e-4)
    assert not np.allclose(scores, plain.score(PROMPT, OPTIONS), atol=1e-2)
    assert (prompt_of(plain), prompt_of(merged)) == ("kitchen", "kitchen"), "peft knows no prompts"


def test_what_is_no_adapter_or_not_of_this_model_says_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="saycan train planner"):
        TransformersModel(folder, adapter=tmp_path)
    other = save_model(tmp_path / "phi3", "phi3")
    peft_of(other).save_pretrained(tmp_path / "adapter")
    about = json.loads((tmp_path / "adapter" / ABOUT).read_text())
    with pytest.raises(LanguageModelError, match="does not fit"):
        TransformersModel(folder, adapter=tmp_path / "adapter")
    for change, complaint in (({"use_dora": True}, "use_dora"), ({"peft_type": "IA3"}, "IA3"), ({"r": None}, "fit")):
        (tmp_path / "adapter" / ABOUT).write_text(json.dumps(about | change))
        with pytest.raises((LanguageModelError, TypeError), match=complaint):
            TransformersModel(other, adapter=tmp_path / "adapter")
    (tmp_path / "adapter" / ABOUT).write_text(json.dumps(about))
    (tmp_path / "adapter" / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(LanguageModelError, match="does not fit"):
        TransformersModel(other, adapter=tmp_path / "adapter")
