"""The commit protocol: whatever happens at whatever moment, the old version or the new, whole."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.storage.commit import commit, dataset_lock, recover, temporary_name
from coupang_assets.storage.manifest import (
    FOLDER,
    Manifest,
    content_version,
    is_as_recorded,
    read_manifest,
    record_file,
)

NAME = "raw_dailies"
OLD = {"raw/20240401.csv": b"old one\n", "raw/20240405.csv": b"old two\n", "raw/20240409.csv": b"no longer sampled\n"}
NEW = {"raw/20240401.csv": b"new one, longer\n", "raw/20240405.csv": b"new two\n", "raw/20240413.csv": b"new day\n"}


class Killed(BaseException):
    """The process is gone: nothing it would do afterwards happens."""


def write(folder: Path, files: dict[str, bytes], remove: list[str]) -> None:
    with dataset_lock(folder, NAME):
        for name, content in files.items():
            path = temporary_name(folder / name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        records = [record_file(temporary_name(folder / name), name, 1) for name in files]
        manifest = Manifest(
            dataset=NAME, month="2024_05", run_id="r", data_version=content_version(records), files=records
        )
        commit(folder, manifest, remove)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob("raw/[0-9]*.csv"))}


def assert_whole_and_one(folder: Path) -> dict[str, bytes]:
    """Files and manifest are of one version; which."""
    found = content(folder)
    assert found in (OLD, NEW)
    manifest = read_manifest(folder, NAME)
    assert manifest is not None
    assert {record.path for record in manifest.files} == set(found)
    assert all(is_as_recorded(folder / record.path, record) for record in manifest.files)
    return found


def interrupt(
    monkeypatch: pytest.MonkeyPatch, at: int, error: Callable[[], BaseException], for_good: bool
) -> list[str]:
    """Let the ``at``-th operation on the disk fail; with ``for_good`` all that follow as well. What was done."""
    done: list[str] = []
    state = {"calls": 0}

    def failing(name: str, operation: Callable[..., Any], half: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            state["calls"] += 1
            if state["calls"] == at or (for_good and state["calls"] > at):
                if half is not None and state["calls"] == at:
                    half(*args, **kwargs)
                raise error()
            done.append(name)
            return operation(*args, **kwargs)

        return call

    write_text = Path.write_text
    for name in ("replace", "unlink", "fsync"):
        monkeypatch.setattr(os, name, failing(name, getattr(os, name)))
    monkeypatch.setattr(
        Path,
        "write_text",
        failing("write", write_text, lambda path, text, **kwargs: write_text(path, text[: len(text) // 2], **kwargs)),
    )
    return done


def attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], BaseException], for_good: bool
) -> list[dict[str, bytes]]:
    """Replace OLD by NEW with every operation failing in turn; what is there after each, recovered."""
    outcomes = []
    for at in range(1, 100):
        folder = tmp_path / f"{at}"
        write(folder, OLD, [])
        with monkeypatch.context() as patched:
            interrupt(patched, at, error, for_good)
            try:
                write(folder, NEW, ["raw/20240409.csv"])
                finished = True
            except (Killed, OSError):
                finished = False
        between = content(folder)
        assert all(data in (OLD.get(name), NEW.get(name)) for name, data in between.items()), "no file is ever short"
        recover(folder, NAME)
        outcomes.append(assert_whole_and_one(folder))
        write(folder, NEW, ["raw/20240409.csv"])
        assert assert_whole_and_one(folder) == NEW, "what was cut off does not stand in the way of the next run"
        if finished:
            return outcomes
    raise AssertionError("the commit never came to its end")


def test_killed_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = attempts(tmp_path, monkeypatch, Killed, for_good=True)
    assert outcomes[0] == OLD
    assert outcomes[-1] == NEW
    turns = sum(before != after for before, after in itertools.pairwise(outcomes))
    assert turns == 1, "there is one point of no return"


def test_disk_full_at_every_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = attempts(tmp_path, monkeypatch, lambda: OSError(errno.ENOSPC, "No space left on device"), for_good=False)
    assert outcomes[0] == OLD
    assert outcomes[-1] == NEW


def test_the_next_writer_finishes_a_commit_before_it_writes_over_its_temporaries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, OLD, [])
    with monkeypatch.context() as patched:
        done = interrupt(patched, 1000, Killed, for_good=True)
        write(tmp_path / "counted", NEW, [])
    first_rename_of_data = done.index("replace", done.index("replace") + 1) + 1
    with monkeypatch.context() as patched:
        interrupt(patched, first_rename_of_data, Killed, for_good=True)
        with pytest.raises(Killed):
            write(tmp_path, NEW, ["raw/20240409.csv"])
    assert list((tmp_path / FOLDER).glob(".*.pending.json"))
    with dataset_lock(tmp_path, NAME):
        assert content(tmp_path) == NEW


def test_nothing_to_recover_touches_nothing(tmp_path: Path) -> None:
    assert not recover(tmp_path / "no such month", NAME)
    assert not list(tmp_path.iterdir())


WRITER = """
    import itertools, sys
    from pathlib import Path
    from coupang_assets_tests.storage.test_commit import NEW, OLD, write
    folder = Path(sys.argv[1])
    for files, remove in itertools.cycle([(OLD, ["raw/20240413.csv"]), (NEW, ["raw/20240409.csv"])]):
        write(folder, files, remove)
        print("one", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.0037, 0.0113])
def test_a_process_killed_by_the_system(tmp_path: Path, delay: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    for _ in range(3):
        assert writer.stdout.readline()
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    recover(tmp_path, NAME)
    assert_whole_and_one(tmp_path)
