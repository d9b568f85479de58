"""What is built, installed and imported is what lies on disk, whatever folders a user has of the same names."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import saycan

ROOT = Path(__file__).resolve().parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
LEAVES = ("planners", "prompts", "robots", "skills")
HEAVY = {"torch", "torchvision", "transformers", "open_clip", "openai", "langchain_core", "mujoco", "matplotlib", "av"}
HEAVY |= {"rich", "prompt_toolkit", "typer", "pyrealsense2", "PIL"}


def run_python(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def module_names() -> dict[str, Path]:
    """Every module of ours by the name that it is imported by."""
    found = {}
    for folder, package in [(ROOT / "saycan", "saycan"), *((ROOT / leaf, f"saycan.{leaf}") for leaf in LEAVES)]:
        for file in folder.rglob("*.py"):
            if "." in file.stem:
                continue  # ROS's launch files are run by their path
            parts = file.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = file
    return found


def test_the_packages_list_is_what_lies_on_disk() -> None:
    on_disk = {name for name, file in module_names().items() if file.name == "__init__.py"}
    assert on_disk == set(SETUPTOOLS["packages"])
    assert SETUPTOOLS["packages"] == sorted(SETUPTOOLS["packages"])


def test_every_folder_with_a_module_is_a_package() -> None:
    for name, file in module_names().items():
        assert (file.parent / "__init__.py").is_file(), f"{name}: {file.parent} needs an __init__.py"


@pytest.mark.parametrize(("own", "expected"), [(None, "10000"), ("7", "7")])
def test_threads_are_told_to_spin_briefly_before_torch_is_there(own: str | None, expected: str) -> None:
    told = (
        {**os.environ, "GOMP_SPINCOUNT": own} if own else {n: v for n, v in os.environ.items() if n != "GOMP_SPINCOUNT"}
    )
    code = "import os, sys, saycan; assert 'torch' not in sys.modules; print(os.environ['GOMP_SPINCOUNT'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=told, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder into which the built wheel was installed."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"  # a copy: building leaves folders behind, and stale ones would get into the wheel
    for folder in ("saycan", *LEAVES):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    run_python("-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(source), cwd=place)
    (wheel,) = place.glob("*.whl")
    pip = ("-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-index")
    run_python(*pip, "--target", str(place / "site"), str(wheel), cwd=place)
    return place / "site"


def test_the_wheel_imports_beside_folders_of_the_same_names(site: Path, tmp_path: Path) -> None:
    (tmp_path / "skills.py").write_text("MINE = True\n")
    for folder in ("robots", "prompts"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("MINE = True\n")
    names = sorted(name for name in module_names() if not name.endswith("__main__"))
    script = f"""
import importlib, json, sys
sys.path[:0] = [{str(tmp_path)!r}, {str(site)!r}]
import skills, robots, prompts
assert skills.MINE and robots.MINE and prompts.MINE
print(json.dumps({{name: importlib.import_module(name).__file__ for name in {names!r}}}))
"""
    files = json.loads(run_python("-I", "-W", "ignore", "-c", script, cwd=tmp_path).splitlines()[-1])
    for name, file in files.items():
        assert Path(file).is_relative_to(site / "saycan"), f"{name} came from {file}"
    assert not {path.name for path in site.iterdir()} & set(LEAVES), "the leaves must not be installed at the top level"


def test_the_wheel_holds_the_data_files(site: Path) -> None:
    for leaf in LEAVES:
        for file in (ROOT / leaf).rglob("*"):
            if file.is_file() and file.suffix not in {".py", ".pyc"}:
                inside = site / "saycan" / leaf / file.relative_to(ROOT / leaf)
                assert inside.is_file(), f"{file} is not in the wheel: add it to [tool.setuptools.package-data]"
    assert (site / "saycan" / "py.typed").is_file()
    (licence,) = site.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_text() == (ROOT / "LICENSE").read_text()


def test_an_uninstalled_checkout_imports() -> None:
    # -S: no .pth file is read, so neither an editable install nor anything else can help to find the leaves.
    script = f"""
import sys
sys.path.append({sysconfig.get_path("purelib")!r})
import saycan.planners, saycan.prompts, saycan.robots.kitchen, saycan.skills.experts
print(saycan.planners.__file__)
"""
    assert Path(run_python("-S", "-c", script, cwd=ROOT).strip()) == ROOT / "planners" / "__init__.py"


def test_the_public_names_are_sorted_and_importable() -> None:
    assert saycan.__all__ == sorted(saycan.__all__)
    for name in saycan.__all__:
        assert getattr(saycan, name).__name__ == name
    with pytest.raises(AttributeError, match="it has: Action"):
        saycan.Actoin  # noqa: B018


def test_type_checkers_see_the_public_names() -> None:
    tree = ast.parse((ROOT / "saycan" / "__init__.py").read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname: node.module for node in imports for alias in node.names} == saycan._HOME


@pytest.mark.parametrize("statement", ["import saycan", "from saycan import *"])
def test_importing_the_core_loads_nothing_heavy(statement: str, tmp_path: Path) -> None:
    loaded = run_python("-c", f"{statement}\nimport sys\nprint(*sys.modules)", cwd=tmp_path).split()
    assert "saycan" in loaded
    assert not HEAVY & set(loaded)


def test_the_links_for_type_checkers_lead_to_the_leaves() -> None:
    for leaf in LEAVES:
        assert (ROOT / ".typing" / "saycan" / leaf).resolve() == ROOT / leaf


def test_the_entry_point_exists() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["saycan"]
    module, _, function = script.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
