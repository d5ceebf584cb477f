"""``coupang-assets diff``: what differs between two versions of a dataset of a month."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from rich.console import Console
from rich.table import Table

from coupang_assets.commands.versions import dataset_named, moment, open_history, print_json, short, size
from coupang_assets.datasets import (
    CATE_DICTIONARY,
    CATEGORY_CODES,
    CATEGORY_MERGE,
    CATEGORY_NAMES,
    COUPANG_CATE_ALL,
    DATASETS,
    NEW_UNIQUE,
    RT_CATEGORY_INFO,
    Dataset,
    Kind,
)
from coupang_assets.definitions import build_resources
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.categories import category_keys
from coupang_assets.pipeline.differences import (
    category_differences,
    difference_counts,
    merge_differences,
    row_differences,
)
from coupang_assets.pipeline.refinement import merge_categories
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame, read_table
from coupang_assets.storage.history import History
from coupang_assets.storage.kept_table import read_kept_table
from coupang_assets.storage.lookup import current_version, find_version
from coupang_assets.storage.manifest import Manifest
from coupang_assets.storage.version_log import CURRENT, Version

_EXAMPLES = 20
_NAMES = {
    COUPANG_CATE_ALL.name: (CATEGORY_CODES, CATEGORY_NAMES),
    CATE_DICTIONARY.name: (("lv4_code",), tuple(f"lv{n}_name" for n in range(1, 5))),
    RT_CATEGORY_INFO.name: (("lv4_code",), tuple(f"lv{n}_name" for n in range(1, 5))),
}


@dataclass(frozen=True)
class Difference:
    """Two versions compared.

    Attributes:
        counts: rows added, removed and changed; None where the files are no tables.
        examples: some of those rows, one a row, as ``row_differences`` gives them.
        categories: of a dictionary, as ``category_differences`` gives them.
        files: names of the files that differ.
    """

    before: Version
    after: Version
    counts: dict[str, int] | None
    examples: pd.DataFrame
    categories: pd.DataFrame
    files: list[str]


def show_difference(
    settings: Settings, month: str, before: str, after: str, dataset: str | None, as_json: bool, console: Console
) -> None:
    """Print what differs between two versions.

    Args:
        before: a version, as ``version_log.find`` takes it.
        after: another one.
        dataset: may be left out where the beginning of a data version says which it is.

    Raises:
        CoupangAssetsError: a version does not exist, is ambiguous, or is no longer kept.
    """
    history, key = open_history(settings, month)
    name = dataset_named(dataset).name if dataset else _dataset_of(history, key, [before, after])
    engine = build_resources(settings)["engine"]
    try:
        found = _compare(history, engine, *(find_version(history, key, name, text) for text in (before, after)))
    finally:
        engine.close()
    if as_json:
        print_json(_as_json(found), console)
    else:
        _show(found, console)


def _dataset_of(history: History, month: str, texts: Sequence[str]) -> str:
    """The one dataset of the month that has a version which begins so."""
    beginnings = [text for text in texts if text != CURRENT and not text.startswith("@")]
    for name in DATASETS:
        current_version(history, month, name)
    found = [
        name
        for name in DATASETS
        if beginnings
        and all(any(v.manifest.data_version.startswith(b) for v in history.versions(month, name)) for b in beginnings)
    ]
    if len(found) != 1:
        what = f"versions of {', '.join(found)}" if found else "versions of no one dataset"
        raise CoupangAssetsError(
            f"{' and '.join(texts)} are {what} of {month}",
            "name it with --dataset; `coupang-assets history` lists them",
        )
    return found[0]


def _compare(history: History, engine: Engine, before: Version, after: Version) -> Difference:
    dataset = DATASETS[before.manifest.dataset]
    nothing = pd.DataFrame()
    hashes = [{record.path: record.sha256 for record in v.manifest.files} for v in (before, after)]
    files = sorted(name for name in hashes[0].keys() | hashes[1].keys() if hashes[0].get(name) != hashes[1].get(name))
    if not files:
        return Difference(before, after, None, nothing, nothing, [])
    if dataset.kind is Kind.FILES:
        return Difference(before, after, None, nothing, nothing, files)
    was, became = (_table_of(history, dataset, version.manifest, engine, files) for version in (before, after))
    differences = row_differences(was, became, _key_of(dataset)).order_by(ibis._.change)
    return Difference(
        before,
        after,
        difference_counts(differences),
        differences.limit(_EXAMPLES).execute(),
        _categories(history, dataset, before.manifest, after.manifest),
        files,
    )


def _key_of(dataset: Dataset) -> Sequence[str]:
    if dataset.kind is Kind.JOURNAL:
        return CATEGORY_CODES
    return _NAMES[dataset.name][0] if dataset.kind is Kind.HIVE else next(iter(dataset.unique), ())


def _table_of(history: History, dataset: Dataset, version: Manifest, engine: Engine, files: Sequence[str]) -> ir.Table:
    """A version's rows; of daily files only the days that differ."""
    if not dataset.large:
        frame = _frame_of(history, dataset, version)
        types = {column.name: column.type for column in dataset.columns}
        return ibis.memtable(frame, schema=ibis.schema({name: types.get(name, "string") for name in frame.columns}))
    empty = pd.DataFrame({name: pd.Series(dtype=object) for name in dataset.column_names})
    tables = [
        read_table(dataset, [history.objects.verified(record.sha256)], engine, trusted=version.code_version is not None)
        for record in version.files
        if record.path in files
    ]
    if not tables:
        return ibis.memtable(empty, schema=ibis.schema({column.name: column.type for column in dataset.columns}))
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def _frame_of(history: History, dataset: Dataset, version: Manifest) -> pd.DataFrame:
    path: Path = history.objects.verified(version.files[0].sha256)
    if dataset.kind is Kind.HIVE:
        return read_kept_table(path)
    if dataset.kind is Kind.JOURNAL:
        from coupang_assets.crawling.journal import iter_journal
        from coupang_assets.crawling.summary import summarize

        summary = summarize(iter_journal(path))
        return summary[[*CATEGORY_CODES, "outcome", *CATEGORY_NAMES, "product_id", "dissent", "recheck_month"]]
    return read_frame(dataset, path)


