"""What the documents name exists, and they agree on the version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import saycan

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_a_document_names_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    scripts = re.findall(r"\b(?:benchmarks|examples|saycan|tests)/\w+\.py\b", text)
    assert links or scripts
    for name in {*links, *scripts}:
        assert (ROOT / name).exists(), f"{document} names {name}, which does not exist"


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_every_file_that_a_page_names_exists(document: Path) -> None:
    for name in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / name).exists(), f"docs/{document.name} names {name}, which does not exist"


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for document in ("README.md", "CONTRIBUTING.md", ".ci/run")
        for name in re.findall(r"\bmake (?:--no-print-directory )?([a-z]+)\b", (ROOT / document).read_text())
    }
    assert {"demo", "test", "check"} <= named & targets


def test_the_readme_shows_names_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"`saycan\.(\w+)`", text):
        assert hasattr(saycan, name), f"README.md names saycan.{name}"
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(block, "README.md", "exec")


def test_the_documents_agree_on_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {saycan.__version__}\n" in citation
    assert saycan.__version__ in (ROOT / "CHANGELOG.md").read_text()
