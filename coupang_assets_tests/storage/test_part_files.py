"""A folder of part files stands for one file: read in order, told when it is odd, replaced as a whole."""

import itertools
from pathlib import Path

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.storage.commit import commit, dataset_lock, recover, temporary_name
from coupang_assets.storage.manifest import Manifest, content_version, is_as_recorded, read_manifest, record_file
from coupang_assets.storage.part_files import content_sha256, content_size, copy_content, part_files
from coupang_assets_tests.storage.test_commit import Killed, interrupt

HEADER = b"product_id,ep_title\n"
NAME = "define_dailies"
FILE = "define/20240401.csv"
# What a file or the parts of a folder hold.
FORMS: dict[str, list[bytes] | bytes] = {
    "file": HEADER + "1,가방\n2,모자\n".encode(),
    "folder": [HEADER + "3,우산\n".encode(), HEADER + "4,양산\n".encode()],
    "other folder": [HEADER + "5,신발\n".encode(), HEADER, HEADER + "6,장갑\n".encode()],
}


def put(path: Path, form: list[bytes] | bytes) -> Path:
    if isinstance(form, bytes):
        path.write_bytes(form)
        return path
    path.mkdir()
    for number, part in enumerate(form):
        (path / f"part-{number:05d}-x.csv").write_bytes(part)
    (path / "_SUCCESS").touch()
    return path


def text(form: list[bytes] | bytes) -> bytes:
    return form if isinstance(form, bytes) else HEADER + b"".join(part.removeprefix(HEADER) for part in form)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_folder_is_the_text_of_its_parts(tmp_path: Path, form: list[bytes] | bytes) -> None:
    path = put(tmp_path / "day.csv", form)
    copy_content(path, tmp_path / "one.csv")
    assert (tmp_path / "one.csv").read_bytes() == text(form)
    assert content_size(path) == len(text(form))
    assert content_sha256(path) == content_sha256(tmp_path / "one.csv")


def test_parts_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 100000):
        (tmp_path / f"part-{number:05d}.csv").write_bytes(HEADER)
    (tmp_path / ".part-00000.csv.crc").touch()
    assert [part.name for part in part_files(tmp_path)] == ["part-00002.csv", "part-00010.csv", "part-100000.csv"]


def test_what_is_no_part_is_named(tmp_path: Path) -> None:
    path = put(tmp_path / "day.csv", FORMS["folder"])
    (path / "copy of part.csv").write_bytes(HEADER)
    with pytest.raises(CoupangAssetsError, match=r"copy of part\.csv is no part file of day\.csv"):
        content_sha256(path)


def test_a_folder_without_parts_is_told(tmp_path: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="folder without a part file") as caught:
        part_files(put(tmp_path / "day.csv", []))
    assert "materialize" in caught.value.remedy


@pytest.mark.parametrize("torn", [b"", HEADER[:5], b"another,header\n1,2\n"], ids=["empty", "torn", "other"])
def test_a_part_without_the_header_is_named(tmp_path: Path, torn: bytes) -> None:
    path = put(tmp_path / "day.csv", [*FORMS["folder"], torn])
    with pytest.raises(CoupangAssetsError, match=r"part-00002-x\.csv is torn or of another file"):
        content_size(path)


def write(folder: Path, form: list[bytes] | bytes) -> None:
    with dataset_lock(folder, NAME):
        path = temporary_name(folder / FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, form)
        record = record_file(path, FILE, 2)
        version = content_version([record])
        commit(folder, Manifest(dataset=NAME, month="2024_05", run_id="r", data_version=version, files=[record]))


@pytest.mark.parametrize(("old", "new"), itertools.permutations(FORMS, 2))
def test_killed_at_any_step_the_old_is_there_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    outcomes = []
    for at in range(1, 100):
        folder = tmp_path / f"{at}"
        write(folder, FORMS[old])
        with monkeypatch.context() as patched:
            interrupt(patched, at, Killed, for_good=True)
            try:
                write(folder, FORMS[new])
                finished = True
            except Killed:
                finished = False
        recover(folder, NAME)
        manifest = read_manifest(folder, NAME)
        assert manifest is not None
        (record,) = manifest.files
        assert is_as_recorded(folder / FILE, record)
        outcomes.append(content_sha256(folder / FILE))
        assert record.sha256 == outcomes[-1]
        if finished:
            break
    copies = {form: content_sha256(put(tmp_path / form, FORMS[form])) for form in (old, new)}
    assert outcomes[0] == copies[old]
    assert outcomes[-1] == copies[new]
    assert outcomes == sorted(outcomes, key=[copies[old], copies[new]].index), "once it is the new it stays so"
