"""Text to tokens and back, with nothing added that is not said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_GENERIC = {"PreTrainedTokenizerFast", "TokenizersBackend"}


class Tokens:
    """The tokenizer of a model.

    A folder whose tokenizer is of no special class is read by the tokenizers library itself: what transformers builds
    around it takes as long and as much memory again, for a vocabulary of 262,144 two seconds and 0.2 GB.

    Args:
        path: A folder, or a hub name whose files are in the local cache already.
        config: Of the model.

    Attributes:
        prefix: Token in front of every text: what the tokenizer itself puts there, or any start that the model knows;
            at most one.
        ends: Tokens that end a text.

    Raises:
        OSError, ValueError: It cannot be read.
    """

    def __init__(self, path: str | Path, config: Any) -> None:
        self._plain: Any = None
        if (generic := _generic_file(path)) is not None:
            from tokenizers import Tokenizer

            self._plain = Tokenizer.from_file(str(generic))
            self._plain.no_truncation()
            self._plain.no_padding()
            begin, ends = config.bos_token_id, config.eos_token_id
        else:
            import transformers

            self._rich: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
            begin, ends = self._rich.bos_token_id, self._rich.eos_token_id
        found = ends if isinstance(ends, list) else [ends]
        self.ends = {int(token) for token in found if token is not None}
        automatic = self._plain.encode("a").ids if self._plain is not None else self._rich("a")["input_ids"]
        starts = [token for token in (begin, *found) if token is not None]
        self.prefix = [begin] if begin is not None and automatic[:1] == [begin] else starts[:1]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of each text, without any special ones."""
        if not texts:
            return []
        if self._plain is not None:
            return [entry.ids for entry in self._plain.encode_batch_fast(list(texts), add_special_tokens=False)]
        return [list(ids) for ids in self._rich(list(texts), add_special_tokens=False)["input_ids"]]

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        """(token, first character, character after the last) of a text, without any special ones."""
        if self._plain is not None:
            entry = self._plain.encode(text, add_special_tokens=False)
            return [(token, *span) for token, span in zip(entry.ids, entry.offsets, strict=True)]
        found = self._rich(text, add_special_tokens=False, return_offsets_mapping=True)
        return [(token, *span) for token, span in zip(found["input_ids"], found["offset_mapping"], strict=True)]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, special ones left out."""
        backend = self._plain if self._plain is not None else self._rich
        return str(backend.decode(list(tokens), skip_special_tokens=True))


def _generic_file(path: str | Path) -> Path | None:
    """tokenizer.json, where it alone says what the tokenizer is."""
    folder = Path(path)
    file, about = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not file.is_file() or not about.is_file():
        return None
    return file if json.loads(about.read_text(encoding="utf-8")).get("tokenizer_class") in _GENERIC else None
