from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, MissingPartError
from saycan.language import LanguageModel
from saycan.planners.transformers import TransformersModel
from tests.planners.tiny_models import WINDOW, save_model

TREES = ("llama", "mistral", "gemma3", "gpt2")
OTHERS = ("bloom", "mamba")
PROMPT = "Request: the robot wipes the close counter.\nSteps:\n1. picks up the sponge.\n2."
OPTIONS = (
    " finds the coke can.",
    " finds the coke.",
    " finds the coke can, done.",
    " wipes the close counter with the sponge.",
    " wipes the coke can.",
    " done.",
    "ü",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: save_model(root / kind, kind) for kind in (*TREES, *OTHERS)}


def naive(model: TransformersModel, prompt: str, options: tuple[str, ...]) -> NDArray[np.float64]:
    """log p(option | prompt) by the definition, one forward for each option, from what a tokenizer alone gives."""
    import torch

    tokenizer, network = model._tokenizer, model._model
    alone = tokenizer(prompt)["input_ids"]
    whole = [tokenizer(prompt + option)["input_ids"] for option in options]
    shared = len(alone)
    while any(ids[:shared] != alone[:shared] for ids in whole):
        shared -= 1
    found = []
    for tokens in whole:
        ids = [0, *tokens]  # <s>, which this tokenizer does not add by itself
        with torch.inference_mode():
            likely = network(torch.tensor([ids])).logits[0].log_softmax(-1)
        found.append(sum(float(likely[i - 1, ids[i]]) for i in range(shared + 1, len(ids))))
    return np.array(found)


@pytest.mark.parametrize("kind", TREES)
def test_scores_on_the_shared_cache_equal_one_forward_per_option(folders: dict[str, Path], kind: str) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    assert isinstance(model, LanguageModel)
    found = model.score(PROMPT, OPTIONS)
    assert found.dtype == np.float64
    assert found == pytest.approx(naive(model, PROMPT, OPTIONS), abs=1e-3)
    assert model._tree_is_exact is True
    assert len(model._cached) > WINDOW


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_that_cannot_read_a_tree_is_scored_without_one(folders: dict[str, Path], kind: str) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    for _ in range(2):
        assert model.score(PROMPT, OPTIONS) == pytest.approx(naive(model, PROMPT, OPTIONS), abs=1e-3)
    assert model._tree_is_exact is False


@pytest.mark.parametrize("kind", ["gemma3", "gpt2"])
def test_the_cache_goes_from_prompt_to_prompt_and_changes_no_score(folders: dict[str, Path], kind: str) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    prompts = (PROMPT, PROMPT + " wipes the coke can.\n3.", PROMPT, "Steps: done.", "Request: the robot finds the coke")
    for prompt in prompts:
        assert model.score(prompt, OPTIONS) == pytest.approx(naive(model, prompt, OPTIONS), abs=1e-3)


def test_what_a_longer_prompt_shares_with_the_last_one_is_not_read_again(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    model.score(PROMPT, OPTIONS)
    known, fed = list(model._cached), []
    forward = model._model.forward

    def counting(**kwargs: object) -> object:
        fed.append(np.asarray(kwargs["input_ids"]).shape[1])
        return forward(**kwargs)

    model._model.forward = counting
    model._extend(known)
    assert fed == []
    model._extend([*known, 5, 6, 7])
    assert fed == [3]


def test_a_prompt_longer_than_one_chunk_and_a_tree_larger_than_one(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saycan.planners.transformers._CHUNK", 5)
    monkeypatch.setattr("saycan.planners.transformers._PROMPT_CHUNK", 7)
    model = TransformersModel(folders["gemma3"], dtype="float32", device="cpu")
    assert model.score(PROMPT, OPTIONS) == pytest.approx(naive(model, PROMPT, OPTIONS), abs=1e-3)
    assert model._tree_is_exact is True


def test_an_option_that_merges_with_the_end_of_the_prompt_is_scored_on_the_tokens_of_the_whole(
    folders: dict[str, Path],
) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    prompt, options = "Request: the robot finds the co", ("ke can.", "unter.", " done.")
    alone = model._tokenizer(prompt)["input_ids"]
    joined = model._tokenizer(prompt + options[0])["input_ids"]
    assert joined[: len(alone)] != alone, "this tokenizer merges here, or the test is void"
    assert model.score(prompt, options) == pytest.approx(naive(model, prompt, options), abs=1e-3)


def test_options_of_a_whole_alphabet_share_out_the_probability(folders: dict[str, Path]) -> None:
    """Every single next token as an option: their probabilities sum to one."""
    model = TransformersModel(folders["gpt2"], dtype="float32", device="cpu")
    head, _ = model._split("the", [" robot"])
    import torch

    with torch.inference_mode():
        scores = model._score_tree(head, [[token] for token in range(model._model.config.vocab_size)])
    assert np.exp(scores).sum() == pytest.approx(1.0, abs=1e-5)


def test_no_options_no_scores_and_an_empty_prompt_begins_with_the_start_token(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    assert model.score(PROMPT, ()).shape == (0,)
    assert model.score("", OPTIONS) == pytest.approx(naive(model, "", OPTIONS), abs=1e-3)


def test_a_prompt_that_does_not_fit_is_refused(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    with pytest.raises(LanguageModelError, match="takes 256"):
        model.score("the robot " * 300, OPTIONS)


def test_after_an_interruption_nothing_half_done_is_kept(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    expected = model.score(PROMPT, OPTIONS)
    forward, calls = model._model.forward, []

    def interrupted(**kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(**kwargs)

    model._model.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        model.score("Steps: 1. the sponge. 2. the coke can.", OPTIONS)
    model._model.forward = forward
    assert model.score(PROMPT, OPTIONS) == pytest.approx(expected, abs=1e-4)


def test_names_and_missing_or_broken_folders(folders: dict[str, Path], tmp_path: Path) -> None:
    assert TransformersModel(folders["gpt2"]).name == f"transformers:{folders['gpt2']}"
    assert TransformersModel(folders["gpt2"], name="mine").name == "mine"
    with pytest.raises(MissingPartError, match=r"no language model at .*nowhere"):
        TransformersModel(tmp_path / "nowhere")
    with pytest.raises(MissingPartError, match="hf download some/model"):
        TransformersModel("some/model")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "of the moon"}')
    with pytest.raises((LanguageModelError, MissingPartError), match="broken"):
        TransformersModel(broken)
