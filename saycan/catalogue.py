"""What can be chosen by name: what is packaged, and what other packages have added."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from saycan import compose
from saycan.errors import UnknownNameError

GROUPS: Mapping[str, tuple[tuple[Mapping[str, str], Mapping[str, str], str], ...]] = {
    "robots": ((compose.ROBOTS, compose.ROBOT_KINDS, "saycan.robots"),),
    "models": ((compose.LANGUAGE_MODELS, compose.LANGUAGE_MODEL_KINDS, "saycan.language_models"),),
    "policies": ((compose.POLICIES, {}, "saycan.policies"),),
    "values": ((compose.VALUES, {}, "saycan.values"),),
    "detectors": ((compose.DETECTORS, {}, "saycan.detectors"),),
}
"""What is listed: packaged names, packaged kinds ("ros2" of "ros2:FILE"), and the entry points of others."""


@dataclass(frozen=True)
class Choice:
    """One name.

    Attributes:
        name: As it is chosen: "kitchen", "ros2:...".
        source: "saycan", or the package that brought it, with its version.
        about: One line, where the code says one and need not be run for it.
    """

    name: str
    source: str
    about: str


def choices(group: str) -> list[Choice]:
    """All of one of `GROUPS`, packaged ones first. Nothing is imported. Raises UnknownNameError."""
    if group not in GROUPS:
        raise UnknownNameError("group of names", group, GROUPS)
    found: list[Choice] = []
    for names, kinds, points in GROUPS[group]:
        found += [Choice(name, "saycan", _about(home)) for name, home in names.items()]
        found += [Choice(f"{kind}:...", "saycan", _about(home)) for kind, home in kinds.items()]
        found += [Choice(point.name, _source(point), _about(point.value)) for point in _sorted(points)]
    return found


def _sorted(group: str) -> Iterator[EntryPoint]:
    yield from sorted(entry_points(group=group), key=lambda point: point.name)


def _source(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _about(home: str) -> str:
    """The first line of the docstring of what lies at "module:name", read and not run."""
    module, _, name = home.partition(":")
    try:
        spec = find_spec(module)
        tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")) if spec and spec.origin else None
    except (ImportError, OSError, SyntaxError, ValueError):
        return "cannot be found"
    for node in [] if tree is None else tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name.partition(".")[0]:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
            return _about(f"{node.module}:{name}")
    return ""
