"""The pickle is read without trusting it, and a reader is told what is wrong."""

from __future__ import annotations

import hashlib
import os
import pickle
import pickletools
import subprocess
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.classifiers import checksum, safe_pickle
from coupang_assets.errors import CoupangAssetsError

GOOD = {("가", ""): {"0012": 0.5}, ("가", "나"): {"0012": 0.25, "0034": 0.75}}


def write(path: Path, content: bytes) -> Path:
    """Any bytes with the checksum that belongs to them."""
    path.write_bytes(content)
    checksum.checksum_path(path).write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    return path


class Dangerous:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("owned",)


class Persistent(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return "outside" if obj == 0.5 else None


def test_round_trip(tmp_path: Path) -> None:
    path, checksum = safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")
    assert safe_pickle.load(path) == GOOD
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, checksum.name}


def test_any_reader_of_pickles_gets_plain_builtins(tmp_path: Path) -> None:
    path, _ = safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")
    assert pickle.loads(path.read_bytes()) == GOOD
    names = {opcode.name for opcode, _, _ in pickletools.genops(path.read_bytes())}
    assert not names & {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ"}


def test_checksum_is_sha256sums_own_format(tmp_path: Path) -> None:
    safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")
    done = subprocess.run(["sha256sum", "--check", "--strict", "d.pickle.sha256"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_equal_strings_that_are_different_objects_give_equal_bytes(tmp_path: Path) -> None:
    copies = [((f"{a}."[:-1], f"{b}."[:-1]), {f"{c}."[:-1]: p for c, p in d.items()}) for (a, b), d in GOOD.items()]
    one, _ = safe_pickle.dump(GOOD.items(), tmp_path / "one.pickle")
    two, _ = safe_pickle.dump(copies, tmp_path / "two.pickle")
    assert one.read_bytes() == two.read_bytes()


def test_a_class_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "d.pickle", pickle.dumps({("가", ""): {"0012": Dangerous()}}))
    with pytest.raises(CoupangAssetsError, match=r"d\.pickle contains the class posix\.mkdir"):
        safe_pickle.load(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_even_a_harmless_class_is_refused(tmp_path: Path, protocol: int) -> None:
    path = write(tmp_path / "d.pickle", pickle.dumps(OrderedDict(GOOD), protocol=protocol))
    with pytest.raises(CoupangAssetsError, match=r"collections\.OrderedDict"):
        safe_pickle.load(path)


def test_a_reference_to_the_outside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.pickle"
    with path.open("wb") as file:
        Persistent(file).dump(GOOD)
    write(path, path.read_bytes())
    with pytest.raises(CoupangAssetsError, match="outside"):
        safe_pickle.load(path)


def test_the_checksum_is_verified_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.pickle"
    safe_pickle.dump(GOOD.items(), path)
    path.write_bytes(pickle.dumps({("가", ""): Dangerous()}))
    with pytest.raises(CoupangAssetsError, match="does not match its checksum"):
        safe_pickle.load(path)


@pytest.mark.parametrize("length", [0, 1, 20, -1])
def test_a_torn_file_is_noticed(tmp_path: Path, length: int) -> None:
    path, _ = safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CoupangAssetsError, match="torn"):
        safe_pickle.load(path)


def test_a_torn_file_with_a_checksum_of_its_own_is_noticed(tmp_path: Path) -> None:
    whole = pickle.dumps(GOOD)
    for length in range(len(whole)):
        with pytest.raises(CoupangAssetsError, match=r"d\.pickle"):
            safe_pickle.load(write(tmp_path / "d.pickle", whole[:length]))


@pytest.mark.parametrize(
    "content", [b"PAR1", b"key_a,key_b\n", b"\x80\x05.", b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."]
)
def test_another_format_is_noticed(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CoupangAssetsError, match="not a pickle of builtins"):
        safe_pickle.load(write(tmp_path / "d.pickle", content))


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"가": {"0012": 0.5}},
        {("가", "", ""): {"0012": 0.5}},
        {("나", "가"): {"0012": 0.5}},
        {("가", "가"): {"0012": 0.5}},
        {("", ""): {"0012": 0.5}},
        {("가", 1): {"0012": 0.5}},
        {("가", ""): 0.5},
        {("가", ""): {12: 0.5}},
        {("가", ""): {"": 0.5}},
        {("가", ""): {"0012": "0.5"}},
        {("가", ""): {"0012": float("nan")}},
        {("가", ""): {"0012": -0.1}},
        {("가", ""): {"0012": 0.6, "0034": 0.6}},
    ],
    ids=repr,
)
def test_another_structure_is_noticed(tmp_path: Path, content: object) -> None:
    with pytest.raises(CoupangAssetsError, match="not a percent dictionary"):
        safe_pickle.load(write(tmp_path / "d.pickle", pickle.dumps(content)))


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path, _ = safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")
    with pytest.raises(CoupangAssetsError, match="more than the 10"):
        safe_pickle.load(path, max_bytes=10)


def test_a_missing_file_or_checksum_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.pickle"
    with pytest.raises(CoupangAssetsError, match="does not exist"):
        safe_pickle.load(path)
    safe_pickle.dump(GOOD.items(), path)
    checksum.checksum_path(path).unlink()
    with pytest.raises(CoupangAssetsError, match=r"sha256sum d\.pickle"):
        safe_pickle.load(path)
    checksum.checksum_path(path).write_text("nonsense")
    with pytest.raises(CoupangAssetsError, match="format of sha256sum"):
        safe_pickle.load(path)


def test_a_failed_dump_keeps_the_previous_file(tmp_path: Path) -> None:
    path, _ = safe_pickle.dump(GOOD.items(), tmp_path / "d.pickle")

    def failing() -> Any:
        yield from GOOD.items()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        safe_pickle.dump(failing(), path)
    assert safe_pickle.load(path) == GOOD and len(list(tmp_path.iterdir())) == 2
