"""The kitchen's node, without ROS 2."""

from __future__ import annotations

import itertools
import sys
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from saycan.robots.ros2.kitchen import KitchenNode


class Idle(KitchenNode):
    """Offers, simulates and publishes nothing."""

    def __init__(self) -> None:
        super().__init__(speed=20.0)

    def _offer(self) -> None:
        pass

    def _step(self) -> None:
        pass

    def _publish(self, looks: bool) -> None:
        pass

    def run_and_stop(self, at: int) -> None:
        """Stop before the line of that number, in all that runs, as the handler of a signal would."""
        lines = itertools.count()

        def trace(frame: object, event: str, _: object) -> Any:
            if event == "line" and next(lines) == at:
                self.stop()
            return trace

        sys.settrace(trace)
        self.run()


def test_a_signal_ends_it_wherever_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SimpleNamespace(start=lambda: None, require_serving=lambda: None, close=lambda: None)
    seen = SimpleNamespace(base_pose=np.zeros(3), joints=np.zeros(7), gripper=1.0, time=0.0)
    state = SimpleNamespace(cameras={})
    robot = SimpleNamespace(privileged_state=lambda: state, observe=lambda: seen, close=lambda: None)
    monkeypatch.setattr("saycan.robots.ros2.kitchen.Session", lambda *_, **__: session)
    monkeypatch.setattr("saycan.robots.ros2.kitchen.Kitchen", lambda *_, **__: robot)
    for at in range(100):
        thread = threading.Thread(target=Idle().run_and_stop, args=(at,), daemon=True)
        thread.start()
        thread.join(timeout=10.0)
        assert not thread.is_alive(), f"stopped before line {at} of what it does, it hangs"
