"""``coupang-assets adopt``: take a month folder made before us into the history."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupang_assets.classifiers import bpe, safe_pickle
from coupang_assets.commands.instance import open_instance
from coupang_assets.commands.versions import open_history
from coupang_assets.datasets import (
    BPE_TOKENIZER,
    BTM_PERCENT_DICT,
    COUPANG_CATE_ALL,
    DATASETS,
    UPDATED_UNIQUE,
    Dataset,
    Kind,
)
from coupang_assets.definitions import build_defs, build_resources
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.categories import category_keys
from coupang_assets.settings import Settings
from coupang_assets.storage.adoption import Validation, adopt_files, files_of, is_adoptable, table_validation
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.history import History
from coupang_assets.storage.hive_partition import adopt_partition
from coupang_assets.storage.manifest import Manifest, read_manifest
from coupang_assets.storage.reported import report_version
from coupang_assets.storage.run_lock import month_lock
from coupang_assets.storage.versions import journal_version

ADOPTED, RECORDED, MISSING, WRONG = "adopted", "recorded before", "missing", "wrong"
_LISTED = 3
_STYLES = {ADOPTED: "green", RECORDED: "dim", MISSING: "yellow", WRONG: "bold red"}


@dataclass(frozen=True)
class Finding:
    """What became of a dataset of the month."""

    dataset: Dataset
    state: str
    what: str
    manifest: Manifest | None = None


def adopt_month(settings: Settings, month: str, console: Console) -> bool:
    """Take every dataset of a month that is there and holds its schema as a version; say what is not.

    Returns:
        Whether nothing that is there was wrong. What is missing is no fault.

    Raises:
        CoupangAssetsError: there is no such month, or another run is at work on it.
    """
    history, key = open_history(settings, month)
    folder = history.layout.folder_on_disk(key)
    if not folder.is_dir():
        raise CoupangAssetsError(f"there is no folder {folder}", "copy the month there, then adopt it")
    instance = open_instance(settings)
    graph = build_defs(settings).resolve_asset_graph()
    with month_lock(settings.root, key, str(uuid4())):
        findings = _adopt(settings, history, key)
        in_order = {key.path[-1]: place for place, key in enumerate(graph.toposorted_asset_keys)}
        for one in sorted(findings, key=lambda finding: in_order[finding.dataset.name]):
            if one.manifest is not None:
                report_version(instance, graph, history.layout, one.manifest, "Made before us, and adopted.")
    console.print(_table(findings))
    for one in findings:
        if one.state == WRONG:
            console.print(Text(f"{one.dataset.name}: {one.what}", "red"), soft_wrap=True)
    for remark in _remarks(folder, findings):
        console.print(Text(remark, "yellow"))
    wrong = sum(finding.state == WRONG for finding in findings)
    if wrong:
        console.print(f"[red]{wrong} datasets are wrong.[/red] Correct them and adopt the month again.")
    else:
        console.print(f"{folder} was not changed. See it with: coupang-assets history {key}")
    return not wrong


def _adopt(settings: Settings, history: History, month: str) -> list[Finding]:
    resources = build_resources(settings)
    folder = history.layout.folder_on_disk(month)
    findings = []
    with closing(resources["engine"]) as engine:
        for dataset in DATASETS.values():
            if read_manifest(folder, dataset.name) is not None:
                findings.append(Finding(dataset, RECORDED, "it has a history already"))
            elif dataset.kind is Kind.HIVE:
                findings.append(_found(dataset, partial(adopt_partition, history, resources["warehouse"], month)))
            elif is_adoptable(dataset):
                findings.append(_found(dataset, partial(_adopt_files, history, dataset, month, engine)))
    return findings


def _found(dataset: Dataset, adopt: Callable[[], Manifest | None]) -> Finding:
    try:
        manifest = adopt()
    except CoupangAssetsError as error:
        return Finding(dataset, WRONG, str(error))
    if manifest is None:
        return Finding(dataset, MISSING, "it is not there")
    rows = "" if manifest.rows is None else f", {manifest.rows:,} rows"
    where = manifest.location or ", ".join(record.path for record in manifest.files[:_LISTED])
    return Finding(dataset, ADOPTED, f"{where}{' …' if len(manifest.files) > _LISTED else ''}{rows}", manifest)


def _adopt_files(history: History, dataset: Dataset, month: str, engine: Engine) -> Manifest | None:
    paths = files_of(history.layout, dataset, month)
    if not paths:
        return None
    validate = _VALIDATIONS.get(dataset.name) or (table_validation(dataset, engine) if dataset.columns else _any)
    version = journal_version(paths[0]) if dataset.kind is Kind.JOURNAL else None
    return adopt_files(history, dataset, month, paths, validate, version)


def _any(paths: list[Path]) -> dict[Path, int]:
    return {}


def _pickle(paths: list[Path]) -> dict[Path, int]:
    safe_pickle.load(paths[0])
    return {}


def _tokenizer(paths: list[Path]) -> dict[Path, int]:
    bpe.BpeTokenizer.load(paths[0])
    return {}


_VALIDATIONS: dict[str, Validation] = {BTM_PERCENT_DICT.name: _pickle, BPE_TOKENIZER.name: _tokenizer}


def _remarks(folder: Path, findings: list[Finding]) -> list[str]:
    """What a person should know before the month is the base of the next."""
    base = (COUPANG_CATE_ALL, UPDATED_UNIQUE)
    states = {one.dataset.name: one.state for one in findings}
    if absent := [dataset.paths[0] for dataset in base if states[dataset.name] in (MISSING, WRONG)]:
        return [
            f"Without a good {' and '.join(absent)} the month cannot be the base of the next. "
            "(updated_unique.csv is product_id and category1…4 of coupang_cate_all.csv.)"
        ]
    frames = [read_frame(dataset, folder / dataset.paths[0]) for dataset in base]
    only_one = category_keys(frames[0]).symmetric_difference(category_keys(frames[1]))
    return [f"{len(only_one)} categories stand in only one of {' and '.join(d.paths[0] for d in base)}."] * bool(
        len(only_one)
    )


def _table(findings: list[Finding]) -> Table:
    table = Table(title="Adopted", title_justify="left")
    table.add_column("dataset")
    table.add_column("")
    table.add_column("what there is", overflow="fold")
    for one in findings:
        table.add_row(one.dataset.name, Text(one.state, _STYLES[one.state]), "" if one.state == WRONG else one.what)
    return table
