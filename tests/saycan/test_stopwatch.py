from __future__ import annotations

import contextlib
import time

from saycan.stopwatch import Stopwatch


def test_times_are_added_up_however_they_end() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with contextlib.suppress(KeyError), watch:
            time.sleep(0.02)
            raise KeyError
        time.sleep(0.02)
    assert 0.04 <= watch.seconds < 2.0
