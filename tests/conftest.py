"""No test reaches beyond this machine, by mistake or by a library's."""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", MPLBACKEND="Agg")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):  # a Unix socket's address is a string
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host is not None and host not in LOOPBACK:
        raise PermissionError(f"a test tried to reach {host}; tests use fakes, or sockets that they made on 127.0.0.1")


sys.addaudithook(refuse_the_network)
