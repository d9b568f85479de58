"""One agent at a time: who drives a robot holds its lease."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import socket
import stat
import sys
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from saycan.errors import LeaseError

_SHARED = Path("/run/lock"), Path("/tmp")  # not the system's temporary folder, which is each user's own on macOS


class Lease:
    """The right to drive what is behind a device, for all programs of this computer; taken when made.

    It is a lock of the operating system on a file, so that it is free again as soon as its holder has ended, however
    that came about. Another computer is not kept out: one robot belongs to one computer.

    Args:
        device: What is driven: "/dev/ttyUSB0", "ros2:0/panda".
        folder: Where leases lie; by default one for all users of this computer, where it has a place for that.

    Attributes:
        device: As given.

    Raises:
        LeaseError: Another agent drives it, and the message says who, and since when; or the lock cannot be opened.
    """

    def __init__(self, device: str, folder: Path | None = None) -> None:
        self.device = device
        folder = _folder() if folder is None else folder
        name = hashlib.sha256(device.encode()).hexdigest()[:16]
        self._holder = folder / f"{name}.json"
        self._lock = FileLock(str(folder / f"{name}.lock"), mode=0o666, thread_local=False)
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o777)  # not sticky: there, a lock that another user once made cannot be taken
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LeaseError(
                f"{device} is driven by {_told(self._holder)}; end that first, or give this robot another device"
            ) from None
        except OSError as error:
            raise LeaseError(
                f"whether {device} is driven cannot be told, its lock cannot be opened: {error}. When nothing drives a "
                f"robot, remove {folder} as its owner or as root; it is made anew"
            ) from error
        about = {"device": device, "pid": os.getpid(), "user": _user(), "program": " ".join(sys.argv[:2])[:80]}
        with contextlib.suppress(OSError):  # the lock is what counts
            self._holder.unlink(missing_ok=True)  # another user's, of long ago
            with self._holder.open("x") as note:
                json.dump({**about, "since": datetime.now().isoformat(" ", "seconds")}, note)

    def release(self) -> None:
        """Let others drive. Idempotent."""
        self._lock.release()


def _folder() -> Path:
    """The same for every user; one's own where the system has no folder that all of them may write to."""
    from platformdirs import site_data_path, user_runtime_path

    places = _SHARED if os.name == "posix" else (site_data_path(),)
    return (next(filter(_is_shared, places), None) or user_runtime_path()) / "saycan"


def _is_shared(folder: Path) -> bool:
    """Whether every user may write there; on Windows, whether this one may."""
    if os.name == "posix":
        return folder.is_dir() and bool(folder.stat().st_mode & stat.S_IWOTH)
    return folder.is_dir() and os.access(folder, os.W_OK)


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
