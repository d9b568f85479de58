"""One program drives a robot: others are told who does, and a dead one holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
