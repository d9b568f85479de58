"""Who may import whom: the core knows no leaf, a leaf knows the core and its own folder, nothing goes in circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LEAVES = ("planners", "prompts", "robots", "skills")
ROOT_OF_COMPOSITION = "saycan.compose"
"""The one module of the core that knows leaves; whatever else wants a part asks it."""

ABOVE_THE_LEAVES = {ROOT_OF_COMPOSITION, "saycan.agent", "saycan.cli", "saycan.repl", "saycan.__main__"}
ABOVE_THE_LEAVES |= {"saycan.runnable", "saycan.tools", "saycan.node"}

WORKSHOP = {"saycan.collect", "saycan.train", "saycan.workshop"}
"""The commands that make data and networks: they know what learns, and ask for robots and language models by name."""

ABOVE_THE_LEAVES |= WORKSHOP


def modules() -> dict[str, Path]:
    found = {}
    for package in ("saycan", *LEAVES):
        for file in (ROOT / package).rglob("*.py"):
            parts = file.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts if package == "saycan" else ("saycan", *parts)).removesuffix(".__init__")
            found[name] = file
    return found


MODULES = modules()


def imports(name: str, *, running: bool = False) -> set[str]:
    """Modules of ours that a module imports; with `running`, only those imported as soon as it is."""
    tree = ast.parse(MODULES[name].read_text())
    found = set()
    for node in _statements(tree, running):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module or "")
    return {target for target in found if target.split(".")[0] == "saycan"} - {name}


def _statements(node: ast.AST, running: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if running and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if running and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _statements(child, running)


def leaf(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEAVES else None


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_its_layer_may(name: str) -> None:
    for target in imports(name):
        assert target in MODULES, f"{name} imports {target}, which does not exist"
        if leaf(target) is None:
            assert leaf(name) is None or target not in ABOVE_THE_LEAVES, f"{name} is a leaf and imports {target}"
        elif leaf(name) is None:
            allowed = name == ROOT_OF_COMPOSITION or (name in WORKSHOP and leaf(target) in ("planners", "skills"))
            assert allowed, f"{name} is in the core and imports {target}; ask {ROOT_OF_COMPOSITION}"
        else:
            assert leaf(name) == leaf(target), f"{name} imports {target}: leaves do not import each other"


def test_there_are_no_cycles() -> None:
    graph = {name: imports(name, running=True) for name in MODULES if name != "saycan"}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done and name in graph:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())
