"""``coupang-assets provenance``: what exactly a file, a model or a Hive partition was made from."""

import re
from pathlib import Path

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from coupang_assets.commands.versions import dataset_named, made_how, moment, open_history, print_json, size
from coupang_assets.datasets import DATASETS, RT_CATEGORY_INFO
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.months import month_key
from coupang_assets.settings import Settings
from coupang_assets.storage.history import History
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.lookup import current_version, find_version
from coupang_assets.storage.manifest import Manifest
from coupang_assets.storage.provenance import Provenance, Source, trace, tree_lines

_DAY = re.compile(r"day='?(\d{4})(\d{2})01'?")


def show_provenance(settings: Settings, what: list[str], version: str, as_json: bool, console: Console) -> None:
    """Print the tree of everything ``what`` came from.

    Args:
        what: a month and a dataset, a path of a file below the root, or the Hive table and ``day=YYYYMM01``.
        version: of it; ``current`` for what lies there now.

    Raises:
        CoupangAssetsError: it is none of those, or has no record.
    """
    month, dataset = _resolve(settings, what)
    history, key = open_history(settings, month)
    record: Manifest | None
    if version == "current" and not history.versions(key, dataset):
        record = current_version(history, key, dataset)
    else:
        record = find_version(history, key, dataset, version).manifest
    if record is None:
        raise CoupangAssetsError(
            f"{dataset} of {key} has no record", "materialize it, or `coupang-assets adopt` a month made before us"
        )
    found = trace(history, record)
    if as_json:
        print_json(found.as_json(), console)
    else:
        console.print(_tree(found))


def _resolve(settings: Settings, what: list[str]) -> tuple[str, str]:
    """Month and dataset."""
    if len(what) == 2:
        if what[0] == settings.dictionary.table:
            if not (match := _DAY.fullmatch(what[1])):
                raise CoupangAssetsError(f"'{what[1]}' is no partition of {what[0]}", "write it as day=YYYYMM01")
            return f"{match[1]}_{match[2]}", RT_CATEGORY_INFO.name
        return what[0], dataset_named(what[1]).name
    path = Path(what[0]).expanduser().absolute()
    return _of_path(History(Layout(settings)), path)


def _of_path(history: History, path: Path) -> tuple[str, str]:
    data = history.layout.root / "data"
    if not path.is_relative_to(data) or len(parts := path.relative_to(data).parts) < 2:
        raise CoupangAssetsError(
            f"{path} is no file of a month below {data}",
            "give a month and a dataset, a file below it, or the Hive table and day=YYYYMM01",
        )
    month, name = month_key(parts[0]), str(Path(*parts[1:]))
    for dataset in DATASETS:
        for version in reversed(history.versions(month, dataset)):
            if any(record.path == name for record in version.manifest.files):
                return month, dataset
    raise CoupangAssetsError(f"{path} belongs to no recorded dataset", f"datasets are {', '.join(DATASETS)}")


def _tree(found: Provenance) -> Tree:
    tree = Tree(_label(found, found.root, False))
    branches = [tree]
    for depth, source, again in tree_lines(found):
        if depth == 0:
            continue
        del branches[depth:]
        branches.append(branches[depth - 1].add(_label(found, source, again)))
    return tree


def _label(found: Provenance, source: Source, again: bool) -> Text:
    text = Text.assemble((f"{source.name} ", "bold"), f"{source.month} ", (source.data_version[:12], "cyan"))
    record = found.records[source]
    if record is None:
        return text.append(" not in the history" if source.name in DATASETS else " outside", "dim")
    if again:
        return text.append(" (see above)", "dim")
    text.append(f"  {made_how(record)} {moment(record.created)}", "dim")
    if record.code_version:
        text.append(f", code {record.code_version}", "dim")
    for name, value in record.settings.items():
        text.append(f"\n{name} = {value}", "dim")
    for name, value in record.libraries.items():
        text.append(f"\n{name} {value}", "dim")
    for one in record.files:
        text.append(f"\n{one.path}  {one.sha256[:12]}  {size(one.bytes)}", "dim")
    if record.inputs is None:
        text.append("\nfrom what it was made is not known", "dim")
    return text
