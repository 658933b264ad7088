"""Serves a GGUF model to `diffumask evaluate --reader-url`, where neither llama.cpp nor Ollama is installed.

    pip install xllamacpp
    python scripts/serve_gguf.py MODEL.gguf --port 8080

The server is OpenAI-compatible and listens on this machine only. It has one slot, so that a prefix that questions share
is read once and not once a slot.
"""

import argparse
import os
import threading
from pathlib import Path

import xllamacpp


def main() -> None:
    """Serves until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--context", type=int, default=8192, help="the most tokens of a prompt with its reply")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="by default one for each core")
    options = parser.parse_args()
    if not options.model.is_file():
        parser.error(f"there is no file {options.model}")
    given = xllamacpp.CommonParams()
    given.model.path, given.port = str(options.model), options.port
    given.n_ctx, given.n_parallel = options.context, 1
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = options.threads
    server = xllamacpp.Server(given)
    print(f"--reader-url {server.listening_address}/v1", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
