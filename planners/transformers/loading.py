"""A causal language model and its tokenizer, read from a folder or from the local hub cache; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saycan.errors import LanguageModelError, MissingPartError
from saycan.planners.transformers.tokens import Tokens
from saycan.precision import multiplies_bfloat16
from saycan.torchvision import cure_torchvision


def load(path: str | Path, dtype: str, device: str | None) -> tuple[Any, Tokens, str]:
    """Model, tokens and device.

    Args:
        path: A folder, or a hub name whose files are in the local cache already.
        dtype: "float32", "bfloat16", ... or "auto".
        device: "cpu", "cuda", ...; a GPU when there is one, if None.

    Raises:
        MissingPartError: No such folder, or no such model in the local cache.
        LanguageModelError: The files are there but cannot be loaded.
    """
    cure_torchvision()
    import torch
    import transformers
    from safetensors import SafetensorError

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if dtype == "auto":
        dtype = "bfloat16" if multiplies_bfloat16(device) else "float32"
    number_type = getattr(torch, dtype)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()  # it would tear the caller's own display
    try:
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(path, local_files_only=True, dtype=number_type)
        tokens = Tokens(path, model.config.get_text_config())
    except OSError as error:
        raise MissingPartError(
            f"no language model at {str(path)!r}: it is neither a folder with config.json, tokenizer and weights "
            f"nor a name in the local hub cache. Fetch it once with `hf download {path}`, or pass a folder. "
            f"({error})"
        ) from error
    except SafetensorError as error:
        raise LanguageModelError(
            f"the weights of the language model at {str(path)!r} are damaged or cut short: {error}. Remove them, and "
            "get them again"
        ) from error
    except (ValueError, KeyError, RuntimeError, ImportError) as error:
        raise LanguageModelError(f"the language model at {str(path)!r} cannot be loaded: {error}") from error
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
    return model.to(device).eval(), tokens, device
