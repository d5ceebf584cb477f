"""Step 6: how good the month's classifiers are, and which of them is the champion."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.evaluation_metadata import (
    champion_metadata,
    latest_metadata,
    proposals_metadata,
    report_metadata,
)
from coupang_assets.assets.monthly import SECONDS, MonthlyAssets
from coupang_assets.classifiers import protocol
from coupang_assets.datasets import (
    ALL_MODELS,
    ALL_REPORTS,
    CHAMPION,
    CLASSIFIER_MODELS,
    CLASSIFIER_REPORTS,
    LABEL_ERRORS,
    REQUESTED_REPORTS,
    TAXONOMY_PROPOSALS,
)
from coupang_assets.evaluation import (
    champion,
    champion_record,
    label_errors,
    metrics,
    predictions,
    report,
    requirements,
    taxonomy,
)
from coupang_assets.evaluation.rate import RATE, timed_ranking
from coupang_assets.files import write_text
from coupang_assets.months import base_month_mapping
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.settings import Settings
from coupang_assets.storage.accepted_merges import adopt_marks
from coupang_assets.storage.base_month import BaseMonth
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.made_from import InputVersions, note_input
from coupang_assets.storage.manifest import read_manifest
from coupang_assets.storage.spec_files import StagedFiles, staging_folder
from coupang_assets.storage.versions import version_of, version_on_disk


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """A report for each classifier, ``champion``, ``taxonomy_proposals``, ``label_errors``."""

    @monthly.asset(
        TAXONOMY_PROPOSALS,
        settings=("taxonomy",),
        kinds=("scipy",),
        deps=tuple(dg.AssetDep(dataset.name) for dataset in CLASSIFIER_REPORTS.values()),
        if_made=tuple(REQUESTED_REPORTS.values()),
    )
    def taxonomy_proposals(
        context: dg.AssetExecutionContext,
        champion: Path,
        coupang_train: ir.Table,
        cate_dictionary: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
        settings: dg.ResourceParam[Settings],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> pd.DataFrame:
        month = context.partition_key
        # A person's marks in the file that is about to be made again.
        adopt_marks(layout, month)
        reports = _read_reports(context, layout, input_versions)
        judge = champion_record.best_classifier(json.loads(champion.read_text(encoding="utf-8")))
        table = taxonomy.proposals(
            predictions.read_predictions(reports[judge]["predictions.parquet"]),
            predictions.trained_titles(coupang_train),
            category_paths(cate_dictionary),
            settings.taxonomy,
        )
        context.add_output_metadata({"judged by": judge, **proposals_metadata(table)})
        return table

    @monthly.asset(
        LABEL_ERRORS,
        settings=("label_errors",),
        libraries=("cleanlab", "scikit-learn"),
        kinds=("cleanlab", "sklearn"),
    )
    def label_errors_of_month(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        cate_dictionary: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
        settings: dg.ResourceParam[Settings],
    ) -> pd.DataFrame:
        options = settings.label_errors
        titles = label_errors.looked_at(coupang_train, options)
        folder = staging_folder(layout, LABEL_ERRORS, context.partition_key)
        found = label_errors.find_label_errors(titles, category_paths(cate_dictionary), options, folder)
        folder.rmdir()
        rows = int(coupang_train.count().execute())
        context.add_output_metadata(
            {
                "titles looked at": f"{len(titles):,} of {rows:,}",
                "of categories": int(titles["category4"].nunique()),
                "look mislabelled": len(found) if len(found) < options.listed else f"at least {len(found):,}",
            }
        )
        return found

    return [
        *(_report(monthly, name) for name in CLASSIFIER_REPORTS),
        _champion(monthly),
        taxonomy_proposals,
        label_errors_of_month,
    ]


def _report(monthly: MonthlyAssets, name: str) -> dg.AssetsDefinition:
    dataset = CLASSIFIER_REPORTS[name]

    @monthly.asset(
        dataset,
        # The class is found by its name.
        code=(importlib.import_module(protocol.CLASSIFIERS[name].partition(":")[0]),),
        libraries=("matplotlib",),
        kinds=("numpy",),
        ins={"model": dg.AssetIn(CLASSIFIER_MODELS[name].name)},
    )
    def classifier_report(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        model: list[Path],
        bpe_tokenizer: Path,
        cate_dictionary: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        classifier = protocol.classifier_class(name).load(model[0], bpe_tokenizer)
        titles = predictions.held_out(coupang_train)
        ranking, rate = timed_ranking(classifier, titles["ep_title"].tolist(), metrics.TOP_K)
        judged = metrics.evaluate(
            titles["category4"].tolist(),
            ranking,
            classifier.codes,
            category_paths(cate_dictionary),
            predictions.trained_titles(coupang_train),
        )
        manifest = locate(layout, CLASSIFIER_MODELS[name], context.partition_key).manifest
        facts = {
            "classifier": name,
            "month": context.partition_key,
            "version": manifest.data_version if manifest else "",
            "bytes": sum(path.stat().st_size for path in _model_files(layout, name, context.partition_key)),
            **{key: value for key, value in classifier.describe().items() if key != "classifier"},
        }
        folder = staging_folder(layout, dataset, context.partition_key)
        table = predictions.predicted_table(titles, ranking, classifier.codes)
        report.write_report(judged, table, facts, folder)
        context.add_output_metadata({**report_metadata(judged, folder), RATE: round(rate), "model": facts["version"]})
        return StagedFiles(folder)

    return classifier_report


def _champion(monthly: MonthlyAssets) -> dg.AssetsDefinition:
    @monthly.asset(
        CHAMPION,
        settings=("champion",),
        kinds=("scipy",),
        deps=(
            *(dg.AssetDep(dataset.name) for dataset in CLASSIFIER_REPORTS.values()),
            dg.AssetDep(CHAMPION.name, partition_mapping=base_month_mapping()),
        ),
        if_made=tuple(REQUESTED_REPORTS.values()),
    )
    def champion_of_month(
        context: dg.AssetExecutionContext,
        layout: dg.ResourceParam[Layout],
        settings: dg.ResourceParam[Settings],
        base_month: dg.ResourceParam[BaseMonth],
        input_versions: dg.ResourceParam[InputVersions],
    ) -> StagedFiles:
        month = context.partition_key
        path = layout.root / champion_record.CHAMPIONS_FILE
        record = champion_record.read_champions(path)
        if record.torn:
            context.log.warning(f"{path}, line {record.torn[-1]}: left unfinished by a killed run, it does not count")
        before = None
        if (base := base_month.recorded(layout, month)) is not None:
            before = record.up_to(base)
            note_input(context, input_versions, CHAMPION.name, base, _champion_version(layout, base))
        reports = _read_reports(context, layout, input_versions)
        candidates = [_candidate(context.instance, name, month, files) for name, files in reports.items()]
        decision = champion.decide(candidates, before.champion if before else None, settings.champion)
        demanded = settings.champion.model_dump(mode="json")
        entry = champion_record.ChampionEntry.of(month, decision, demanded, context.run.run_id)
        folder = staging_folder(layout, CHAMPION, month)
        content = json.dumps(entry.decided(), ensure_ascii=False, indent=2)
        write_text(folder / CHAMPION.paths[0], f"{content}\n")
        appended = champion_record.append_champion(path, entry)
        context.add_output_metadata(champion_metadata(entry, path, appended, record.torn))
        return StagedFiles(folder)

    return champion_of_month


def _champion_version(layout: Layout, month: str) -> str:
    """Version of a month's champion; a month that was made before there were champions has none."""
    there = (layout.folder_on_disk(month) / CHAMPION.paths[0]).exists()
    return version_on_disk(layout, CHAMPION, month) if there else "none"


