"""Simulated motors behind a socket, in the process of a test: it sees them whatever becomes of those that drive."""

from __future__ import annotations

import json
import math
import socketserver
import threading
import time
from types import TracebackType
from typing import Any

NAMES = ("pan", "lift", "elbow", "flex", "roll", "gripper")
SPEED = 120.0  # degrees a second, and hundredths of the gripper's way


class Motors:
    """Six position servos that go to their goals at a constant speed, as long as there is power.

    Attributes:
        port: Where they are asked, a line of JSON each: {"goal": {...}}, {"read": 1} or {"power": bool}.
        goals: All that were sent.
        stops: Below which something keeps a motor from going.
        power: Whether they are under power.
        broken: Whether they answer no more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = dict.fromkeys(NAMES, 0.0) | {"lift": -45.0, "elbow": 90.0, "gripper": 50.0}
        self._goal, self._time = dict(self._at), time.monotonic()
        self.goals: list[dict[str, float]] = []
        self.stops: dict[str, float] = {}
        self.power, self.broken = False, False
        motors = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    self.wfile.write((json.dumps(motors.answer(json.loads(line))) + "\n").encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        while self.broken:
            time.sleep(0.05)
        if "power" in asked:
            self.power = asked["power"]
        if "goal" in asked:
            here = self.positions()
            with self._lock:
                self._at, self._time = here, time.monotonic()
                self._goal = {**self._goal, **asked["goal"]}
                self.goals.append(dict(asked["goal"]))
        return {"at": self.positions()}

    def positions(self) -> dict[str, float]:
        with self._lock:
            way = SPEED * (time.monotonic() - self._time)
            return {
                name: max(self._at[name] + min(max(goal - self._at[name], -way), way), self.stops.get(name, -math.inf))
                for name, goal in self._goal.items()
            }

    def still(self, seconds: float = 0.3) -> bool:
        """Whether nothing moves for so long."""
        before = self.positions()
        time.sleep(seconds)
        return before == self.positions()

    def __enter__(self) -> Motors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
