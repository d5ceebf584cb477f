"""Finding a dataset's files for reading, and saying how far they can be trusted.

Belongs here: existence, and agreement with the manifest. Does not: what is inside (``csv_tables``).
"""

from dataclasses import dataclass
from pathlib import Path

from coupang_assets.datasets import Dataset, Kind, Step
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import month_key
from coupang_assets.storage.commit import recover
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import Manifest, changed_file, is_as_recorded, read_manifest

# Commands that make what the month itself does not.
_REQUESTED_BY = {Step.E5: "e5"}


@dataclass(frozen=True)
class Located:
    """Files of a dataset, in order.

    Attributes:
        trusted: they are just what this project wrote; others are checked in full when they are read.
        changed: they are not what was recorded.
    """

    month: str
    paths: list[Path]
    trusted: bool
    changed: bool
    manifest: Manifest | None


def locate(layout: Layout, dataset: Dataset, month: str) -> Located:
    """Find a dataset's files.

    Raises:
        CoupangAssetsError: a file is missing, or is not what was recorded and may not be edited by hand.
    """
    folder = layout.folder_on_disk(month_key(month))
    recover(folder, dataset.name)
    manifest = read_manifest(folder, dataset.name)
    names = [record.path for record in manifest.files] if manifest else _unrecorded_names(layout, dataset, month)
    paths = [folder / name for name in names]
    remedy = f"materialize {dataset.name} for {month}"
    if missing := [str(path) for path in paths if not path.exists()]:
        command = f"coupang-assets {_REQUESTED_BY.get(dataset.step, 'run')} {month}"
        raise CoupangAssetsError(
            f"{dataset.name} of {month} is not there: {', '.join(missing[:3])}", f"{remedy}: {command}"
        )
    if manifest is None:
        return Located(month, paths, False, False, None)
    records = dict(zip(paths, manifest.files, strict=True))
    changed = [path for path, record in records.items() if not is_as_recorded(path, record)]
    # A journal is only ever appended to; a crawl that was killed has answers in it that no manifest knows yet.
    if changed and not dataset.editable and dataset.kind is not Kind.JOURNAL:
        raise CoupangAssetsError(
            f"{changed_file(changed[0], records[changed[0]])} is not what was written: "
            "it is torn, or was changed by another program",
            remedy + " again",
        )
    return Located(month, paths, not changed and manifest.code_version is not None, bool(changed), manifest)


def _unrecorded_names(layout: Layout, dataset: Dataset, month: str) -> list[str]:
    """A folder written before us may hold fewer or other days than we would sample: take those it has."""
    names = layout.file_names(dataset, month)
    if "{day}" not in dataset.paths[0]:
        return names
    folder = layout.folder_on_disk(month)
    pattern = dataset.paths[0].format(day="[0-9]" * 8)
    return sorted(str(path.relative_to(folder)) for path in folder.glob(pattern)) or names
