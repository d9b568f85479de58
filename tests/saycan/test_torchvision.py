from __future__ import annotations

import subprocess
import sys


def outcome(script: str) -> str:
    """What a script prints in a process of its own: operators can be declared once in a process."""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_after_the_cure_torchvision_and_what_needs_it_can_be_imported() -> None:
    script = """
from saycan.torchvision import cure_torchvision
first = cure_torchvision()
assert cure_torchvision() is first
import torchvision
from transformers import Gemma3ForCausalLM
print("imported")
"""
    assert outcome(script) == "imported"


def test_a_healthy_torchvision_is_left_alone() -> None:
    script = """
import sys, types
sys.modules["torchvision"] = types.ModuleType("torchvision")
from saycan.torchvision import cure_torchvision
print(cure_torchvision())
"""
    assert outcome(script) == "False"
    script = """
import importlib.util
from saycan import torchvision
torchvision.find_spec = lambda name: None
print(torchvision.cure_torchvision())
"""
    assert outcome(script) == "False"


def test_a_library_that_loads_needs_no_cure(tmp_path: object) -> None:
    script = """
from types import SimpleNamespace
from pathlib import Path
import tempfile, torch
from saycan import torchvision
folder = tempfile.mkdtemp()
(Path(folder) / "_C.so").touch()
torchvision.find_spec = lambda name: SimpleNamespace(submodule_search_locations=[folder])
loaded = []
torch.ops.load_library = loaded.append
print(torchvision.cure_torchvision(), len(loaded), torchvision._CURES)
"""
    assert outcome(script) == "False 1 []"
