"""Step 6: training set, tokenizer, classifier and its report."""

import base64
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.classifiers import biterm, bpe
from coupang_assets.datasets import BPE_TOKENIZER, BTM_PERCENT_DICT, CLASSIFIER_REPORT, COUPANG_TRAIN
from coupang_assets.evaluation import metrics, report
from coupang_assets.pipeline import training_set
from coupang_assets.pipeline.refinement import category_paths
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.spec_files import StagedFiles, staging_folder


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``coupang_train``, ``bpe_tokenizer``, ``btm_percent_dict``, ``classifier_report``."""

    @monthly.asset(
        COUPANG_TRAIN,
        settings=("training.cap", "training.valid_share", "training.test_share"),
        kinds=(monthly.settings.engine.kind,),
    )
    def coupang_train(define_dailies: ir.Table, settings: dg.ResourceParam[Settings]) -> ir.Table:
        training = settings.training
        return training_set.training_set(define_dailies, training.cap, training.valid_share, training.test_share)

    @monthly.asset(
        BPE_TOKENIZER, settings=("training.vocabulary",), libraries=("sentencepiece",), kinds=("sentencepiece",)
    )
    def bpe_tokenizer(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        settings: dg.ResourceParam[Settings],
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        folder = staging_folder(layout, BPE_TOKENIZER, context.partition_key)
        (name,) = layout.file_names(BPE_TOKENIZER, context.partition_key)
        options = bpe.BpeOptions(vocab_size=settings.training.vocabulary)
        bpe.train_bpe(bpe.word_counts(coupang_train), folder / name, options)
        context.add_output_metadata({"tokens": len(bpe.BpeTokenizer.load(folder / name).tokens)})
        return StagedFiles(folder)

    @monthly.asset(BTM_PERCENT_DICT, kinds=("duckdb", "python"))
    def btm_percent_dict(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        bpe_tokenizer: Path,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        folder = staging_folder(layout, BTM_PERCENT_DICT, context.partition_key)
        pickle, *_ = layout.file_names(BTM_PERCENT_DICT, context.partition_key)
        model = biterm.BitermClassifier.fit(coupang_train, bpe_tokenizer, scratch=folder)
        model.save(folder / pickle)
        context.add_output_metadata(dict(model.describe()))
        return StagedFiles(folder)

    @monthly.asset(CLASSIFIER_REPORT, kinds=("sklearn",))
    def classifier_report(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        btm_percent_dict: list[Path],
        bpe_tokenizer: Path,
        cate_dictionary: pd.DataFrame,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        held_out = coupang_train.filter(coupang_train.split == "test").order_by(["category4", "product_id", "ep_title"])
        test = held_out.select("ep_title", "category4").execute()
        model = biterm.BitermClassifier.load(btm_percent_dict[0], bpe_tokenizer)
        judged = metrics.evaluate(
            test["category4"].tolist(),
            model.predict(test["ep_title"].tolist(), top_k=3),
            category_paths(cate_dictionary),
        )
        folder = staging_folder(layout, CLASSIFIER_REPORT, context.partition_key)
        report.write_report(judged, folder)
        context.add_output_metadata(
            {
                **{
                    name.replace("_", " "): round(value, 4)
                    for name, value in judged.figures().items()
                    if value is not None
                },
                "report": dg.MetadataValue.md(report.markdown_report(judged)),
                "confusion": _image((folder / "confusion.png").read_bytes()),
                "accuracy by category size": _image((folder / "accuracy_by_size.png").read_bytes()),
            }
        )
        return StagedFiles(folder)

    return [coupang_train, bpe_tokenizer, btm_percent_dict, classifier_report]


def _image(png: bytes) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{base64.b64encode(png).decode()})")
