"""One fastText training in a process of its own: `python -m coupang_assets.classifiers.fasttext_training SETTINGS`.

Belongs here: starting that process, and what it does. Does not: what is learned, and how (`fasttext`).

With one thread this fastText sets a tenth of its vectors to random numbers and leaves the others as the memory came:
zero if fresh from the system, else garbage, and now and then NaN. A process that has done other work may be given
memory that it has used before, however much it asks for. One that has just begun has none: from 32 MiB on the C library
then asks the system.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FRESH_MEMORY_BYTES = 33 * 1024**2


def train_apart(lines: Path, model: Path, settings: dict[str, Any]) -> None:
    """Train on a text file in fastText's format and write the model, both in a folder of the caller.

    Args:
        settings: of `fasttext.train_supervised`; vectors of at least `FRESH_MEMORY_BYTES`.

    Raises:
        RuntimeError: what fastText said, or how its process ended.
    """
    order = json.dumps({"input": str(lines), "model": str(model), "settings": settings})
    done = subprocess.run([sys.executable, "-m", __name__, order], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise RuntimeError(said[-1] if said else f"its process ended with status {done.returncode}")


def main(order: str) -> int:
    """Train as ordered; the exit status. What is wrong is the last line of standard error."""
    import fasttext

    what = json.loads(order)
    try:
        fasttext.train_supervised(what["input"], **what["settings"]).save_model(what["model"])
    except (RuntimeError, ValueError, MemoryError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
