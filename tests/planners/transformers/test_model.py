from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from saycan.errors import DecisionInterruptedError, LanguageModelError, MissingPartError
from saycan.interruption import interruptible
from saycan.language import LanguageModel, Shortlister, TextEmbedder, TextGenerator, TokenCounter
from saycan.planners.transformers import TransformersModel
from saycan.usage import Usage
from tests.planners.transformers.tiny_models import TREES, WINDOW, save_model

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


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For models this small a second thread only costs time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: save_model(root / kind, kind) for kind in (*TREES, *OTHERS)}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, TransformersModel]:
    return {kind: TransformersModel(folders[kind], dtype="float32", device="cpu") for kind in TREES}


def naive(model: TransformersModel, prompt: str, options: tuple[str, ...]) -> NDArray[np.float64]:
    """log p(option | prompt) by the definition, one forward for each option, from what a tokenizer alone gives."""
    import torch

    tokenizer, network = model._tokens, model.model
    (alone,) = tokenizer.encode([prompt])
    whole = tokenizer.encode([prompt + option for option in options])
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
    assert model.reads_trees is True
    assert len(model.network.known) > WINDOW


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_that_cannot_read_a_tree_is_scored_without_one(folders: dict[str, Path], kind: str) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    for _ in range(2):
        assert model.score(PROMPT, OPTIONS) == pytest.approx(naive(model, PROMPT, OPTIONS), abs=1e-3)
    assert model.reads_trees is False


@pytest.mark.parametrize("kind", ["gemma3", "gpt2"])
def test_the_cache_goes_from_prompt_to_prompt_and_changes_no_score(folders: dict[str, Path], kind: str) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    prompts = (PROMPT, PROMPT + " wipes the coke can.\n3.", PROMPT, "Steps: done.", "Request: the robot finds the coke")
    for prompt in prompts:
        assert model.score(prompt, OPTIONS) == pytest.approx(naive(model, prompt, OPTIONS), abs=1e-3)


