"""`python -m coupang_assets_tests.benchmarks.e5 --json FILE`: accuracy, memory and speed of the e5 classifier.

With `--weights` (a folder or a name on the hub) the specification's fine-tuning is run on the same products; without,
the model starts from nothing, and the figures say so. The month's classifiers learn and are judged on the same titles
in the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import numpy as np
import pandas as pd

from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.e5.classifier import E5Classifier
from coupang_assets.classifiers.e5.options import E5Options
from coupang_assets.classifiers.e5.planner import GIB, Load, Means, Plan, estimate, plan
from coupang_assets.classifiers.e5.shapes import E5_SHAPES, UNTRAINED, EncoderShape
from coupang_assets.classifiers.e5.text import product_text
from coupang_assets.classifiers.e5.training import Epoch
from coupang_assets.classifiers.protocol import classifier_class
from coupang_assets.classifiers.vote import VoteClassifier
from coupang_assets.evaluation.metrics import evaluate
from coupang_assets_tests.benchmarks.figures import Figure, report

_SHARED = Path(os.environ.get("COUPANG_SHARED", Path(__file__).resolve().parents[3] / "shared"))
_UNTRAINED = E5Options(weights=UNTRAINED, batch=32, accumulation=1, length=48, epochs=8, patience=3)
# The layers of each; the vocabulary, of which a text reads as many rows as it has tokens, is of no matter.
_SPEED_SHAPES = {
    "e5-base": EncoderShape(20_000, 768, 12, 12, 3072),
    "e5-small": EncoderShape(20_000, 384, 12, 12, 1536),
}
_SPEED_TEXTS = 256


@dataclass(frozen=True)
class Products:
    """Labelled texts with a split by title, and each leaf's top category."""

    rows: pd.DataFrame
    tops: dict[str, str]

    def split(self, name: str) -> pd.DataFrame:
        return self.rows[self.rows["split"] == name]


def products(path: Path, limit: int | None) -> Products:
    """The 36 categories: text, category, split 80/10/10 by a hash of the title."""
    rows = pd.read_csv(path, dtype=str)
    rows = rows if limit is None else rows.sample(limit, random_state=0)
    tenth = rows["name"].map(lambda name: int(hashlib.md5(name.encode()).hexdigest(), 16) % 10)
    table = pd.DataFrame(
        {
            "ep_title": [
                product_text(name, maker) for name, maker in zip(rows["name"], rows["maker"].fillna(""), strict=True)
            ],
            "category4": rows["category2"],
            "split": tenth.map(lambda n: "train" if n < 8 else "valid" if n == 8 else "test"),
        }
    ).drop_duplicates()
    return Products(table, dict(zip(rows["category2"], rows["category1"], strict=True)))


def accuracy(data: Products, options: E5Options, folder: Path) -> Iterator[Figure]:
    """Fine-tune with and without hierarchy, and the month's classifiers, all judged on the same held-out titles."""
    training = ibis.duckdb.connect(threads=2).create_table("training", data.rows)
    test = data.split("test")
    titles, truth = test["ep_title"].tolist(), test["category4"].tolist()
    paths = {leaf: (top, leaf) for leaf, top in data.tops.items()}
    started_from = (
        "from nothing: no pretrained weights are at hand" if options.weights == UNTRAINED else options.weights
    )
    plans: list[Plan] = []
    for name, tops in (("top and leaf together", data.tops), ("flat", None)):
        started = time.monotonic()
        model = E5Classifier.fit(training, Path(), options=options, top_of=tops, on_plan=plans.append, on_epoch=_tell)
        took = time.monotonic() - started
        judged = evaluate(truth, model.rank(titles, 5), model.codes, paths).summary
        how = f"{len(truth):,} held-out titles, {started_from}, {len(model.about.epochs)} epochs in {took:,.0f} s"
        yield Figure(f"accuracy, e5 architecture, {name}", _percent(judged["accuracy"]), "%", "", None, how)
        yield Figure(f"macro F1, e5 architecture, {name}", round(judged["macro_f1"] or 0, 4), "", "", None, "the same")
        yield Figure(f"top category right, {name}", _percent(judged["level1_accuracy"]), "%", "", None, "the same")
        if tops:
            model.save(folder / "model.safetensors")
    yield Figure("memory plan of this training", plans[0].means.describe(), "", "", None, f"{options.memory_gib:g} GiB")
    bpe = train_bpe(word_counts(training), folder / "bpe.model")
    for name in VoteClassifier.MEMBERS:
        other = classifier_class(name).fit(training, bpe, scratch=folder)
        judged = evaluate(truth, other.rank(titles, 5), other.codes, paths).summary
        yield Figure(f"accuracy, {name}", _percent(judged["accuracy"]), "%", "", None, "the same texts")


def _tell(epoch: Epoch) -> None:
    print(
        f"  epoch {epoch.epoch}: validation accuracy {epoch.accuracy:.2%}, F1 {epoch.f1:.4f}",
        file=sys.stderr,
        flush=True,
    )


