"""All classifiers side by side on the same folds of any CSV of titles and labels, and how they scale.

    python -m coupang_assets_tests.benchmarks.classifiers --data FILE --text name --label category2 --json FILE

Folds are by a hash of the title, so every title is predicted once, by models that have not seen it. Scores are
calibrated within the training folds. `--scale` measures training, speed, load, size and
determinism on generated titles instead.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.fasttext import FastTextClassifier, FastTextOptions
from coupang_assets.classifiers.protocol import CATEGORY, SPLIT, TITLE, Classifier, classifier_class
from coupang_assets.classifiers.vote import VoteClassifier
from coupang_assets_tests.benchmarks import classifiers_scale, notebook
from coupang_assets_tests.benchmarks.figures import Figure, report

_MIB = 2**20
_BINS = 15
_RESAMPLES = 2_000
_FASTTEXT_WORDS = "fasttext (words)"
_NOTEBOOK = "notebook"
_WORDS = FastTextOptions(shortest=0, longest=0, word_ngrams=2)

Fit = Callable[..., Classifier]


@dataclass
class Contender:
    """What one classifier did on all folds; the arrays are in the order of the rows.

    Attributes:
        right, third: whether the best prediction, or one of the best three, is the label.
        score: probability given to the best prediction; nan where the classifier knows none.
        best: predicted label.
    """

    titles: int
    right: Any = field(init=False)
    third: Any = field(init=False)
    score: Any = field(init=False)
    best: Any = field(init=False)
    train_s: float = 0.0
    predict_s: float = 0.0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.right, self.third = np.zeros(self.titles, bool), np.zeros(self.titles, bool)
        self.score, self.best = np.full(self.titles, np.nan), np.full(self.titles, "", dtype=object)


def compare(rows: pd.DataFrame, folds: int, folder: Path) -> Iterator[Figure]:
    """Every classifier on the same folds.

    Args:
        rows: title, label.
    """
    fold = rows["title"].map(lambda title: int(hashlib.md5(title.encode()).hexdigest(), 16) % folds).to_numpy()
    names = [*(n for n in VoteClassifier.MEMBERS), _FASTTEXT_WORDS, "vote", _NOTEBOOK]
    contenders = {name: Contender(len(rows)) for name in names}
    for number in range(folds):
        _one_fold(rows, np.flatnonzero(fold == number), np.flatnonzero(fold != number), contenders, folder)
    for name, contender in contenders.items():
        yield from _alone(name, contender, rows["label"].to_numpy(), folds)
    yield from _against_each_other(contenders)


def _one_fold(rows: pd.DataFrame, test: Any, train: Any, contenders: dict[str, Contender], folder: Path) -> None:
    titles, labels = rows["title"].iloc[test].tolist(), rows["label"].iloc[test].to_numpy()
    columns = {"title": TITLE, "label": CATEGORY}
    training = ibis.duckdb.connect().create_table(
        "training", rows.iloc[train].rename(columns=columns).assign(**{SPLIT: "train"})
    )
    bpe = train_bpe(word_counts(training), folder / "bpe.model")
    fits: dict[str, Fit] = {name: classifier_class(name).fit for name in VoteClassifier.MEMBERS}
    fits[_FASTTEXT_WORDS] = partial(FastTextClassifier.fit, options=_WORDS)
    models: dict[str, Classifier] = {}

    def judge(name: str, model: Classifier, started: float) -> None:
        one = contenders[name]
        one.train_s += time.perf_counter() - started
        started = time.perf_counter()
        predictions = model.predict(titles, top_k=3)
        one.predict_s += time.perf_counter() - started
        one.bytes = max(one.bytes, sum(file.stat().st_size for file in model.save(folder / f"model{model.suffix}")))
        for row, label, ranked in zip(test, labels, predictions, strict=True):
            if ranked:
                one.best[row], one.score[row] = ranked[0].code, ranked[0].score
                one.right[row], one.third[row] = ranked[0].code == label, label in {p.code for p in ranked}
            else:
                one.score[row] = 0

    for name, fit in fits.items():
        started = time.perf_counter()
        models[name] = fit(training, bpe, scratch=folder)
        judge(name, models[name], started)
    started = time.perf_counter()

    def learn(part: ibis.Table) -> dict[str, Classifier]:
        return {name: fits[name](part, bpe, scratch=folder) for name in VoteClassifier.MEMBERS}

    members = {name: models[name] for name in VoteClassifier.MEMBERS}
    judge("vote", VoteClassifier.of(members, training, learn), started)
    _judge_notebook(rows.iloc[train], test, titles, labels, contenders[_NOTEBOOK])


def _judge_notebook(train: pd.DataFrame, test: Any, titles: list[str], labels: Any, one: Contender) -> None:
    started = time.perf_counter()
    percents = notebook.learn(train["title"].tolist(), train["label"].tolist())
    one.train_s += time.perf_counter() - started
    started = time.perf_counter()
    one.best[test] = notebook.predict(percents, titles)
    one.predict_s += time.perf_counter() - started
    one.right[test] = one.best[test] == labels


def _alone(name: str, one: Contender, labels: Any, folds: int) -> Iterator[Figure]:
    low, high = wilson(int(one.right.sum()), one.titles)
    yield Figure(
        f"{name}: accuracy", round(100 * float(one.right.mean()), 2), "%", "", None,
        f"95 % interval {100 * low:.2f} to {100 * high:.2f}; {one.titles:,} titles, {folds} folds by hash",
    )  # fmt: skip
    macro = f1_score(labels, one.best, labels=sorted(set(labels)), average="macro", zero_division=0)
    yield Figure(f"{name}: macro F1", round(100 * float(macro), 2), "%", "", None, "mean over labels")
    if not np.isnan(one.score).all():
        yield Figure(f"{name}: among the best 3", round(100 * float(one.third.mean()), 2), "%", "", None, "top-3")
        yield Figure(
            f"{name}: calibration error", round(calibration_error(one.score, one.right), 4), "", "", None,
            f"expected |score - accuracy|, {_BINS} bins",
        )  # fmt: skip
        yield Figure(f"{name}: size", round(one.bytes / _MIB, 2), "MiB", "", None, "files of a model, largest fold")
    yield Figure(
        f"{name}: training", round(one.train_s / folds, 2), "s", "", None, "mean of a fold, calibration included"
    )
    yield Figure(f"{name}: prediction", int(one.titles / one.predict_s), "titles/s", "", None, "held-out titles")


def _against_each_other(contenders: dict[str, Contender]) -> Iterator[Figure]:
    biterm, vote = contenders["biterm"], contenders["vote"]
    fast = max((contenders[name] for name in ("fasttext", _FASTTEXT_WORDS)), key=lambda one: one.right.sum())
    single = max(
        (one for name, one in contenders.items() if name not in ("vote", _NOTEBOOK)), key=lambda one: one.right.sum()
    )
    champion = max(contenders.values(), key=lambda one: one.right.sum())
    for what, a, b, target in (
        ("biterm above fastText", biterm, fast, "> 0"),
        ("biterm above TF-IDF + SVM", biterm, contenders["svm"], "≥ 0"),
        ("vote above the best single classifier", vote, single, "≥ 0.5"),
    ):
        points = 100 * float(a.right.mean() - b.right.mean())
        low, high = paired_interval(a.right, b.right)
        ok = points > 0 if target == "> 0" else points >= float(target.removeprefix("≥ "))
        yield Figure(
            what, round(points, 2), "points", target, ok,
            f"95 % interval {100 * low:+.2f} to {100 * high:+.2f}, titles resampled in pairs",
        )  # fmt: skip
    error = calibration_error(champion.score, champion.right)
    name = next(name for name, one in contenders.items() if one is champion)
    yield Figure(
        "calibration error of the most accurate", round(error, 4), "", "≤ 0.03", error <= 0.03, f"{name}, {_BINS} bins"
    )


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    share, scale = hits / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return float(middle - half), float(middle + half)


def paired_interval(a: Any, b: Any) -> tuple[float, float]:
    """95 % interval of the mean of `a - b` by the bootstrap over titles, always with the same resamples."""
    # Of a title only the difference matters: -1, 0 or 1; resampling titles is drawing how many of each.
    difference = a.astype(int) - b.astype(int)
    shares = [float((difference == value).mean()) for value in (-1, 0, 1)]
    drawn = np.random.default_rng(0).multinomial(len(difference), shares, size=_RESAMPLES) / len(difference)
    low, high = np.percentile(drawn[:, 2] - drawn[:, 0], [2.5, 97.5])
    return float(low), float(high)


def calibration_error(score: Any, right: Any) -> float:
    """Expected calibration error of the best predictions: |mean score - accuracy| of equal bins, weighted by titles."""
    place = np.minimum((score * _BINS).astype(int), _BINS - 1)
    inside = [place == number for number in range(_BINS)]
    return float(sum(abs(score[one].mean() - right[one].mean()) * one.mean() for one in inside if one.any()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.classifiers")
    parser.add_argument("--data", type=Path, help="CSV of titles and labels")
    parser.add_argument("--text", default="name", help="its column of titles")
    parser.add_argument("--label", default="category2", help="its column of labels")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--scale", action="store_true", help="training at scale on generated titles")
    parser.add_argument("--titles", type=int, default=3_000_000, help="generated titles of --scale")
    parser.add_argument("--categories", type=int, default=3_000, help="generated categories of --scale")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    if not options.data and not options.scale:
        parser.error("give --data FILE, or --scale")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="classifiers-benchmark-") as name:
        if options.data:
            given = pd.read_csv(options.data, dtype=str)[[options.text, options.label]].dropna()
            rows = given.set_axis(["title", "label"], axis=1).drop_duplicates("title").reset_index(drop=True)
            figures += compare(rows, options.folds, Path(name))
        if options.scale:
            figures += classifiers_scale.measure(options.titles, options.categories, Path(name))
    what = options.data.name if options.data else f"{options.titles:,} generated titles"
    return 0 if report(f"Classifiers: {what}", figures, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
