"""Parts of a benchmark in processes of their own: seconds as they say, peak memory of their whole process tree.

Belongs here: starting them and watching their memory. Does not: what they do.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """What a part returned, its peak memory in bytes, and how busy the machine was when it began (1-minute load)."""

    result: dict[str, Any]
    peak: int
    load: float

    @property
    def seconds(self) -> float:
        return float(self.result["seconds"])


class PartFailedError(RuntimeError):
    """A part ended without a result; the end of what it printed."""


def run_part(function: str, **arguments: Any) -> Part:
    """Call ``module:function`` with JSON arguments in a new process and wait for its JSON result.

    Memory is the proportional set size (shared pages counted once), added over the process and its descendants.

    Raises:
        PartFailedError: it raised, or was killed.
    """
    load = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-part-") as name:
        answer, log = Path(name) / "answer.json", Path(name) / "log"
        command = [sys.executable, "-m", __name__, function, json.dumps(arguments), str(answer)]
        peak = 0
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                peak = max(peak, _tree_bytes(watched))
                time.sleep(_SAMPLE_SECONDS)
        if not answer.exists():
            raise PartFailedError(f"{function} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        return Part(json.loads(answer.read_text()), peak, load)


def _tree_bytes(process: psutil.Process) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += one.memory_full_info().pss
    return total


def _main() -> None:
    function, arguments, answer = sys.argv[1:]
    module, _, name = function.partition(":")
    result = getattr(importlib.import_module(module), name)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    _main()