def memory() -> Iterator[Figure]:
    """The planner against bytes counted as PyTorch makes and frees them, and what 8 GiB hold."""
    from coupang_assets_tests.classifiers.e5.live_bytes import counted_peak

    load = Load(batch=4, length=128)
    for name in ("base", "large"):
        shape = E5_SHAPES[f"intfloat/multilingual-e5-{name}"]
        for pieces in (None, 30_000):
            found = plan(shape, load, 8 * GIB, precision="bf16", trimmed_vocabulary=pieces)
            counted = counted_peak(found.shape, load, found.means)
            off = abs(found.memory.peak / counted - 1)
            kept = "whole vocabulary" if pieces is None else f"{pieces:,} pieces would stay"
            yield Figure(
                f"peak memory, e5-{name}, {kept}", round(counted / GIB, 2), "GiB", "< 8", counted < 8 * GIB,
                f"{found.means.describe()}; counted over fake tensors of the full size on the CPU: no GPU was at hand",
            )  # fmt: skip
            yield Figure(
                f"planner off by, e5-{name}, {kept}", round(100 * off, 2), "%", "≤ 10", off <= 0.1,
                f"{found.memory.peak / GIB:.2f} GiB planned; a CUDA context comes on top (0.75 GiB allowed for)",
            )  # fmt: skip
    small, means = EncoderShape(20_000, 128, 3, 4, 512), Means(optimiser="adafactor")
    counted = counted_peak(small, Load(4, 64), means, fake=False)
    off = abs(estimate(small, Load(4, 64), means).peak / counted - 1)
    yield Figure("planner off by, small model, Adafactor", round(100 * off, 2), "%", "≤ 10", off <= 0.1, "real tensors")


def onnx_speed(data: Products, folder: Path) -> Iterator[Figure]:
    """int8 against PyTorch fp32: speed with e5-base's and e5-small's layers, accuracy with the model trained here."""
    import torch

    from coupang_assets.classifiers.e5.hierarchy import Tree
    from coupang_assets.classifiers.e5.network import CategoryNetwork
    from coupang_assets.classifiers.e5.onnx_export import export

    model = E5Classifier.load(folder / "model.safetensors")
    assert model.network is not None
    test = data.split("test")
    texts = model.vocabulary.encode(test["ep_title"].tolist())
    place = {code: number for number, code in enumerate(model.codes)}
    known = [(tokens, place[code]) for tokens, code in zip(texts, test["category4"], strict=True) if tokens]
    made = export(model.network, [one for one, _ in known], [one for _, one in known], folder / "a.onnx", folder)
    lost = 100 * (made.measured["pytorch"].accuracy - made.measured["int8"].accuracy)
    yield Figure(
        "accuracy int8 loses", round(lost, 3), "points", "≤ 0.5", lost <= 0.5,
        f"{len(known):,} held-out titles, the model above; an fp32 logit is off by {made.difference:.1g}",
    )  # fmt: skip
    torch.manual_seed(0)
    sample = [one for one, _ in known[:_SPEED_TEXTS]]
    for name, shape in _SPEED_SHAPES.items():
        network = CategoryNetwork(shape, Tree(tuple(f"{n:04d}" for n in range(36)))).eval()
        made = export(network, sample, np.zeros(len(sample), int).tolist(), folder / "b.onnx", folder)
        speed = {name: one.texts_per_second for name, one in made.measured.items()}
        ratio = speed["int8"] / speed["pytorch"]
        promised = name == "e5-base"
        yield Figure(
            f"titles a second, {name}, ONNX int8 against PyTorch fp32", round(ratio, 2), "times",
            "≥ 2.5" if promised else "", ratio >= 2.5 if promised else None,
            f"{speed['int8']:,.0f} against {speed['pytorch']:,.0f} (ONNX fp32 {speed['fp32']:,.0f}); its layers, "
            f"random weights, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}",
        )  # fmt: skip


def _percent(share: float | None) -> float:
    return round(100 * (share or 0.0), 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.e5")
    parser.add_argument("--products", type=Path, default=_SHARED / "data" / "korean_products_36.csv")
    parser.add_argument("--weights", default=UNTRAINED, help="folder or name of pretrained weights; default: none")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB of the device")
    parser.add_argument("--epochs", type=int, help="at most; default 8 from nothing, 7 with pretrained weights")
    parser.add_argument("--limit", type=int, help="only so many products")
    parser.add_argument("--quick", action="store_true", help="1,500 products, 2 epochs")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    training = _UNTRAINED if options.weights == UNTRAINED else E5Options(weights=options.weights)
    if options.quick:
        options.limit, options.epochs = 1_500, 2
    training = replace(training, memory_gib=options.memory, epochs=options.epochs or training.epochs)
    data = products(options.products, options.limit)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="e5-benchmark-") as name:
        folder = Path(name)
        figures = [*accuracy(data, training, folder), *memory(), *onnx_speed(data, folder)]
    return 0 if report(f"e5: {len(data.rows):,} products", figures, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
