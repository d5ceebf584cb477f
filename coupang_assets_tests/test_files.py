"""Durable writes of single files: what a reader sees, and what is left behind."""

import os
import time
from pathlib import Path

import pytest

from coupang_assets.files import atomic_file, atomic_path


def left_by_another_writer(path: Path, hours_ago: float, owner: str = "0" * 32) -> Path:
    left = path.with_name(f".{path.name}.{owner}.tmp")
    left.write_text("half")
    moment = time.time() - hours_ago * 3600
    os.utime(left, (moment, moment))
    return left


def test_until_the_block_ends_well_the_old_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a[1].csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with atomic_file(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "a[1].csv"
    dead = left_by_another_writer(path, hours_ago=25)
    at_work = left_by_another_writer(path, hours_ago=1, owner="1" * 32)
    of_another_file = left_by_another_writer(tmp_path / "b.csv", hours_ago=25)
    own = path.with_name(".a[1].csv.mine.tmp")
    own.write_text("somebody's")
    os.utime(own, (0, 0))
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert not dead.exists()
    assert all(kept.exists() for kept in (at_work, of_another_file, own))