def _categories(history: History, dataset: Dataset, before: Manifest, after: Manifest) -> pd.DataFrame:
    if dataset.name not in _NAMES:
        return pd.DataFrame()
    frames = [_frame_of(history, dataset, version) for version in (before, after)]
    found = category_differences(frames[0], frames[1], *_NAMES[dataset.name])
    merges = _merges(history, dataset, frames, [before, after])
    return found if merges is None else pd.concat([found, merge_differences(*merges)], ignore_index=True)


def _merges(
    history: History, dataset: Dataset, frames: Sequence[pd.DataFrame], versions: Sequence[Manifest]
) -> list[pd.DataFrame] | None:
    """Where the categories of both versions went; None where that is not known any more."""
    month = versions[0].month
    if dataset.name == COUPANG_CATE_ALL.name:
        current = current_version(history, month, NEW_UNIQUE.name)
        if current is None or not history.is_kept(current):
            return None
        unique = _frame_of(history, NEW_UNIQUE, current)
        return [merge_categories(frame, unique[category_keys(unique).isin(category_keys(frame))]) for frame in frames]
    merges = []
    for version in versions:
        data_version = (version.inputs or {}).get(f"{CATEGORY_MERGE.name}@{month}", "")
        merge = history.made_from(month, CATEGORY_MERGE.name, data_version)
        if merge is None or not history.is_kept(merge):
            return None
        merges.append(_frame_of(history, CATEGORY_MERGE, merge))
    return merges


def _as_json(found: Difference) -> dict[str, Any]:
    return {
        "dataset": found.before.manifest.dataset,
        "month": found.before.manifest.month,
        "before": {"number": found.before.number, "version": found.before.manifest.data_version},
        "after": {"number": found.after.number, "version": found.after.manifest.data_version},
        "same": not found.files,
        "rows": found.counts,
        "files": found.files,
        "categories": found.categories.to_dict("records"),
    }


def _show(found: Difference, console: Console) -> None:
    for mark, version in (("-", found.before), ("+", found.after)):
        manifest = version.manifest
        console.print(
            f"{mark} {manifest.dataset} {manifest.month} @{version.number} {short(manifest.data_version)}, "
            f"{moment(manifest.created)}, {size(manifest.total_bytes)}",
            highlight=False,
        )
    if not found.files:
        console.print("The two are the same content.")
        return
    if found.counts is None:
        console.print(f"Files that differ: {', '.join(found.files)}")
        return
    console.print(", ".join(f"{rows:,} rows {change}" for change, rows in found.counts.items()))
    if not sum(found.counts.values()):
        console.print("The rows are the same; the files differ in how they are written.")
    if len(found.categories):
        counts = found.categories["difference"].value_counts()
        console.print("Categories: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        console.print(_table(found.categories.head(_EXAMPLES), "Categories", len(found.categories)))
    elif len(found.examples):
        console.print(_table(_readable(found.examples), "Rows", sum(found.counts.values())))


def _readable(examples: pd.DataFrame) -> pd.DataFrame:
    """One row a difference: the change, and what differs, ``before → after``."""
    columns = [name.removesuffix("_before") for name in examples.columns if name.endswith("_before")]

    def text(value: object) -> str:
        return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]

    rows = []
    for row in examples.to_dict("records"):
        shown = {"change": row["change"], "rows": str(row["rows"])}
        for name in columns:
            was, became = text(row[f"{name}_before"]), text(row[f"{name}_after"])
            changed = row["change"] == "changed" and was != became
            shown[name] = f"{was or '∅'} → {became or '∅'}" if changed else was or became
        rows.append(shown)
    return pd.DataFrame(rows)


def _table(rows: pd.DataFrame, title: str, total: int) -> Table:
    table = Table(title=title if len(rows) >= total else f"{title} (some of {total:,})", title_justify="left")
    for name in rows.columns:
        table.add_column(str(name), overflow="fold")
    for row in rows.itertuples(index=False):
        table.add_row(*("" if pd.isna(value) else str(value) for value in row))
    return table
