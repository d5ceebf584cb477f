"""Contents by their hash: kept once, given back unharmed or not at all."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import sha256_file
from coupang_assets.storage.objects import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "versions")


def put(store: ObjectStore, path: Path, content: bytes, link: bool = False) -> str:
    path.write_bytes(content)
    sha256 = sha256_file(path)
    store.put(path, sha256, link)
    return sha256


def test_equal_contents_are_kept_once_and_given_back(store: ObjectStore, tmp_path: Path) -> None:
    first = put(store, tmp_path / "a.csv", b"one\n")
    assert put(store, tmp_path / "b.csv", b"one\n") == first
    second = put(store, tmp_path / "a.csv", b"two\n")
    assert list(store) == sorted([first, second])
    store.take(first, tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == b"one\n"
    assert (tmp_path / "back.csv").stat().st_ino != store.path(first).stat().st_ino, "who edits it harms nothing kept"


def test_a_content_that_is_not_kept_says_so(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="no longer kept"):
        store.take("0" * 64, tmp_path / "back.csv")
    assert not (tmp_path / "back.csv").exists()


@pytest.mark.parametrize("damage", [b"", b"on", b"onx\n", b"one\none\n"])
@pytest.mark.parametrize("link", [False, True])
def test_a_damaged_content_is_never_given_back(store: ObjectStore, tmp_path: Path, damage: bytes, link: bool) -> None:
    sha256 = put(store, tmp_path / "a.csv", b"one\n")
    store.path(sha256).write_bytes(damage)
    with pytest.raises(CoupangAssetsError, match="is damaged"):
        store.take(sha256, tmp_path / "back.csv", link)
    assert not (tmp_path / "back.csv").exists()
    with pytest.raises(CoupangAssetsError, match="is damaged"):
        store.verified(sha256)


def test_a_linked_content_costs_no_disk_until_the_file_is_replaced(store: ObjectStore, tmp_path: Path) -> None:
    sha256 = put(store, tmp_path / "a.csv", b"large\n", link=True)
    assert store.path(sha256).stat().st_ino == (tmp_path / "a.csv").stat().st_ino
    assert store.freed_by_removing(sha256) == 0
    (tmp_path / "new.csv").write_bytes(b"other\n")
    (tmp_path / "new.csv").replace(tmp_path / "a.csv")
    assert store.freed_by_removing(sha256) == 6
    assert store.verified(sha256).read_bytes() == b"large\n"


def test_a_linked_content_that_was_written_into_is_mended_by_the_next_file_that_has_it(
    store: ObjectStore, tmp_path: Path
) -> None:
    sha256 = put(store, tmp_path / "a.csv", b"large\n", link=True)
    with (tmp_path / "a.csv").open("r+b") as file:
        file.write(b"LARGE")
    with pytest.raises(CoupangAssetsError, match="is damaged"):
        store.verified(sha256)
    put(store, tmp_path / "b.csv", b"large\n", link=True)
    assert store.verified(sha256)


def test_a_full_disk_leaves_nothing_half(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "copy_file_range", full)
        with pytest.raises(OSError, match="No space left"):
            put(store, tmp_path / "a.csv", b"one\n")
    assert not [path for path in (tmp_path / "versions").rglob("*") if path.is_file()]
    assert put(store, tmp_path / "a.csv", b"one\n") in store


@pytest.mark.parametrize("reason", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
def test_file_systems_that_cannot_copy_by_themselves(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(reason, "cannot")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    sha256 = put(store, tmp_path / "a.csv", b"one\n" * 100_000)
    assert store.verified(sha256).stat().st_size == 400_000


def test_removing_waits_for_who_has_put_in_what_no_log_names_yet(store: ObjectStore) -> None:
    order: list[str] = []

    def remove() -> None:
        with store.removing():
            order.append("removed")

    with store.adding(), store.adding():
        remover = threading.Thread(target=remove)
        remover.start()
        remover.join(0.2)
        order.append("added")
    remover.join(10)
    assert order == ["added", "removed"]


def test_what_a_killed_writer_left_is_cleared(store: ObjectStore, tmp_path: Path) -> None:
    sha256 = put(store, tmp_path / "a.csv", b"one\n")
    left = store.path(sha256).with_name(f".{sha256}.0123.tmp")
    left.write_bytes(b"on")
    assert list(store) == [sha256]
    with store.removing():
        pass
    assert not left.exists()
    assert store.holds(sha256)