def _read_reports(
    context: dg.AssetExecutionContext, layout: Layout, input_versions: InputVersions
) -> dict[str, dict[str, Path]]:
    """Files of the month's reports by classifier and last name; noted as what the asset has read.

    The report of a classifier that is made on request counts where it judges the month's model on the same titles.
    """
    month = context.partition_key
    reports = {}
    for name, dataset in ALL_REPORTS.items():
        if name in REQUESTED_REPORTS and read_manifest(layout.folder_on_disk(month), dataset.name) is None:
            continue
        located = locate(layout, dataset, month)
        note_input(context, input_versions, dataset.name, month, version_of(layout, dataset, located))
        reports[name] = {path.name: path for path in located.paths}
    for name in reports.keys() & REQUESTED_REPORTS.keys():
        if why := _no_candidate(layout, name, month, reports):
            context.log.warning(f"{name} is no candidate: {why}")
            del reports[name]
    return reports


def _no_candidate(layout: Layout, name: str, month: str, reports: Mapping[str, Mapping[str, Path]]) -> str:
    """Why the report of a classifier made on request says nothing beside the others; empty where it does."""
    judged, other = (_judged(reports[one]) for one in (name, next(iter(CLASSIFIER_REPORTS))))
    if judged["held_out"] != other["held_out"]:
        return "it was judged on other titles than the month's held-out ones"
    manifest = read_manifest(layout.folder_on_disk(month), ALL_MODELS[name].name)
    if manifest is None or manifest.data_version != judged["model"].get("version"):
        return "its report is of another model than the month's"
    return ""


def _judged(report: Mapping[str, Path]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(report["report.json"].read_text(encoding="utf-8"))
    return content


def _candidate(
    instance: dg.DagsterInstance, name: str, month: str, files: Mapping[str, Path]
) -> requirements.Candidate:
    content = _judged(files)
    table = predictions.read_predictions(files["predictions.parquet"])
    return requirements.Candidate(
        name=name,
        model_version=content["model"]["version"],
        held_out=content["held_out"],
        figures=content["figures"],
        per_category=pd.read_csv(files["per_category.csv"], dtype={"code": str}),
        right=(table["predicted"] == table["category4"]).to_numpy(bool),
        model_bytes=content["model"]["bytes"],
        titles_per_second=_measured(instance, ALL_REPORTS[name].name, month, RATE),
        training_seconds=_training_seconds(instance, name, month),
    )


def _members(name: str) -> tuple[str, ...]:
    """A classifier and those it cannot do without: the members of a vote."""
    return (name, *getattr(protocol.classifier_class(name), "MEMBERS", ()))


def _model_files(layout: Layout, name: str, month: str) -> list[Path]:
    return [path for one in _members(name) for path in locate(layout, ALL_MODELS[one], month).paths]


def _training_seconds(instance: dg.DagsterInstance, name: str, month: str) -> float | None:
    seconds = [_measured(instance, ALL_MODELS[one].name, month, SECONDS) for one in _members(name)]
    measured = [second for second in seconds if second is not None]
    return sum(measured) if len(measured) == len(seconds) else None


def _measured(instance: dg.DagsterInstance, asset: str, month: str, figure: str) -> float | None:
    value = latest_metadata(instance, asset, month).get(figure)
    return float(str(value.value)) if value is not None else None
