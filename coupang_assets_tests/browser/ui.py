"""The ``coupang-assets ui`` command as its user starts and stops it, and what it says over GraphQL.

Belongs here: the process. Does not: anything of the pages, which only the browser touches.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

STARTS_WITHIN_S = 180
STOPS_WITHIN_S = 60


@dataclass(frozen=True)
class DagsterUI:
    """A UI that serves.

    Attributes:
        url: where, without a slash at the end.
        root: its COUPANG_ROOT.
    """

    url: str
    root: Path

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of a query; raises where the server reports errors."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert not answer.get("errors"), answer["errors"]
        return answer["data"]


@contextmanager
def serving(root: Path, environment: Mapping[str, str]) -> Iterator[DagsterUI]:
    """Start the command in a process group of its own; stop it as Ctrl-C does, and see that nothing of it is left."""
    port = _free_port()
    ui = DagsterUI(f"http://127.0.0.1:{port}", root)
    root.mkdir(parents=True)
    log = root / "ui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("coupang-assets"), "ui", "--port", str(port)],
            cwd=root,
            env={**_environment(root), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Where the tests run in a shell's background, Ctrl-C is ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        _wait_until_loaded(ui, process, log)
        yield ui
    finally:
        left = _stop(process, root)
    assert not left, f"still running after Ctrl-C: {left}"


def _environment(root: Path) -> dict[str, str]:
    """This process's, without its settings of ours and of Dagster."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COUPANG_", "DAGSTER_"))}
    return inherited | {"COUPANG_ROOT": str(root)}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_loaded(ui: DagsterUI, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"coupang-assets ui ended:\n{log.read_text(errors='replace')[-4000:]}"
        try:
            if ui.graphql("{ assetNodes { id } }")["assetNodes"]:
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"coupang-assets ui does not serve:\n{log.read_text(errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes], root: Path) -> list[str]:
    """Interrupt the group; returns the command lines of what had to be killed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + STOPS_WITHIN_S
    while (process.poll() is None or _processes_of(root)) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = _processes_of(root)
    names = [" ".join(each.cmdline()) for each in left]
    for each in left:
        each.kill()
    process.wait(STOPS_WITHIN_S)
    return names


def _processes_of(root: Path) -> list[psutil.Process]:
    """Living processes that were started for ``root``: by their environment, so in whatever group they are."""
    found = []
    for each in psutil.process_iter():
        try:
            ours = each.environ().get("COUPANG_ROOT") == str(root)
        except psutil.Error:
            continue
        if ours and each.status() != psutil.STATUS_ZOMBIE:
            found.append(each)
    return found
