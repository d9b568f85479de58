"""Six Feetech STS3215 servos on a pseudo-terminal: what LeRobot's driver of the SO arms says to them, and hears."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import tty
from types import TracebackType

LIMITS, OFFSET = (9, 11), 31  # addresses of registers
TORQUE, GOAL, POSITION = 40, 42, 56
MODEL = 777
SPEED = 1400.0  # steps a second, of 4096 in a turn
MIDDLE, LOW, HIGH = 2048, 700, 3396
_ALL, _PING, _READ, _WRITE, _SYNC_READ, _SYNC_WRITE = 0xFE, 1, 2, 3, 0x82, 0x83


class Servo:
    """One servo: a table of registers, of which the position follows the goal while there is torque."""

    def __init__(self, number: int, position: int) -> None:
        self.table = bytearray(128)
        self.write(3, MODEL.to_bytes(2, "little"))
        self.write(5, bytes([number]))
        self.write(0, bytes([3, 10]))
        self.write(LIMITS[0], LOW.to_bytes(2, "little"))
        self.write(LIMITS[1], HIGH.to_bytes(2, "little"))
        self._at, self._time = float(position), time.monotonic()
        self.write(GOAL, position.to_bytes(2, "little"))

    @property
    def position(self) -> int:
        now = time.monotonic()
        way, self._time = SPEED * (now - self._time), now
        if self.table[TORQUE]:
            left = int.from_bytes(self.table[GOAL : GOAL + 2], "little") - self._at
            self._at += min(max(left, -way), way)
        return round(self._at)

    def read(self, address: int, count: int) -> bytes:
        self.table[POSITION : POSITION + 2] = self.position.to_bytes(2, "little")
        return bytes(self.table[address : address + count])

    def write(self, address: int, data: bytes) -> None:
        if address in (GOAL, TORQUE) and hasattr(self, "_at"):
            _ = self.position  # what was on its way until now
        self.table[address : address + len(data)] = data


class Bus:
    """The servos and the line that they share.

    Attributes:
        port: Its name, such as "/dev/pts/3".
        servos: By number.
    """

    def __init__(self, positions: tuple[int, ...]) -> None:
        self._line, self._end = os.openpty()
        tty.setraw(self._end)
        self.port = os.ttyname(self._end)
        self.servos = {number: Servo(number, at) for number, at in enumerate(positions, 1)}
        self._heard = bytearray()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def positions(self) -> list[int]:
        return [servo.position for servo in self.servos.values()]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the line was closed
            while heard := os.read(self._line, 512):
                self._heard += heard
                while (packet := self._packet()) is not None:
                    os.write(self._line, self._answer(*packet))

    def _packet(self) -> tuple[int, int, bytes] | None:
        """The next whole one: for whom, what, and with what."""
        while len(self._heard) >= 6:
            size = 4 + self._heard[3]
            if self._heard[:2] != b"\xff\xff":
                del self._heard[0]
            elif len(self._heard) < size:
                return None
            else:
                packet = bytes(self._heard[:size])
                del self._heard[:size]
                assert _sum(packet[2:-1]) == packet[-1]
                return packet[2], packet[4], packet[5:-1]
        return None

    def _answer(self, number: int, what: int, told: bytes) -> bytes:
        if what == _SYNC_WRITE:
            address, count = told[0], told[1]
            for at in range(2, len(told), count + 1):
                self.servos[told[at]].write(address, told[at + 1 : at + 1 + count])
            return b""
        if what == _SYNC_READ:
            return b"".join(_status(one, self.servos[one].read(told[0], told[1])) for one in told[2:])
        if what == _PING:
            asked = self.servos if number == _ALL else {number} & self.servos.keys()
            return b"".join(_status(one) for one in asked)
        if number not in self.servos:
            return b""
        if what == _READ:
            return _status(number, self.servos[number].read(told[0], told[1]))
        assert what == _WRITE, what
        self.servos[number].write(told[0], told[1:])
        return _status(number)

    def __enter__(self) -> Bus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._end)
        os.close(self._line)


def _status(number: int, data: bytes = b"") -> bytes:
    body = bytes([number, len(data) + 2, 0]) + data
    return b"\xff\xff" + body + bytes([_sum(body)])


def _sum(body: bytes) -> int:
    return ~sum(body) & 0xFF
