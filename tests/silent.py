"""A client of a websocket server that has vanished without a goodbye, as one behind a cable that is pulled."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent(url: str, hello: str) -> Iterator[None]:
    """It is the one that is served, as a word of the server's hello shows, and then does nothing any more."""
    host, port = url.removeprefix("ws://").split(":")
    words = "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="
    request = "\r\n".join(("GET / HTTP/1.1", f"Host: {host}:{port}", *words, "", ""))
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        with socket.create_connection((host, int(port))) as client:
            client.sendall(request.encode())
            told = b""
            while hello.encode() not in told and (more := client.recv(4096)):
                told += more
            if hello.encode() in told:
                yield
                return
        time.sleep(0.05)
    raise AssertionError("it was never served")
