"""Versions written by the commit protocol, brought back and pruned, with everything that goes wrong on the way."""

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.settings import Settings
from coupang_assets.storage.commit import commit, dataset_lock, recover, temporary_name
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.lookup import current_version, find_version
from coupang_assets.storage.manifest import Manifest, content_version, is_as_recorded, now, read_manifest, record_file
from coupang_assets.storage.prune import plan_pruning, prune
from coupang_assets.storage.restore import lies_there, restore_files

MONTH = "2024_05"
SMALL, LARGE = "coupang_cate_all", "raw_dailies"
FILE = "coupang_cate_all.csv"
ALWAYS = timedelta(0)


@pytest.fixture
def history(layout: Layout) -> History:
    return History(layout)


def write(
    history: History, content: str, dataset: str = SMALL, name: str = FILE, run_id: str = "", **changes: Any
) -> Manifest:
    """One version of a dataset of one file."""
    folder = history.layout.month_folder(MONTH)
    with dataset_lock(folder, dataset):
        temporary = temporary_name(folder / name)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content)
        records = [record_file(temporary, name, 1)]
        manifest = Manifest(
            dataset=dataset,
            month=MONTH,
            run_id=run_id or f"run of {content}",
            code_version="c",
            data_version=content_version(records),
            files=records,
            created=now(),
        ).model_copy(update=changes)
        before = read_manifest(folder, dataset)
        kept = {record.path for record in records}
        commit(
            folder, manifest, [r.path for r in (before.files if before else []) if r.path not in kept], history=history
        )
    return manifest


def contents(history: History, dataset: str = SMALL) -> list[str]:
    """What the versions of the log hold, the oldest first; a dash where it is no longer kept."""
    return [
        "".join(history.objects.verified(record.sha256).read_text() for record in version.manifest.files)
        if history.is_kept(version.manifest)
        else "-"
        for version in history.versions(MONTH, dataset)
    ]


def file(history: History, name: str = FILE) -> Path:
    return history.layout.month_folder(MONTH) / name


class TestEveryVersion:
    def test_is_kept_and_logged_with_its_origin(self, history: History) -> None:
        written = [write(history, text) for text in ("one", "two", "one")]
        assert contents(history) == ["one", "two", "one"]
        assert [version.manifest for version in history.versions(MONTH, SMALL)] == written
        assert len(list(history.objects)) == 2, "equal content is kept once"

    def test_of_a_month_reached_by_a_link_to_another_disk(self, history: History, tmp_path: Path) -> None:
        elsewhere = tmp_path / "disk" / "deep" / "2024_05"
        elsewhere.mkdir(parents=True)
        (history.layout.root / "data").mkdir(parents=True)
        history.layout.month_folder(MONTH).symlink_to(elsewhere)
        write(history, "one")
        assert contents(history) == ["one"]

    def test_of_a_large_dataset_only_the_current_one_is_kept(self, history: History) -> None:
        for text in ("one", "two", "three"):
            write(history, text, LARGE, "raw/20240401.csv")
        assert contents(history, LARGE) == ["-", "-", "three"]
        kept = history.objects.path(history.versions(MONTH, LARGE)[-1].manifest.files[0].sha256)
        assert kept.stat().st_ino == file(history, "raw/20240401.csv").stat().st_ino, "it costs no disk"

    def test_of_a_large_dataset_as_many_as_wanted(self, make_settings: Callable[..., Settings]) -> None:
        history = History(Layout(make_settings(history={"keep_large": 2})))
        for text in ("one", "two", "three"):
            write(history, text, LARGE, "raw/20240401.csv")
        assert contents(history, LARGE) == ["-", "two", "three"]

    def test_what_another_month_has_too_is_not_dropped(self, history: History) -> None:
        folder = history.layout.month_folder("2024_04")
        write(history, "same", LARGE, "raw/20240401.csv")
        with dataset_lock(folder, LARGE):
            (folder / "raw").mkdir()
            temporary_name(folder / "raw/1.csv").write_text("same")
            records = [record_file(temporary_name(folder / "raw/1.csv"), "raw/1.csv")]
            other = Manifest(dataset=LARGE, month="2024_04", run_id="r", data_version="v", files=records)
            commit(folder, other, history=history)
        write(history, "two", LARGE, "raw/20240401.csv")
        assert history.is_kept(other)

    @pytest.mark.parametrize(("keep", "kept"), [(1, []), (2, ["one"])])
    def test_of_a_large_dataset_on_a_disk_of_its_own_is_copied_only_if_more_are_wanted(
        self, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, keep: int, kept: list[str]
    ) -> None:
        def other_disk(*_: object) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", other_disk)
        history = History(Layout(make_settings(history={"keep_large": keep})))
        write(history, "one", LARGE, "raw/20240401.csv")
        assert contents(history, LARGE) == (kept or ["-"])
        assert file(history, "raw/20240401.csv").read_text() == "one"


