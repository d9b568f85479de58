from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from saycan.planners.transformers.tokens import Tokens
from tests.planners.transformers.tiny_models import save_tokenizer

TEXTS = ["the robot wipes", "", "done.\n2.", "\u00fc \u4f60 \U0001f916", " "]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return tmp_path


def reclass(folder: Path, name: str) -> Path:
    about = folder / "tokenizer_config.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"tokenizer_class": name}))
    return folder


def test_read_plainly_or_by_transformers_it_is_the_same_tokenizer(folder: Path) -> None:
    config = SimpleNamespace(bos_token_id=0, eos_token_id=1)
    plain = Tokens(reclass(folder, "PreTrainedTokenizerFast"), config)
    rich = Tokens(reclass(folder, "TokenizersBackendOfSomebody"), config)
    assert plain._plain is not None
    assert rich._plain is None
    assert plain.encode(TEXTS) == rich.encode(TEXTS)
    for ids in plain.encode(TEXTS):
        assert plain.decode(ids) == rich.decode(ids)
    assert (plain.prefix, plain.ends) == (rich.prefix, rich.ends) == ([0], {1})
    assert plain.encode([]) == rich.encode([]) == []
    assert all(0 not in ids for ids in plain.encode(["<s"]))


def test_several_tokens_may_end_a_text_and_one_of_them_begin_it(folder: Path) -> None:
    tokens = Tokens(reclass(folder, "PreTrainedTokenizerFast"), SimpleNamespace(bos_token_id=None, eos_token_id=[1, 7]))
    assert tokens.ends == {1, 7}
    assert tokens.prefix == [1]
    without = Tokens(folder, SimpleNamespace(bos_token_id=None, eos_token_id=None))
    assert (without.prefix, without.ends) == ([], set())
