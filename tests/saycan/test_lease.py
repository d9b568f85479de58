"""One program drives a robot: others are told who does, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from saycan import lease as leases
from saycan.errors import LeaseError
from saycan.lease import Lease

HOLD = """
import sys, time
from pathlib import Path
from saycan.lease import Lease
lease = Lease("arm 7", Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_one_is_told_who_drives_and_since_when(tmp_path: Path) -> None:
    lease = Lease("arm 7", tmp_path)
    with pytest.raises(LeaseError, match=rf"arm 7 is driven by .*process {os.getpid()}.* since 2"):
        Lease("arm 7", tmp_path)
    Lease("arm 8", tmp_path).release()
    lease.release()
    lease.release()
    Lease("arm 7", tmp_path).release()


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(LeaseError, match=f"process {holder.pid}"):
            Lease("arm 7", tmp_path)
        holder.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        holder.wait(timeout=10)
        Lease("arm 7", tmp_path).release()


def test_a_holder_that_left_no_word_is_still_one(tmp_path: Path) -> None:
    lease = Lease("arm 7", tmp_path)
    for note in tmp_path.glob("*.json"):
        note.write_text("{")
    with pytest.raises(LeaseError, match="another program"):
        Lease("arm 7", tmp_path)
    lease.release()


@pytest.mark.skipif(os.name != "posix", reason="another folder on Windows")
def test_every_user_looks_in_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks, temporary = tmp_path / "locks", tmp_path / "temporary"
    monkeypatch.setattr(leases, "_SHARED", (locks, temporary))
    monkeypatch.setattr("platformdirs.user_runtime_path", lambda: tmp_path / "own")
    assert leases._folder() == tmp_path / "own" / "saycan"
    temporary.mkdir()
    temporary.chmod(0o1777)
    assert leases._folder() == temporary / "saycan"
    locks.mkdir()
    locks.chmod(0o755)  # root may write there, and nobody else
    assert leases._folder() == temporary / "saycan"
    locks.chmod(0o1777)
    assert leases._folder() == locks / "saycan"


@pytest.mark.skipif(os.name != "posix", reason="no such modes on Windows")
def test_users_take_turns(tmp_path: Path) -> None:
    folder, theirs = tmp_path / "saycan", tmp_path / "theirs"
    Lease("arm 7", folder).release()
    assert folder.stat().st_mode & 0o7777 == 0o777
    (note,) = folder.glob("*.json")
    note.unlink()
    note.symlink_to(theirs)
    lease = Lease("arm 7", folder)
    with pytest.raises(LeaseError, match=f"process {os.getpid()}"):
        Lease("arm 7", folder)
    assert not theirs.exists()
    lease.release()


def test_a_lock_that_cannot_be_opened_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "saycan").write_text("")
    with pytest.raises(LeaseError, match=r"arm 7 .* cannot be opened: .*remove .*saycan"):
        Lease("arm 7", tmp_path / "saycan")
