"""Step 6: training set, tokenizer and classifier."""

from functools import partial
from pathlib import Path

import dagster as dg
import ibis.expr.types as ir

from coupang_assets.assets.monthly import MonthlyAssets
from coupang_assets.classifiers import biterm, bpe, fasttext, protocol, svm, vote
from coupang_assets.datasets import (
    BPE_TOKENIZER,
    BTM_PERCENT_DICT,
    COUPANG_TRAIN,
    FASTTEXT_MODEL,
    SVM_MODEL,
    VOTE_MODEL,
    Dataset,
)
from coupang_assets.engines import Engine
from coupang_assets.pipeline import training_set
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.progress import watched
from coupang_assets.storage.spec_files import StagedFiles, staging_folder


def assets(monthly: MonthlyAssets) -> list[dg.AssetsDefinition]:
    """``coupang_train``, ``bpe_tokenizer``, one model a classifier."""

    @monthly.asset(
        COUPANG_TRAIN,
        settings=("training.cap", "training.valid_share", "training.test_share"),
        kinds=(monthly.settings.engine.kind,),
    )
    def coupang_train(
        context: dg.AssetExecutionContext,
        define_dailies: ir.Table,
        settings: dg.ResourceParam[Settings],
        engine: dg.ResourceParam[Engine],
    ) -> ir.Table:
        training = settings.training
        keep = partial(engine.keep, what=f"rows for {COUPANG_TRAIN.name}")
        with watched(engine.percent_done, context.log.info):
            return training_set.training_set(
                define_dailies, training.cap, training.valid_share, training.test_share, keep
            )

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

    @monthly.asset(BTM_PERCENT_DICT, libraries=("scikit-learn",), kinds=("duckdb", "sklearn"))
    def btm_percent_dict(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        bpe_tokenizer: Path,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        return _trained(context, layout, BTM_PERCENT_DICT, biterm.BitermClassifier, coupang_train, bpe_tokenizer)

    @monthly.asset(FASTTEXT_MODEL, libraries=("fasttext-numpy2",), kinds=("python",))
    def fasttext_model(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        bpe_tokenizer: Path,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        return _trained(context, layout, FASTTEXT_MODEL, fasttext.FastTextClassifier, coupang_train, bpe_tokenizer)

    @monthly.asset(SVM_MODEL, libraries=("scikit-learn",), kinds=("sklearn",))
    def svm_model(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        bpe_tokenizer: Path,
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        return _trained(context, layout, SVM_MODEL, svm.SvmClassifier, coupang_train, bpe_tokenizer)

    @monthly.asset(VOTE_MODEL, code=(biterm, fasttext, svm), kinds=("python",))
    def vote_model(
        context: dg.AssetExecutionContext,
        coupang_train: ir.Table,
        bpe_tokenizer: Path,
        btm_percent_dict: list[Path],
        fasttext_model: list[Path],
        svm_model: list[Path],
        layout: dg.ResourceParam[Layout],
    ) -> StagedFiles:
        files = {"biterm": btm_percent_dict[0], "fasttext": fasttext_model[0], "svm": svm_model[0]}
        members = {name: protocol.classifier_class(name).load(file, bpe_tokenizer) for name, file in files.items()}
        model = vote.VoteClassifier.of(members, coupang_train)
        folder = staging_folder(layout, VOTE_MODEL, context.partition_key)
        model.save(folder / layout.file_names(VOTE_MODEL, context.partition_key)[0], files)
        context.add_output_metadata(dict(model.describe()))
        return StagedFiles(folder)

    return [
        coupang_train,
        bpe_tokenizer,
        btm_percent_dict,
        fasttext_model,
        svm_model,
        vote_model,
    ]


def _trained(
    context: dg.AssetExecutionContext,
    layout: Layout,
    dataset: Dataset,
    classifier: type[protocol.Classifier],
    training: ir.Table,
    tokenizer: Path,
) -> StagedFiles:
    folder = staging_folder(layout, dataset, context.partition_key)
    model = classifier.fit(training, tokenizer, scratch=folder)
    model.save(folder / layout.file_names(dataset, context.partition_key)[0])
    context.add_output_metadata(dict(model.describe()))
    return StagedFiles(folder)