class TestAnEdit:
    def test_is_a_version_before_it_is_written_over(self, history: History) -> None:
        write(history, "one", inputs={"diff_data@2024_05": "d"})
        file(history).write_text("corrected by a person")
        write(history, "two")
        assert contents(history) == ["one", "corrected by a person", "two"]
        edit = history.versions(MONTH, SMALL)[1].manifest
        assert (edit.origin, edit.code_version, edit.inputs) == ("edited", None, {"diff_data@2024_05": "d"})

    def test_is_the_current_version_and_noted_once(self, history: History) -> None:
        write(history, "one")
        file(history).write_text("corrected")
        for _ in range(3):
            assert find_version(history, MONTH, SMALL, "current").number == 2
        assert contents(history) == ["one", "corrected"]

    def test_that_was_taken_back_is_no_version(self, history: History) -> None:
        written = write(history, "one")
        file(history).write_text("one")
        assert current_version(history, MONTH, SMALL) == written
        assert contents(history) == ["one"]

    def test_that_deleted_the_file_is_no_version(self, history: History) -> None:
        write(history, "one")
        file(history).unlink()
        write(history, "two")
        assert contents(history) == ["one", "two"]

    def test_of_a_large_file_is_not_kept(self, history: History) -> None:
        write(history, "one", LARGE, "raw/20240401.csv")
        file(history, "raw/20240401.csv").write_text("torn")
        write(history, "two", LARGE, "raw/20240401.csv")
        assert contents(history, LARGE) == ["-", "two"]


