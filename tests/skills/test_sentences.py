from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from saycan.errors import MissingPartError
from saycan.skill import Skill
from saycan.skills.kitchen import kitchen_library
from saycan.skills.sentences import PARAPHRASES, Sentences, paraphrases, wordings

LIBRARY = kitchen_library()
KEPT = ("pick up the apple", "go to the table", "done")
VECTORS = np.random.default_rng(0).normal(3.0, 2.0, (3, 5)).astype(np.float32)


class Embedder:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, texts: list[str]) -> np.ndarray:
        self.asked.append([*texts])
        return np.full((len(texts), 5), 2.0, np.float32)


def test_kept_phrases_have_mean_zero_and_deviation_one() -> None:
    sentences = Sentences(KEPT, VECTORS)
    assert sentences.size == 5
    found = sentences.embed(KEPT)
    assert found.dtype == np.float32
    assert found.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-5)
    assert found.std(axis=0) == pytest.approx(np.ones(5), abs=1e-4)
    np.testing.assert_array_equal(sentences.embed([KEPT[2], KEPT[0], KEPT[2]]), found[[2, 0, 2]])


def test_other_phrases_are_embedded_once_on_the_same_scale() -> None:
    embedder, made = Embedder(), []

    def make() -> Embedder:
        made.append(embedder)
        return embedder

    sentences = Sentences(KEPT, VECTORS, make)
    sentences.embed(KEPT)
    assert not made  # a language model is not loaded for what is kept
    found = sentences.embed(["grab it", KEPT[0], "grab it"])
    sentences.embed(["grab it"])
    assert embedder.asked == [["grab it"]] and len(made) == 1
    assert found[0] == pytest.approx((2.0 - VECTORS.mean(axis=0)) / VECTORS.std(axis=0), rel=1e-4)


def test_a_phrase_that_cannot_be_embedded_is_named() -> None:
    with pytest.raises(MissingPartError, match=r"no embedding of 'grab it': only 3 phrases are kept.*pip install"):
        Sentences(KEPT, VECTORS).embed([KEPT[0], "grab it"])


def test_other_wordings_name_the_same_thing_and_the_same_place() -> None:
    for skill in LIBRARY:
        if skill.verb == "done":
            continue
        others = paraphrases(skill)
        assert len(others) == len({*others}) >= 3, skill.phrase
        for text in others:
            assert skill.object is None or skill.object in text
            assert skill.place in (None, "trash can", "operator") or skill.place in text or skill.verb == "place"
            assert "{" not in text


def test_a_phrase_that_names_no_place_is_not_said_with_one() -> None:
    assert paraphrases(Skill("clean up the spill", "wipe")) == ()
    texts = paraphrases(Skill("pick it up", "pick up")) + paraphrases(Skill("drop it", "put down", None, "table"))
    assert not any("None" in text or "{" in text for text in texts)


def test_into_the_drawer_and_onto_the_table() -> None:
    assert "put the tea in the drawer" in paraphrases(LIBRARY.find("place the tea in the drawer"))
    assert "put the tea on the table" in paraphrases(LIBRARY.find("place the tea on the table"))


def test_no_wording_means_two_skills() -> None:
    texts = wordings(LIBRARY)
    assert all(texts[phrase][0] == phrase for phrase in LIBRARY.phrases)
    counts = Counter(text for some in texts.values() for text in some)
    assert [text for text, count in counts.items() if count > 1] == []


def test_every_verb_has_other_wordings() -> None:
    assert set(PARAPHRASES) == {skill.verb for skill in LIBRARY} - {"done"}
