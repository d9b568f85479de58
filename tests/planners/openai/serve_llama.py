"""llama.cpp's own server, from the package xllamacpp: `python serve_llama.py MODEL PORT`."""

from __future__ import annotations

import sys
import threading


def main() -> None:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.port = int(sys.argv[2])
    parameters.n_ctx, parameters.n_parallel, parameters.warmup = 2048, 1, False
    parameters.swa_full = True  # keeps what a prompt shares with the one before, also behind sliding windows
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    threading.Event().wait()  # the server lives in threads of its own, until the process is ended


if __name__ == "__main__":
    main()