class TestRestoring:
    def test_brings_the_bytes_back_and_is_a_version_of_its_own(self, history: History) -> None:
        first = write(history, "one", inputs={"diff_data@2024_05": "d"}, settings={"shop.agreeing": 2})
        write(history, "two")
        restored = restore_files(history, history.versions(MONTH, SMALL)[0].manifest)
        assert file(history).read_text() == "one"
        assert contents(history) == ["one", "two", "one"]
        assert restored.origin == "restored"
        assert (restored.data_version, restored.inputs, restored.settings, restored.code_version) == (
            first.data_version, first.inputs, first.settings, first.code_version,
        )  # fmt: skip
        assert lies_there(history, restored)
        assert read_manifest(history.layout.month_folder(MONTH), SMALL) == restored

    def test_keeps_what_a_person_had_edited(self, history: History) -> None:
        write(history, "one")
        write(history, "two")
        file(history).write_text("corrected")
        restore_files(history, history.versions(MONTH, SMALL)[0].manifest)
        assert contents(history) == ["one", "two", "corrected", "one"]
        restore_files(history, find_version(history, MONTH, SMALL, "@3").manifest)
        assert file(history).read_text() == "corrected"

    def test_removes_files_the_version_did_not_have(self, make_settings: Callable[..., Settings]) -> None:
        history = History(Layout(make_settings(history={"keep_large": 2})))
        write(history, "one", LARGE, "raw/20240401.csv")
        write(history, "two", LARGE, "raw/20240405.csv")
        restore_files(history, history.versions(MONTH, LARGE)[0].manifest)
        assert file(history, "raw/20240401.csv").read_text() == "one"
        assert not file(history, "raw/20240405.csv").exists()

    def test_brings_a_deleted_file_back(self, history: History) -> None:
        current = write(history, "one")
        file(history).unlink()
        assert not lies_there(history, current)
        restore_files(history, current)
        assert file(history).read_text() == "one"

    @pytest.mark.parametrize("harm", ["damaged", "missing"])
    def test_of_a_harmed_content_changes_nothing(self, history: History, harm: str) -> None:
        write(history, "one")
        current = write(history, "two")
        kept = history.objects.path(history.versions(MONTH, SMALL)[0].manifest.files[0].sha256)
        kept.write_text("eno") if harm == "damaged" else kept.unlink()
        with pytest.raises(CoupangAssetsError, match="is damaged" if harm == "damaged" else "no longer kept"):
            restore_files(history, history.versions(MONTH, SMALL)[0].manifest)
        assert file(history).read_text() == "two"
        assert read_manifest(history.layout.month_folder(MONTH), SMALL) == current
        assert not list(history.layout.month_folder(MONTH).glob(".*.tmp"))

    def test_on_a_full_disk_changes_nothing(self, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
        write(history, "one")
        write(history, "two")

        def full(*_: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "copy_file_range", full)
            with pytest.raises(OSError, match="No space left"):
                restore_files(history, history.versions(MONTH, SMALL)[0].manifest)
        assert file(history).read_text() == "two"
        assert contents(history) == ["one", "two"]
        assert not list(history.layout.month_folder(MONTH).glob(".*.tmp"))


class Killed(BaseException):
    """The process is gone: nothing it would do afterwards happens."""


def failing_from(monkeypatch: pytest.MonkeyPatch, at: int, error: BaseException, for_good: bool) -> None:
    """Let the ``at``-th operation on the disk fail, and with ``for_good`` all that follow."""
    calls = {"count": 0}

    def wrap(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls["count"] += 1
            if calls["count"] == at or (for_good and calls["count"] > at):
                raise error
            return operation(*args, **kwargs)

        return call

    for name in ("replace", "unlink", "fsync", "link", "copy_file_range", "write", "ftruncate"):
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))
    monkeypatch.setattr(Path, "write_text", wrap(Path.write_text))


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize(
    ("error", "for_good"), [(Killed(), True), (OSError(errno.ENOSPC, "No space left on device"), False)]
)
def test_cut_off_at_every_operation_history_and_files_agree(
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    for_good: bool,
    edited: bool,
) -> None:
    before = ["one", "edit"] if edited else ["one"]
    for at in range(1, 100):
        history = History(Layout(make_settings(root=tmp_path / f"root {at}")))
        folder = history.layout.month_folder(MONTH)
        write(history, "one")
        if edited:
            file(history).write_text("edit")
        with monkeypatch.context() as patched:
            failing_from(patched, at, error, for_good)
            try:
                write(history, "two", run_id="second")
                finished = True
            except (Killed, OSError):
                finished = False
        recover(folder, SMALL)
        current = current_version(history, MONTH, SMALL)
        assert current is not None
        assert is_as_recorded(file(history), current.files[0])
        logged = history.versions(MONTH, SMALL)[-1].manifest
        assert logged == current, "the log ends with what lies there"
        assert contents(history) in (before, [*before, "two"]), "every version the log names can be brought back"
        prune(history, 10, ALWAYS)
        assert contents(history) in (before, [*before, "two"])
        write(history, "three")
        assert contents(history)[-1] == "three"
        assert not list(history.folder.rglob("*.tmp"))
        if finished:
            assert contents(history) == [*before, "two", "three"]
            return
    raise AssertionError("the commit never came to its end")


WRITER = """
    import itertools, sys
    from pathlib import Path
    from coupang_assets.settings import Settings
    from coupang_assets.storage.history import History
    from coupang_assets.storage.layout import Layout
    from coupang_assets.storage.restore import restore_files
    from coupang_assets_tests.storage.test_history import MONTH, SMALL, write
    history = History(Layout(Settings(_env_file=None, root=Path(sys.argv[1]))))
    for number in itertools.count():
        write(history, f"version {number} " * 1000, run_id=f"{sys.argv[2]} {number}")
        if number % 3 == 2:
            restore_files(history, history.versions(MONTH, SMALL)[-2].manifest)
        print("one", flush=True)
"""


