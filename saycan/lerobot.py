"""A process in LeRobot's own environment, which serves a policy or a robot of LeRobot's on the loopback interface.

LeRobot wants other versions of what this project stands on (transformers 4, huggingface_hub below 1), so it is never
imported here. What runs there needs numpy, websockets and msgpack beside LeRobot, and of this package the modules that
import nothing else; the package need not be installed there.

The process ends when whoever started it does, however that came about: it watches its standard input.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from saycan.errors import BadInputError, MissingPartError, PolicyError, RobotError, SayCanError
from saycan.serving import Server

VARIABLE = "SAYCAN_LEROBOT"
"""Names the environment: its folder, or its Python."""

TESTED = "0.4.4"
"""The version of LeRobot that this was written for and is tested with."""

_PATIENCE = 180.0  # s until it serves: a large checkpoint takes long to load, and longer on a busy machine
_ENDING = 10.0  # s until it is ended by force

_KINDS: dict[Any, type[SayCanError]] = {
    kind.__name__: kind for kind in (MissingPartError, BadInputError, RobotError, PolicyError)
}

# Another environment gets this package and nothing else: its folder on the path would bring all that lies beside it.
_BEGIN = """
import importlib.util, runpy, sys
if sys.version_info < (3, 11):
    sys.exit("SayCan needs Python 3.11 or newer, found " + sys.version.split()[0])
folder, module = sys.argv[1:3]
spec = importlib.util.spec_from_file_location("saycan", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["saycan"] = package = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
sys.path = [path for path in sys.path if path]
sys.argv[:3] = [module]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Bridge:
    """Starts a module of this package in LeRobot's environment, and ends it.

    Args:
        module: "saycan.skills.policies.lerobot_server", one that calls `serve`.
        arguments: For it.
        environment: The folder or the Python of LeRobot's environment; by default see `find_python`.
        patience: s until it serves.

    Attributes:
        url: Where it serves.

    Raises:
        MissingPartError: There is no such environment, or something in it is missing.
        BadInputError: What the module says about its arguments.
        RobotError, PolicyError: What it says about what it serves.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        environment: str | Path | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._python = find_python(environment)
        package = str(Path(__file__).resolve().parent)
        self._log: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - until close
        try:
            self._process = subprocess.Popen(
                [str(self._python), "-c", _BEGIN, package, module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                start_new_session=True,  # Ctrl-C is for whoever started it: it says whether to hold or to end
            )
        except OSError as error:
            self._log.close()
            raise MissingPartError(f"{self._python} cannot be run: {error}; {_advice()}") from error
        try:
            self.url = self._hear(patience)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """The last that it wrote to its standard error."""
        if self._log.closed:
            return ""
        self._log.seek(0)
        return self._log.read()[-1500:].strip()

    def close(self) -> None:
        """End it, by force where it takes too long. Idempotent."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._log.close()

    def _hear(self, patience: float) -> str:
        """Its first line: where it serves, or why it does not."""
        killed = threading.Event()

        def give_up() -> None:
            killed.set()
            self._process.kill()

        timer = threading.Timer(patience, give_up)
        timer.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if killed.is_set():
            raise MissingPartError(f"nothing served in LeRobot's environment within {patience:g} s: {self.said()}")
        try:
            found = json.loads(line)
        except ValueError:
            raise MissingPartError(
                f"{self._python} could not serve: {self.said() or line or 'it ended'}; {_advice()}"
            ) from None
        if "url" in found:
            return str(found["url"])
        raise _KINDS.get(found.get("kind"), BadInputError)(str(found.get("error")))


def find_python(environment: str | Path | None = None) -> Path:
    """The Python of LeRobot's environment.

    What is passed; else what the variable SAYCAN_LEROBOT names; else `.venv-lerobot` in the checkout, which .ci/lerobot
    makes; else this one, if LeRobot is installed here. Raises MissingPartError.
    """
    told = environment or os.environ.get(VARIABLE)
    place = Path(told) if told else Path(__file__).resolve().parent.parent / ".venv-lerobot"
    for python in (place / "bin/python", place / "Scripts/python.exe", place):
        if python.is_file():
            return python
    if told:
        raise MissingPartError(f"there is no Python at {place}, which should be LeRobot's environment; {_advice()}")
    if importlib.util.find_spec("lerobot") is not None:
        return Path(sys.executable)
    raise MissingPartError(f"LeRobot is not installed; {_advice()}")


def serve(make: Callable[[], Server]) -> None:
    """In that process: say where it serves on the one line of standard output, until standard input ends.

    Libraries may print what they like: it goes to standard error.
    """
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        server = make()
    except SayCanError as error:
        told.write(json.dumps({"error": str(error), "kind": type(error).__name__}) + "\n")
        told.close()
        sys.exit(1)
    told.write(json.dumps({"url": server.url}) + "\n")
    told.flush()
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with server:
        while os.read(0, 4096):  # nothing is asked this way; its end is what counts
            pass


def require_lerobot() -> str:
    """LeRobot's version, in the process that has it. Raises MissingPartError.

    Its torchvision is brought into use first, where that does not fit its torch.
    """
    from saycan.torchvision import cure_torchvision

    try:
        cure_torchvision()
        import lerobot
    except ImportError as error:
        raise MissingPartError(f"{sys.executable} has no LeRobot: {error}; {_advice()}") from error
    found: Any = getattr(lerobot, "__version__", "of an unknown version")
    return str(found)


def _advice() -> str:
    return (
        f"make the environment with .ci/lerobot, or name yours: export {VARIABLE}=/path/to/venv, with lerobot "
        f"(tested: {TESTED}), websockets>=15 and msgpack in it (docs/lerobot.md)"
    )