def test_what_a_longer_prompt_shares_with_the_last_one_is_not_read_again(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    model.score(PROMPT, OPTIONS)
    network = model.network
    known, fed = list(network.known), network.fed
    network.read(known)
    assert network.fed == fed
    network.read([*known, 5, 6, 7])
    assert network.fed == fed + 3


def test_what_was_read_and_what_the_cache_saved_is_counted(folders: dict[str, Path]) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    assert not model.usage
    model.score(PROMPT, OPTIONS)
    first = model.usage
    assert first.tokens_in > len(model.network.known)
    assert (first.requests, first.tokens_cached, first.tokens_out) == (0, 0, 0)
    model.score(PROMPT, OPTIONS)
    second = model.usage - first
    assert second.tokens_in == first.tokens_in
    assert second.tokens_cached == len(model.network.known)


@pytest.mark.parametrize("kind", ["llama", "bloom"])
def test_what_a_shortlist_reads_is_counted_and_so_is_what_an_embedding_reads(
    folders: dict[str, Path], kind: str
) -> None:
    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    model.score(PROMPT, OPTIONS)
    scored, known = model.usage, len(model.network.known)
    model.shortlist(PROMPT, OPTIONS, len(OPTIONS))  # all of them: the tree is read to its end
    assert model.usage - scored == Usage(tokens_in=scored.tokens_in, tokens_cached=known)
    model.network.forget()
    before = model.usage
    model.shortlist(PROMPT, OPTIONS, 1)
    cold = model.usage - before
    assert known < cold.tokens_in <= scored.tokens_in and not cold.tokens_cached
    before = model.usage
    model.embed(OPTIONS)
    texts = model._tokens.encode(OPTIONS)
    assert model.usage - before == Usage(tokens_in=sum(1 + len(tokens) for tokens in texts))


def test_a_prompt_longer_than_one_chunk_and_a_tree_larger_than_one(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saycan.planners.transformers.model._CHUNK", 5)
    monkeypatch.setattr("saycan.planners.transformers.network._CHUNK", 7)
    model = TransformersModel(folders["gemma3"], dtype="float32", device="cpu")
    assert model.score(PROMPT, OPTIONS) == pytest.approx(naive(model, PROMPT, OPTIONS), abs=1e-3)
    assert model.reads_trees is True


def test_an_option_that_merges_with_the_end_of_the_prompt_is_scored_on_the_tokens_of_the_whole(
    folders: dict[str, Path],
) -> None:
    model = TransformersModel(folders["llama"], dtype="float32", device="cpu")
    prompt, options = "Request: the robot finds the co", ("ke can.", "unter.", " done.")
    alone, joined = model._tokens.encode([prompt, prompt + options[0]])
    assert joined[: len(alone)] != alone, "this tokenizer merges here, or the test is void"
    assert model.score(prompt, options) == pytest.approx(naive(model, prompt, options), abs=1e-3)


WORDS = st.text(alphabet="the cok\u00e9\u4f60 .\n\U0001f916", min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(TREES), prompt=WORDS, options=st.lists(WORDS, min_size=1, max_size=6), run=st.integers(1, 7)
)
@example(kind="llama", prompt="the co", options=["ke", "ke can", "k", "ke", " can"], run=1)
def test_any_options_after_any_prompt(
    loaded: dict[str, TransformersModel], kind: str, prompt: str, options: list[str], run: int
) -> None:
    """Options that begin each other, that repeat, of one token, in any script, that merge with the prompt's end."""
    model = loaded[kind]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saycan.planners.transformers.model._CHUNK", run)
        patch.setattr("saycan.planners.transformers.attention._BLOCK", 1 + run // 2)
        assert model.score(prompt, options) == pytest.approx(naive(model, prompt, tuple(options)), abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(options=st.lists(WORDS, min_size=1, max_size=12), count=st.integers(1, 6), batch=st.integers(1, 5))
def test_the_shortlist_is_the_best_of_all(
    loaded: dict[str, TransformersModel], options: list[str], count: int, batch: int
) -> None:
    model = loaded["gemma3"]
    scores = model.score(PROMPT, options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saycan.planners.transformers.search._BATCH", batch)
        found = model.shortlist(PROMPT, options, count)
    assert len(set(found.tolist())) == len(found) == min(count, len(options))
    assert scores[found] == pytest.approx(np.sort(scores)[::-1][: len(found)], abs=1e-3)
    assert model.score(PROMPT, options) == pytest.approx(scores, abs=1e-4)


def test_the_shortlist_of_many_leaves_most_of_the_tree_unread(loaded: dict[str, TransformersModel]) -> None:
    model = loaded["llama"]
    options = [f" {verb} {thing} {number}." for verb in ("the", "can") for thing in ("a", "b") for number in range(99)]
    before = model.network.fed
    model.score(PROMPT, options)
    whole, before = model.network.fed - before, model.network.fed
    assert len(model.shortlist(PROMPT, options, 3)) == 3
    assert model.network.fed - before < whole / 2


@pytest.mark.parametrize("kind", ["gemma3", "gpt2", "mamba"])
def test_what_is_generated_is_what_the_library_itself_would_write(folders: dict[str, Path], kind: str) -> None:
    import torch

    model = TransformersModel(folders[kind], dtype="float32", device="cpu")
    ids = torch.tensor([[0, *model._tokens.encode([PROMPT])[0]]])
    whole = model.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    expected = whole[0, ids.shape[1] :].tolist()
    expected = expected[: expected.index(1)] if 1 in expected else expected
    for _ in range(2):  # also from a warm cache
        assert model.generate(PROMPT, max_tokens=8, stop=()) == model._tokens.decode(expected)
    assert model.usage.tokens_out == 2 * len(expected)


def test_generation_ends_where_a_stop_text_begins(loaded: dict[str, TransformersModel]) -> None:
    model = loaded["gemma3"]
    whole = model.generate(PROMPT, max_tokens=12, stop=())
    assert len(whole) > 4
    stop = whole[3:5]
    assert model.generate(PROMPT, max_tokens=12, stop=(stop, "never said")) == whole[: whole.find(stop)]


def test_embeddings_have_length_one_and_padding_does_not_show(loaded: dict[str, TransformersModel]) -> None:
    model = loaded["llama"]
    texts = ["the sponge", "the robot wipes the close counter with the sponge", "\u00fc"]
    rows = model.embed(texts)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
    for text, row in zip(texts, rows, strict=True):
        assert model.embed([text])[0] == pytest.approx(row, abs=1e-4)
    assert model.embed([]).shape == (0, 32)


def test_lengths_are_the_tokens_that_are_scored(loaded: dict[str, TransformersModel]) -> None:
    model = loaded["llama"]
    lengths = model.lengths(PROMPT, OPTIONS)
    _, tails = model.split(PROMPT, OPTIONS)
    assert lengths.tolist() == [len(tail) for tail in tails]
    for ability in (TokenCounter, TextGenerator, Shortlister, TextEmbedder):
        assert isinstance(model, ability)


def test_a_decision_that_nobody_waits_for_is_given_up_between_two_chunks(loaded: dict[str, TransformersModel]) -> None:
    model = loaded["llama"]
    expected = model.score(PROMPT, OPTIONS)
    with interruptible(lambda: True), pytest.raises(DecisionInterruptedError):
        model.score("Steps: 1.", OPTIONS)
    assert model.score(PROMPT, OPTIONS) == pytest.approx(expected, abs=1e-4)


def test_options_of_a_whole_alphabet_share_out_the_probability(folders: dict[str, Path]) -> None:
    """Every single next token as an option: their probabilities sum to one."""
    model = TransformersModel(folders["gpt2"], dtype="float32", device="cpu")
    head, _ = model.split("the", [" robot"])
    import torch

    with torch.inference_mode():
        scores = model._score_tree(head, [[token] for token in range(model.model.config.vocab_size)])
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
    body, calls = model.network.body, []

    def interrupted(**kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return body(**kwargs)

    model.network.body = interrupted
    with pytest.raises(KeyboardInterrupt):
        model.score("Steps: 1. the sponge. 2. the coke can.", OPTIONS)
    model.network.body = body
    assert model.score(PROMPT, OPTIONS) == pytest.approx(expected, abs=1e-4)


def test_names_and_missing_or_broken_folders(folders: dict[str, Path], tmp_path: Path) -> None:
    assert TransformersModel(folders["gpt2"]).name == f"transformers:{folders['gpt2']}"
    assert TransformersModel(folders["gpt2"], name="mine").name == "mine"
    with pytest.raises(MissingPartError, match=r"no language model at .*nowhere"):
        TransformersModel(tmp_path / "nowhere")
    with pytest.raises(MissingPartError, match="hf download some/model"):
        TransformersModel("some/model")
    short = shutil.copytree(folders["llama"], tmp_path / "short")
    for kept in (0, 500, 90_000):
        (short / "model.safetensors").write_bytes((folders["llama"] / "model.safetensors").read_bytes()[:kept])
        with pytest.raises(LanguageModelError, match=r"short' are damaged or cut short: .*get them again"):
            TransformersModel(short)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "of the moon"}')
    with pytest.raises((LanguageModelError, MissingPartError), match="broken"):
        TransformersModel(broken)
