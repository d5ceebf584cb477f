"""The log of versions: append-only, whole lines, and what a person may call a version."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.manifest import FileRecord, Manifest
from coupang_assets.storage.version_log import append, find, read


def version(data_version: str, run_id: str = "r", **changes: Any) -> Manifest:
    record = FileRecord(path="new_unique.csv", bytes=1, sha256=data_version.ljust(64, "0"), mtime_ns=1)
    known = {"dataset": "new_unique", "month": "2024_05", "run_id": run_id, "data_version": data_version}
    return Manifest(**known | {"files": [record]} | changes)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log" / "2024_05" / "new_unique.jsonl"
    for number in range(3):
        append(path, version(f"abc{number}00", f"run {number}"))
    return path


def test_versions_are_read_in_order_and_numbered(log: Path) -> None:
    assert [(v.number, v.manifest.data_version) for v in read(log)] == [(1, "abc000"), (2, "abc100"), (3, "abc200")]
    assert list(read(log.with_name("none.jsonl"))) == []


def test_the_last_version_again_is_no_other_version(log: Path) -> None:
    append(log, version("abc200", "run 2"))
    assert len(list(read(log))) == 3
    append(log, version("abc000", "run 0"))
    assert [v.manifest.data_version for v in read(log)][-1] == "abc000", "an earlier one is: it was brought back"


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_torn_last_line_is_skipped_and_then_written_over(log: Path, cut: int) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut])
    assert [v.manifest.data_version for v in read(log)] == ["abc000", "abc100"]
    append(log, version("abc200", "run 2"))
    assert log.read_bytes() == whole


def test_a_log_of_one_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"dataset": "new_un')
    assert list(read(path)) == []
    append(path, version("abc"))
    assert [v.number for v in read(path)] == [1]


def test_a_damaged_line_names_file_and_line(log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text(lines[0] + '{"dataset": 3}\n' + lines[2])
    with pytest.raises(CoupangAssetsError) as told:
        list(read(log))
    assert f"{log}, line 2 is damaged" in told.value.what
    append(log, version("abc300"))
    assert log.read_text().endswith("\n"), "a new version can be written all the same"


def test_a_full_disk_leaves_the_log_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = log.read_bytes(), os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data)[: len(data) - 50])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space left"):
            append(log, version("abc300"))
    assert log.read_bytes() == before


@pytest.mark.parametrize(("text", "number"), [("@1", 1), ("@3", 3), ("abc1", 2), ("abc100", 2), ("current", 3)])
def test_a_version_is_found_by_number_beginning_or_as_the_current_one(log: Path, text: str, number: int) -> None:
    assert find(list(read(log)), version("abc200", "run 2"), text, "new_unique of 2024_05").number == number


def test_equal_content_written_twice_is_not_ambiguous(log: Path) -> None:
    append(log, version("abc000", "again"))
    assert find(list(read(log)), None, "abc0", "it").number == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("abc9", "has no version abc9"),
        ("@0", "has no version @0"),
        ("@4", "has no version @4"),
        ("@one", "has no version @one"),
        ("abc", "'abc' names no version"),
        ("../../etc", "names no version"),
        ("", "names no version"),
        ("current", "has no version current"),
    ],
)
def test_an_unknown_version_is_said_with_what_to_do(log: Path, text: str, said: str) -> None:
    with pytest.raises(CoupangAssetsError) as told:
        find(list(read(log)), None, text, "new_unique of 2024_05")
    assert said in told.value.what
    assert "coupang-assets history" in told.value.remedy


def test_an_ambiguous_beginning_lists_what_it_may_be(log: Path) -> None:
    append(log, version("abc1ff"))
    with pytest.raises(CoupangAssetsError, match="may be 2 versions of it: abc100, abc1ff"):
        find(list(read(log)), None, "abc1", "it")


def test_a_dataset_without_history_says_how_to_get_one() -> None:
    with pytest.raises(CoupangAssetsError) as told:
        find([], None, "@1", "new_unique of 2024_05")
    assert "adopt" in told.value.remedy
