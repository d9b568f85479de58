"""What can be chosen by name: what is packaged, and what other packages have added."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import resolve_name
from pathlib import Path

from saycan import compose
from saycan.errors import UnknownNameError

GROUPS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str], str]] = {
    "robots": (compose.ROBOTS, compose.ROBOT_KINDS, "saycan.robots"),
    "models": (compose.LANGUAGE_MODELS, compose.LANGUAGE_MODEL_KINDS, "saycan.language_models"),
    "policies": (compose.POLICIES, compose.POLICY_KINDS, "saycan.policies"),
    "values": (compose.VALUES, {}, "saycan.values"),
    "detectors": (compose.DETECTORS, {}, "saycan.detectors"),
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
    names, kinds, points = GROUPS[group]
    found = [Choice(name, "saycan", _about(home)) for name, home in names.items()]
    found += [Choice(f"{kind}:...", "saycan", _about(home)) for kind, home in kinds.items()]
    if group == "models":
        found.append(Choice("http://HOST:PORT/v1#MODEL", "saycan", "Any server that speaks OpenAI's API."))
    plugins = sorted(entry_points(group=points), key=lambda point: point.name)
    return found + [Choice(point.name, _source(point), _about(point.value)) for point in plugins]


def _source(point: EntryPoint) -> str:
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _about(home: str) -> str:
    """The first line of the docstring of what lies at "module:name", read and not run."""
    try:
        return _docstring(home).partition("\n")[0]
    except (ImportError, OSError, SyntaxError, ValueError):
        return "cannot be found"
    except (KeyError, RecursionError):  # in a folder without __init__.py; modules that import from each other
        return ""


def _docstring(home: str) -> str:
    """The docstring of what lies at "module:name", in that module or where it imports it from.

    Raises what finding, reading and parsing a module may.
    """
    module, _, path = home.partition(":")
    name, file = path.partition(".")[0], _file(module)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.ImportFrom):
            given = {alias.asname or alias.name: alias.name for alias in node.names}
            if name in given:
                source = resolve_name("." * node.level + (node.module or ""), package)
                return _docstring(f"{source}:{given[name]}")
    return ""


def _file(module: str) -> Path:
    """Where a module lies; unlike `importlib.util.find_spec` it imports no package on the way. Raises ImportError."""
    path, spec = None, None
    parts = module.split(".")
    for name in (".".join(parts[: end + 1]) for end in range(len(parts))):
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        spec = next((one for one in found if one is not None), None)
        if spec is None:
            raise ImportError(f"there is no module {name}")
        path = getattr(sys.modules.get(name), "__path__", spec.submodule_search_locations)
    if spec is None or spec.origin is None:
        raise ImportError(f"{module} is no file")
    return Path(spec.origin)
