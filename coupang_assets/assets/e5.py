"""The fine-tuned e5 classifier (spec 001), made when a person asks for it.

The extra `e5` is needed only by what trains, exports or judges it; without it the graph loads, and these say what to
install.
"""

import base64
import csv
import importlib.metadata
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import ibis.expr.types as ir
import pandas as pd
from pydantic import Field

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.classifiers.e5 import classifier as e5
from coupang_assets.classifiers.e5 import hierarchy, planner
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.datasets import E5_LABELLED_TEXT, E5_MODEL, E5_ONNX, E5_REPORT, PRODUCTS_ALL, Dataset
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation import e5_report as reports
from coupang_assets.evaluation import predictions
from coupang_assets.evaluation.rate import RATE
from coupang_assets.pipeline import labelled_text
from coupang_assets.settings import E5Settings, Settings
from coupang_assets.storage.latest_files import LatestFiles
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import read_manifest
from coupang_assets.storage.spec_files import StagedFiles, staging_folder

_MEASURED_TEXTS = 2000
_COLUMN_SETTINGS = ("name_column", "manufacturer_column", "category_column", "top_column", "specifications_column")
_TRAINING_SETTINGS = (
    "weights", "batch", "accumulation", "length", "epochs", "patience", "learning_rate", "hierarchy", "seed",
    "memory_gib", "device",
)  # fmt: skip


class ReportConfig(dg.Config):
    """Run configuration of ``e5_report``."""

    compare_flat: bool = Field(
        default=True, description="train a second model without hierarchy and compare; takes as long as the training"
    )


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``e5_labelled_text``, ``e5_model``, ``e5_onnx``, ``e5_report``."""

    @monthly.asset(
        E5_LABELLED_TEXT,
        settings=(
            *(f"e5.{name}" for name in ("products", *_COLUMN_SETTINGS)),
            "training.valid_share",
            "training.test_share",
        ),
        kinds=(monthly.settings.engine.kind,),
        deps=(dg.AssetDep(PRODUCTS_ALL.name),) if _is_export(monthly.settings.e5) else (),
    )
    def e5_labelled_text(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        cate_dictionary: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        engine: dg.ResourceParam[Engine],
        layout: dg.ResourceParam[Layout],
    ) -> ir.Table:
        products = _exported(layout) if _is_export(settings.e5) else settings.e5.products
        context.add_output_metadata({"made from": str(products) if products else "coupang_train"})
        if products is None:
            return labelled_text.from_training_set(coupang_train, cate_dictionary)
        return labelled_text.from_products(
            engine.read_csv([products], _header(products)),
            _columns(settings.e5),
            settings.training.valid_share,
            settings.training.test_share,
        )

    @monthly.asset(
        E5_MODEL,
        settings=tuple(f"e5.{name}" for name in _TRAINING_SETTINGS),
        libraries=_installed("torch", "transformers"),
        kinds=("pytorch", "huggingface"),
    )
    def e5_model(
        context: dg.AssetExecutionContext,
        e5_labelled_text: ir.Table,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        folder = staging_folder(layout, E5_MODEL, context.partition_key)
        kept = layout.month_folder(context.partition_key) / ".e5_checkpoints"
        options = E5Options.of(settings.e5)
        model = _trained(context, e5_labelled_text, options, settings.e5.seed, folder, kept, E5_MODEL)
        name, _ = (Path(path).name for path in layout.file_names(E5_MODEL, context.partition_key))
        model.save(folder / name)
        context.add_output_metadata({**model.describe(), "training": _image(reports.curves(model.about.epochs))})
        shutil.rmtree(kept, ignore_errors=True)
        return StagedFiles(folder)

    @monthly.asset(E5_ONNX, libraries=_installed("torch", "onnxruntime"), kinds=("onnx",))
    def e5_onnx(
        context: dg.AssetExecutionContext,
        e5_labelled_text: ir.Table,
        e5_model: list[Path],
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        model = e5.E5Classifier.load(e5_model[0])
        from coupang_assets.classifiers.e5.onnx_export import export

        held = _split(e5_labelled_text, "valid").head(_MEASURED_TEXTS)
        tokens = model.vocabulary.encode(held["ep_title"].tolist())
        place = {code: index for index, code in enumerate(model.codes)}
        judged = [
            (one, place[code]) for one, code in zip(tokens, held["category4"], strict=True) if one and code in place
        ]
        if not judged or model.network is None:
            raise CoupangAssetsError("There is no text of split valid to measure with.", "Give more labelled products.")
        folder = staging_folder(layout, E5_ONNX, context.partition_key)
        (name,) = (Path(path).name for path in layout.file_names(E5_ONNX, context.partition_key))
        scratch = folder / "scratch"
        scratch.mkdir()
        made = export(model.network, [one for one, _ in judged], [one for _, one in judged], folder / name, scratch)
        context.add_output_metadata(
            {
                "kept": made.chosen,
                "largest difference of a logit, fp32": made.difference,
                "texts measured": len(judged),
                **{
                    f"{kind} {what}": value
                    for kind, one in made.measured.items()
                    for what, value in (
                        ("accuracy", round(one.accuracy, 4)),
                        ("titles/s", round(one.texts_per_second, 1)),
                    )
                },
            }
        )
        return StagedFiles(folder)

    @monthly.asset(
        E5_REPORT,
        settings=tuple(f"e5.{name}" for name in _TRAINING_SETTINGS),
        libraries=_installed("torch", "transformers", "scikit-learn"),
        kinds=("sklearn",),
    )
    def e5_report(
        context: dg.AssetExecutionContext,
        config: ReportConfig,
        e5_labelled_text: ir.Table,
        e5_model: list[Path],
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        model = e5.E5Classifier.load(e5_model[0])
        folder = staging_folder(layout, E5_REPORT, context.partition_key)
        test = _split(e5_labelled_text, "test")
        flat = None
        if config.compare_flat and model.about.tree.tops:
            options = E5Options.of(settings.e5.model_copy(update={"hierarchy": False}))
            kept = layout.month_folder(context.partition_key) / ".e5_flat_checkpoints"
            flat = _trained(context, e5_labelled_text, options, settings.e5.seed, folder, kept, E5_REPORT)
            shutil.rmtree(kept, ignore_errors=True)
        month = context.partition_key
        before = _report_before(layout, month)
        judged = reports.judge(model, test, flat, predictions.trained_titles(e5_labelled_text))
        manifest = read_manifest(layout.folder_on_disk(month), E5_MODEL.name)
        facts = {
            **model.describe(),
            "classifier": model.name,
            "month": month,
            "version": manifest.data_version if manifest else "",
            "bytes": sum(path.stat().st_size for path in e5_model),
        }
        reports.write(judged, facts, folder, before)
        context.add_output_metadata(
            {
                **judged.figures(),
                RATE: round(judged.titles_per_second),
                "report": dg.MetadataValue.md(judged.markdown()),
                "errors": dg.MetadataValue.md((folder / "errors.md").read_text(encoding="utf-8")),
                "confusion": _image((folder / "confusion.png").read_bytes()),
            }
        )
        return StagedFiles(folder)

    return [e5_labelled_text, e5_model, e5_onnx, e5_report]


def _trained(
    context: dg.AssetExecutionContext,
    labelled: ir.Table,
    options: E5Options,
    seed: int,
    scratch: Path,
    checkpoints: Path,
    dataset: Dataset,
) -> e5.E5Classifier:
    """Train, telling the UI of each epoch as it ends: as a log line, and as points of the asset's plots."""
    tops = labelled.select("category4", "category1").distinct().execute()
    tree = hierarchy.pairs_to_tree(
        [(leaf, top if isinstance(top, str) else None) for leaf, top in tops.itertuples(index=False, name=None)]
    )

    def planned(plan: planner.Plan) -> None:
        context.log.info(f"memory: {plan.memory.peak / planner.GIB:.2f} GiB with {plan.means.describe()}")
        context.add_output_metadata({"memory plan": dg.MetadataValue.md(plan.describe())})

    return e5.E5Classifier.fit(
        labelled, Path(), seed=seed, scratch=scratch, options=options, top_of=tree.top_of() or None,
        checkpoints=checkpoints, on_plan=planned, on_epoch=_observed(context, dataset),
    )  # fmt: skip


