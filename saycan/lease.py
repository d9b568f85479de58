"""One agent at a time: who drives a robot holds its lease."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from saycan.errors import LeaseError


class Lease:
    """The right to drive what is behind a device, for all programs of this computer; taken when made.

    It is a lock of the operating system on a file, so that it is free again as soon as its holder has ended, however
    that came about. Another computer is not kept out: one robot belongs to one computer.

    Args:
        device: What is driven: "/dev/ttyUSB0", "ros2:0/panda".
        folder: Where leases lie; by default one for all users of this computer.

    Attributes:
        device: As given.

    Raises:
        LeaseError: Another agent drives it; the message says who, and since when.
    """

    def __init__(self, device: str, folder: Path | None = None) -> None:
        self.device = device
        folder = _folder() if folder is None else folder
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)  # every user's locks, and nobody removes another's
        name = hashlib.sha256(device.encode()).hexdigest()[:16]
        self._holder = folder / f"{name}.json"
        self._lock = FileLock(str(folder / f"{name}.lock"), mode=0o666, thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LeaseError(
                f"{device} is driven by {_told(self._holder)}; end that first, or give this robot another device"
            ) from None
        about = {"device": device, "pid": os.getpid(), "user": _user(), "program": " ".join(sys.argv[:2])[:80]}
        with contextlib.suppress(OSError):  # another user's note of long ago; the lock is what counts
            self._holder.write_text(json.dumps({**about, "since": datetime.now().isoformat(" ", "seconds")}))

    def release(self) -> None:
        """Let others drive. Idempotent."""
        self._lock.release()


def _folder() -> Path:
    from platformdirs import site_data_path, user_runtime_path

    shared = Path("/run/lock") if os.name == "posix" else site_data_path()
    here = shared if shared.is_dir() and os.access(shared, os.W_OK) else user_runtime_path()
    return here / "saycan"


def _told(file: Path) -> str:
    """Who, and since when."""
    try:
        found = json.loads(file.read_text())
        return f"{found['program']!r} (process {found['pid']}, user {found['user']}) since {found['since']}"
    except (OSError, ValueError, KeyError):
        return f"another program on {socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
