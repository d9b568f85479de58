import json
from pathlib import Path
from typing import Any

import pytest
import torch

from saycan.errors import MissingPartError, UnknownNameError
from saycan.skills.policies.clip import OpenClip, TransformersClip, build_vision
from saycan.torchvision import cure_torchvision

PHRASES = ("pick up the apple", "go to the table", "pick up the sponge")
VISION = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIPModel, tokenizer and preprocessing, as save_pretrained writes them."""
    cure_torchvision()
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(c) for c in range(97, 123)]
    words = letters + [f"{letter}</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])
    text = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": len(words),
        "max_position_embeddings": 32,
        "bos_token_id": len(words) - 2,
        "eos_token_id": len(words) - 1,
        "pad_token_id": len(words) - 1,
    }
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "CLIPImageProcessor", "image_mean": [0.5] * 3, "image_std": [0.25] * 3})
    )
    return folder


@pytest.fixture(scope="module")
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local-dir of open_clip: its configuration, and a state dict beside it."""
    cure_torchvision()
    import open_clip
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("open_clip")
    config: dict[str, Any] = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 24, "head_width": 12, "patch_size": 8},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
    }
    torch.manual_seed(0)
    model = open_clip.CLIP(**json.loads(json.dumps(config)))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    preprocessing = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing}))
    return folder


def pixels(side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_patch_tokens_of_a_transformers_checkpoint_are_those_of_its_own_model(checkpoint: Path) -> None:
    from transformers import CLIPModel

    clip = TransformersClip.load(checkpoint)
    tower = CLIPModel.from_pretrained(checkpoint).vision_model
    with torch.no_grad():
        theirs = tower(pixel_values=(pixels() / 255 - 0.5) / 0.25)
        assert torch.allclose(clip.vision(pixels()), tower.post_layernorm(theirs.last_hidden_state[:, 1:]), atol=1e-5)
    assert (clip.vision.width, clip.vision.grid, clip.text_width) == (24, (4, 4), 12)


def test_phrases_get_transformers_own_text_features(checkpoint: Path) -> None:
    from transformers import AutoTokenizer, CLIPModel

    found = TransformersClip.load(checkpoint).embed_text(PHRASES)
    model, tokenizer = CLIPModel.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    for phrase, row in zip(PHRASES, found, strict=True):  # one by one, so without padding
        with torch.no_grad():
            theirs = model.get_text_features(**tokenizer(phrase, return_tensors="pt")).pooler_output[0]
        assert torch.allclose(row, theirs / theirs.norm(), atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-2)


def test_patch_tokens_of_an_open_clip_folder_are_those_of_its_own_model(open_folder: Path) -> None:
    import open_clip

    clip = OpenClip.load(f"local-dir:{open_folder}")
    model = open_clip.create_model(f"local-dir:{open_folder}").eval()
    with torch.no_grad():
        tokens = clip.vision(pixels())
        assert tokens.shape == (2, 16, 24) and clip.vision.grid == (4, 4)
        visual = model.visual
        theirs = visual.ln_post(visual.transformer(visual._embeds((pixels() / 255 - 0.5) / 0.25)))[:, 1:]
        assert torch.allclose(tokens, theirs, atol=1e-5)


def test_phrases_get_open_clips_own_text_features(open_folder: Path) -> None:
    import open_clip

    clip = OpenClip.load(f"local-dir:{open_folder}")
    model = open_clip.create_model(f"local-dir:{open_folder}").eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{open_folder}")(list(PHRASES))
    with torch.no_grad():
        assert torch.allclose(clip.embed_text(PHRASES), model.encode_text(tokens, normalize=True), atol=1e-5)


def test_open_clip_takes_a_file_of_weights_for_an_architecture(open_folder: Path, tmp_path: Path) -> None:
    import open_clip

    config = json.loads((open_folder / "open_clip_config.json").read_text())["model_cfg"]
    (tmp_path / "tiny-for-a-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    clip = OpenClip.load("tiny-for-a-test", open_folder / "open_clip_model.safetensors")
    assert torch.equal(clip.embed_text(PHRASES), OpenClip.load(f"local-dir:{open_folder}").embed_text(PHRASES))


@pytest.mark.parametrize("side", [16, 50])
def test_images_are_resized_to_the_towers_size(checkpoint: Path, open_folder: Path, side: int) -> None:
    for clip in (TransformersClip.load(checkpoint), OpenClip.load(f"local-dir:{open_folder}")):
        flat = torch.full((1, 3, side, side), 77, dtype=torch.uint8)
        with torch.no_grad():
            same = clip.vision(torch.full((1, 3, 32, 32), 77, dtype=torch.uint8))
            assert torch.allclose(clip.vision(flat), same, atol=1e-4)


def test_a_tower_is_rebuilt_from_its_configuration_alone(checkpoint: Path, open_folder: Path) -> None:
    for clip in (TransformersClip.load(checkpoint), OpenClip.load(f"local-dir:{open_folder}")):
        rebuilt: Any = build_vision(json.loads(json.dumps(clip.vision.config())))
        rebuilt.load_state_dict(clip.vision.state_dict())
        with torch.no_grad():
            assert torch.equal(rebuilt.eval()(pixels()), clip.vision.eval()(pixels()))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingPartError, match="save_pretrained"):
        TransformersClip.load(tmp_path)
    with pytest.raises(MissingPartError, match="list_models"):
        OpenClip.load(f"local-dir:{tmp_path}")
    with pytest.raises(MissingPartError, match="list_models"):
        OpenClip.load("ViT-B-32", tmp_path / "none.safetensors")
    with pytest.raises(UnknownNameError, match="open_clip"):
        build_vision({"kind": "siglip"})
