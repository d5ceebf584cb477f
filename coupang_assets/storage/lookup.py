"""Finding the version of a dataset that a person means, and what lies there now.

Belongs here: reading. Does not: the log's form (``version_log``), changing anything but to note what a person edited.
"""

from coupang_assets.storage import version_log
from coupang_assets.storage.commit import dataset_lock, recover
from coupang_assets.storage.edits import is_edited, keep_edit
from coupang_assets.storage.history import History
from coupang_assets.storage.manifest import Manifest, read_manifest
from coupang_assets.storage.version_log import Version


def current_version(history: History, month: str, dataset: str) -> Manifest | None:
    """What lies there now: the version that was written, or what a person made of it; None where we wrote nothing."""
    folder = history.layout.folder_on_disk(month)
    recover(folder, dataset)
    manifest = read_manifest(folder, dataset)
    if manifest is None or not is_edited(folder, manifest):
        return manifest
    with dataset_lock(folder, dataset), history.adding():
        return keep_edit(history, folder, dataset) or read_manifest(folder, dataset)


def find_version(history: History, month: str, dataset: str, text: str) -> Version:
    """The version called ``text``: the beginning of its data version, ``@N``, or ``current``.

    Raises:
        CoupangAssetsError: there is none, or several with different content begin so.
    """
    current = current_version(history, month, dataset)
    return version_log.find(history.versions(month, dataset), current, text, f"{dataset} of {month}")