def _observed(context: dg.AssetExecutionContext, dataset: Dataset) -> Callable[[Any], None]:
    def observe(epoch: Any) -> None:
        context.log.info(
            f"epoch {epoch.epoch}: loss {epoch.loss:.4f}, validation accuracy {epoch.accuracy:.2%}, F1 {epoch.f1:.4f}"
        )
        context.log_event(
            dg.AssetObservation(
                dataset.name,
                description=f"epoch {epoch.epoch}",
                partition=context.partition_key,
                metadata={
                    "epoch": epoch.epoch,
                    "training loss": epoch.loss,
                    "validation accuracy": epoch.accuracy,
                    "validation F1": epoch.f1,
                    "validation macro F1": epoch.macro_f1,
                },
            )
        )

    return observe


def _installed(*libraries: str) -> tuple[str, ...]:
    """Those of the libraries that are there: without the extra the graph loads all the same."""
    return tuple(name for name in libraries if _is_installed(name))


def _is_installed(library: str) -> bool:
    try:
        importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_export(settings: E5Settings) -> bool:
    """The products of the graph's own export are learned from."""
    return settings.products == Path(PRODUCTS_ALL.name)


def _exported(layout: Layout) -> Path:
    """The export's CSV.

    Raises:
        CoupangAssetsError: there is none, or it is not as it was written.
    """
    files = LatestFiles(layout, PRODUCTS_ALL).find()
    if files is None:
        raise CoupangAssetsError(
            f"there is no export of the products in {layout.products_folder}, or it is not as it was written",
            "materialize products_all first (coupang-assets products export)",
        )
    return next(path for path in files if path.suffix == ".csv")


def _columns(settings: E5Settings) -> labelled_text.ProductColumns:
    return labelled_text.ProductColumns(
        name=settings.name_column,
        manufacturer=settings.manufacturer_column,
        category=settings.category_column,
        top=settings.top_column,
        specifications=settings.specifications_column,
    )


def _header(path: Path) -> list[str]:
    """Columns of a CSV.

    Raises:
        CoupangAssetsError: it is missing or empty.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file))
    except (OSError, StopIteration, UnicodeDecodeError) as error:
        raise CoupangAssetsError(
            f"{path} is missing, empty or no UTF-8 text.", "Set COUPANG_E5__PRODUCTS to a CSV of products."
        ) from error


def _split(labelled: ir.Table, split: str) -> pd.DataFrame:
    rows = labelled.filter(labelled.split == split).order_by(["category4", "product_id", "ep_title"])
    return rows.select("product_id", "ep_title", "category4", "category1", "path").execute()


def _report_before(layout: Layout, month: str) -> pd.DataFrame | None:
    """Predictions of the latest earlier month's report, for what changed."""
    name = next(path for path in E5_REPORT.paths if path.endswith("predictions.parquet"))
    earlier = sorted(
        file
        for file in (layout.root / "data").glob(f"*/{name}")
        if file.relative_to(layout.root / "data").parts[0] < month
    )
    return predictions.read_predictions(earlier[-1]) if earlier else None


def _image(png: bytes) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
