"""The prediction service as a process of its own, as a user starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

_START_SECONDS = 60.0


@contextmanager
def service(root: Path, model: str | None = None) -> Iterator[tuple[int, psutil.Process]]:
    """`coupang-assets serve` on a free port of the loopback interface; its port and process.

    Args:
        model: `MONTH/CLASSIFIER` that answers; None: whoever is champion.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"COUPANG_ROOT": str(root), "COUPANG_SERVING__RELOAD_SECONDS": "0.5"}
    command = [
        sys.executable,
        "-m",
        "coupang_assets.cli",
        "serve",
        "--port",
        str(port),
        *(["--model", model] if model else []),
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the service did not start")
            time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok
    except requests.RequestException:
        return False
