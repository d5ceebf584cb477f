"""Data versions of what lies on disk now, whoever put it there.

Belongs here: the version of a dataset's files as they are, and recording a journal that was appended to. Does not: the
form of the record (``manifest``), or what a version means for what follows (``refresh``).
"""

from pathlib import Path

from coupang_assets.datasets import CRAWL_JOURNAL, Dataset, Kind
from coupang_assets.storage.commit import commit, dataset_lock
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import Located, locate
from coupang_assets.storage.manifest import Manifest, content_version, now, read_manifest, record_file


def version_on_disk(layout: Layout, dataset: Dataset, month: str) -> str:
    """Data version of a dataset of files.

    Raises:
        CoupangAssetsError: a file is missing, or may not be edited by hand and was.
    """
    return version_of(layout, dataset, locate(layout, dataset, month))


def version_of(layout: Layout, dataset: Dataset, located: Located) -> str:
    """Data version of located files: the recorded one, or that of what a person has put there instead."""
    if located.manifest is not None and not located.changed:
        return located.manifest.data_version
    if dataset.kind is Kind.JOURNAL:
        return journal_version(located.paths[0])
    folder = layout.folder_on_disk(located.month)
    return content_version([record_file(path, str(path.relative_to(folder))) for path in located.paths])


def journal_version(path: Path) -> str:
    """Data version of a crawl journal: it follows from what the answers say, not from their moments."""
    from coupang_assets.crawling.journal import iter_journal
    from coupang_assets.crawling.summary import summarize, summary_version

    return summary_version(summarize(iter_journal(path)))


def record_journal(layout: Layout, month: str, run_id: str) -> str:
    """Record a month's journal after something was appended to it beside its asset; its data version.

    What it was made from stays what it was.
    """
    folder = layout.month_folder(month)
    (name,) = layout.file_names(CRAWL_JOURNAL, month)
    with dataset_lock(folder, CRAWL_JOURNAL.name):
        version = journal_version(folder / name)
        before = read_manifest(folder, CRAWL_JOURNAL.name)
        unknown = Manifest(dataset=CRAWL_JOURNAL.name, month=month, run_id=run_id, data_version=version, files=[])
        changed = {
            "run_id": run_id,
            "data_version": version,
            "files": [record_file(folder / name, name)],
            "created": now(),
        }
        commit(folder, (before or unknown).model_copy(update=changed), in_place=True, history=History(layout))
    return version