@pytest.mark.slow
def test_killed_by_the_system_at_seeded_moments(history: History) -> None:
    chosen = random.Random(20240501)
    total = 0
    for turn in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(history.layout.root), str(turn)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        )
        assert writer.stdout is not None
        for _ in range(chosen.randint(1, 4)):
            assert writer.stdout.readline()
        time.sleep(chosen.uniform(0, 0.02))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        recover(history.layout.month_folder(MONTH), SMALL)
        current = current_version(history, MONTH, SMALL)
        versions = history.versions(MONTH, SMALL)
        assert versions[-1].manifest == current
        assert len(versions) > total, "nothing that was written is lost from the log"
        assert all(history.is_kept(version.manifest) for version in versions)
        for version in versions[total:]:
            history.objects.verified(version.manifest.files[0].sha256)
        total = len(versions)
    prune(history, total, ALWAYS)
    assert all(history.is_kept(version.manifest) for version in history.versions(MONTH, SMALL))
    assert not list(history.folder.rglob("*.tmp"))


class TestPruning:
    def test_keeps_the_newest_and_what_lies_there(self, history: History) -> None:
        for text in ("one", "two", "three", "four"):
            write(history, text)
        restore_files(history, history.versions(MONTH, SMALL)[0].manifest)
        planned = plan_pruning(history, 2, ALWAYS)
        assert [version.number for version in planned.versions] == [2, 3]
        assert planned.bytes_freed == len("twothree")
        assert contents(history) == ["one", "two", "three", "four", "one"], "a plan removes nothing"
        done = prune(history, 2, ALWAYS)
        assert done == planned
        assert contents(history) == ["one", "-", "-", "four", "one"]
        assert not prune(history, 2, ALWAYS).contents

    def test_keeps_what_is_young(self, history: History) -> None:
        write(history, "one", created="2024-05-01T00:00:00+00:00")
        write(history, "two")
        write(history, "three")
        assert [v.number for v in plan_pruning(history, 1, timedelta(days=30)).versions] == [1]

    def test_keeps_a_content_that_a_version_that_stays_has_too(self, history: History) -> None:
        write(history, "same", "new_unique", "new_unique.csv")
        write(history, "same")
        write(history, "other")
        assert not plan_pruning(history, 1, ALWAYS).contents

    @pytest.mark.parametrize("delivered", ["btm_percent_dict", "rt_category_info_coupang"])
    def test_never_touches_what_a_current_model_or_partition_came_from(self, history: History, delivered: str) -> None:
        used = write(history, "used")
        between = write(
            history, "between", "cate_dictionary", "cate_dictionary.csv",
            inputs={f"{SMALL}@{MONTH}": used.data_version},
        )  # fmt: skip
        inputs = {f"cate_dictionary@{MONTH}": between.data_version, "retargeting_event_storage_orc@2024_05": "x"}
        write(history, "it", delivered, "it", inputs=inputs)
        write(history, "later", "cate_dictionary", "cate_dictionary.csv")
        for text in ("unused", "now"):
            write(history, text)
        prune(history, 1, ALWAYS)
        assert contents(history) == ["used", "-", "now"]
        assert contents(history, "cate_dictionary") == ["between", "later"]
        write(history, "it again", delivered, "it", inputs={})
        prune(history, 1, ALWAYS)
        assert contents(history) == ["-", "-", "now"], "nothing that is in use came from it any more"

    def test_removes_what_a_killed_writer_left(self, history: History) -> None:
        write(history, "one")
        left = file(history, "left.csv")
        left.write_text("of a version that never came to be")
        history.objects.put(left, record_file(left, "left.csv").sha256)
        assert plan_pruning(history, 1, ALWAYS).abandoned == 1
        prune(history, 1, ALWAYS)
        assert len(list(history.objects)) == 1

    def test_does_nothing_where_a_damaged_log_hides_what_is_protected(self, history: History) -> None:
        write(history, "one")
        write(history, "two")
        log = history.log_path(MONTH, SMALL)
        log.write_text("{}\n" + log.read_text())
        with pytest.raises(CoupangAssetsError, match="line 1 is damaged"):
            prune(history, 1, ALWAYS)
        assert len(list(history.objects)) == 2
