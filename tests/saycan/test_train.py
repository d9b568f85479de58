from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saycan import train as module
from saycan.errors import BadInputError, UnknownNameError
from saycan.skills.kitchen import kitchen_library
from saycan.skills.sentences import wordings
from saycan.skills.training import run
from saycan.skills.training.run import Job
from saycan.train import sentences, train

TEXTS = [*dict.fromkeys(text for texts in wordings(kitchen_library()).values() for text in texts)]


class Embedder:
    name = "toy"
    calls = 0

    def score(self, prompt: str, options: Any) -> Any:
        raise NotImplementedError

    def embed(self, texts: list[str]) -> np.ndarray:
        type(self).calls += 1
        return np.array([[len(text), text.count("a"), 1.0] for text in texts], np.float32)


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Embedder]:
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "make_language_model", lambda name: Embedder())
    Embedder.calls = 0
    return Embedder


def test_the_kitchens_phrases_are_embedded_once_and_kept(embedder: type[Embedder]) -> None:
    first = sentences("lab/toy")
    assert embedder.calls == 1
    assert first.phrases == tuple(TEXTS) and first.name == "lab/toy"
    again = sentences("lab/toy")
    assert embedder.calls == 1
    np.testing.assert_array_equal(again.vectors, first.vectors)
    sentences("another")
    assert embedder.calls == 2


def test_what_was_kept_for_other_phrases_is_made_anew(embedder: type[Embedder], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    np.savez(tmp_path / "cache" / "sentences-toy.npz", texts=np.array(["wave"]), vectors=np.zeros((1, 3)))
    assert sentences("toy").size == 3 and embedder.calls == 1
    sentences("toy")
    assert embedder.calls == 1


def test_what_is_killed_while_it_keeps_them_leaves_no_half_of_them(
    embedder: type[Embedder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(np, "savez", killed)
        sentences("lab/toy-1.5")
    assert sentences("lab/toy-1.5").size == 3 and embedder.calls == 2
    assert (tmp_path / "cache" / "sentences-lab_toy-1.5.npz").exists()


def test_a_model_that_embeds_nothing_is_refused(embedder: type[Embedder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_language_model", lambda name: object())
    with pytest.raises(BadInputError, match="'mute' embeds no texts"):
        sentences("mute")


def test_only_what_can_be_trained_is(embedder: type[Embedder], tmp_path: Path) -> None:
    job = Job([tmp_path], tmp_path / "out")
    with pytest.raises(BadInputError, match="policy, value or success, found 'planner'"):
        train("planner", job)
    with pytest.raises(BadInputError, match="td or mc, found 'dyna'"):
        train("value", job, method="dyna")
    with pytest.raises(BadInputError, match=r"start goes on as it is; options \(hidden\) are for a new network"):
        train("value", replace(job, start=tmp_path / "start"), options={"hidden": 8})
    with pytest.raises(UnknownNameError, match="wype"):
        train("success", job, verbs=["wipe", "wype"])


def test_values_get_library_limits_and_phrases_of_the_kitchen(
    embedder: type[Embedder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple] = []
    monkeypatch.setattr(run, "train_values", lambda *arguments: asked.append(arguments) or tmp_path)
    job = Job([tmp_path], tmp_path / "out")
    assert train("value", job, policy="mine", method="mc", options={"hidden": 8}) == tmp_path
    ((given, policy, library, spec, phrases, method, options, *_),) = asked
    assert (given, policy, method, options) == (job, "mine", "mc", {"hidden": 8})
    assert [*library] == [*kitchen_library()] and spec.name == "kitchen" and phrases.phrases == tuple(TEXTS)
