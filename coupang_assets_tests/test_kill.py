"""``kill -9`` at random moments of a run: never a short file, and afterwards the same bytes as if nothing had been."""

import multiprocessing
import os
import random
import shutil
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from coupang_assets.files import sha256_file
from coupang_assets_tests.months import SMALL_ENV, files

pytestmark = pytest.mark.slow

MOMENTS = 10
SEED = 20240501

# Every run is a process of its own, forked from one that has imported everything and started nothing.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["coupang_assets.cli", "coupang_assets.commands.run", "matplotlib.figure", "sklearn.metrics", "sentencepiece"]
)


def run_command(log: Path, environment: dict[str, str]) -> None:
    """``coupang-assets run 2024_05`` with its output in a file."""
    from coupang_assets.cli import app

    os.environ.update(environment)
    os.chdir(log.parent)
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.argv = ["coupang-assets", "run", "2024_05"]
    app()


def started(root: Path, **settings: str) -> tuple[ForkServerProcess, Path]:
    log = root.with_suffix(".log")
    home = {"COUPANG_ROOT": str(root), "DAGSTER_HOME": str(root / "dagster_home"), "PYTHONUNBUFFERED": "1"}
    log.write_text("")
    process = PROCESSES.Process(target=run_command, args=(log, SMALL_ENV | home | settings))
    process.start()
    return process, log


def run(root: Path, **settings: str) -> int:
    """Run a month undisturbed; the lines of progress it told."""
    process, log = started(root, **settings)
    process.join(300)
    assert process.exitcode == 0, log.read_text()
    return log.read_text().partition("Datasets")[0].count("\n")


def run_killed(root: Path, after_lines: int, delay: float) -> None:
    """Run a month until it has told so many lines, and a moment longer."""
    process, log = started(root)
    while process.is_alive() and log.read_bytes().count(b"\n") < after_lines:
        time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.join()


def source_files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): sha256_file(path)
        for path in (root / "warehouse" / "retargeting_event_storage_orc").rglob("[!.]*.orc")
    }


def test_killed_at_random_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    undisturbed, root = tmp_path / "undisturbed", tmp_path / "killed"
    # A version of every file that is not what the killed runs make: of one day instead of two.
    run(root, COUPANG_SAMPLING__DAYS="1")
    before = files(root)
    shutil.copytree(root, undisturbed)
    lines = run(undisturbed)
    after, source = files(undisturbed), source_files(undisturbed)
    changed = {name for name in after if after[name] != before.get(name)}
    assert len(changed) > 15, "the two versions differ in nearly every file"

    chosen = random.Random(SEED)
    progress = []
    for after_lines in sorted(chosen.randrange(lines) for _ in range(MOMENTS)):
        run_killed(root, after_lines, chosen.uniform(0, 0.15))
        now = files(root)
        assert not {name for name in before if name not in now}, "nothing that was good is gone"
        short = [name for name in now if now[name] not in (before.get(name), after.get(name))]
        assert not short, "each file is the one of before or the one of after"
        assert source_files(root).items() <= source.items()
        progress.append(sum(now.get(name) == after[name] for name in changed))
    with capsys.disabled():
        print(f" [of {len(changed)} files new when killed: {', '.join(map(str, progress))}] ", end="")
    assert len(set(progress)) > 3, "the moments are spread over the run"

    run(root)
    assert files(root) == after
    assert source_files(root) == source
