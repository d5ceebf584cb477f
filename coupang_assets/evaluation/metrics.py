"""Metrics of predictions against the truth (spec step 6).

Belongs here: numbers and tables. Does not: pictures (`plots`), files and prose (`report`), what levels (`hierarchy`),
scores (`calibration`) and intervals (`intervals`) each take to compute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.classifiers.protocol import Ranking
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.calibration import automation, calibration_error, reliability
from coupang_assets.evaluation.hierarchy import PathNodes, f1_by_class, level_figures
from coupang_assets.evaluation.intervals import wilson_interval

# Stands in for a predicted code where a classifier gave none; no code is empty.
NO_PREDICTION = ""
TOP_K = 5
"""Predictions a title that a classifier is asked for to be judged."""
_MOST_CONFUSED = 50

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evaluation:
    """What a classifier did on a set of titles. A title without a prediction counts as wrong everywhere.

    Attributes:
        titles: titles judged.
        categories: categories the titles truly have.
        summary: the single figures by name, shares from 0 to 1; None where there is nothing to measure.
            accuracy (titles whose best prediction is the true category), accuracy_low and accuracy_high (its 95 %
            Wilson interval), top3_accuracy and top5_accuracy (true category among the best three, five),
            level1_accuracy (right top category), macro_f1 (each category the same weight), weighted_f1 (by titles),
            hierarchical_precision, hierarchical_recall, hierarchical_f1 (whole paths, see `hierarchy`),
            calibration_error (15 bins), coverage (titles that got any prediction), coverage_at_95_precision and
            threshold_at_95_precision (see `calibration.Automation`).
        per_category: code, path, trained (titles it learned from), support, accuracy, accuracy_low, accuracy_high,
            precision, f1; one row a true category, most titles first.
        levels: level, categories, accuracy, macro_f1, weighted_f1; one row a level, top first.
        reliability: low, high, titles, confidence, accuracy; one row a bin of scores.
        confusion: truth, predicted, titles; one row a pair that occurs, by code, NO_PREDICTION included.
        most_confused: truth, predicted, titles, share (of the true category's titles), truth_path, predicted_path;
            wrong pairs only, most titles first, at most 50.
        names: code to its path of names, top first, of every code above.
        notice: what a reader must know before using the figures (no title, only one category), or empty.
    """

    titles: int
    categories: int
    summary: Mapping[str, float | None]
    per_category: pd.DataFrame
    levels: pd.DataFrame
    reliability: pd.DataFrame
    confusion: pd.DataFrame
    most_confused: pd.DataFrame
    names: Mapping[str, tuple[str, ...]]
    notice: str

    @property
    def accuracy(self) -> float | None:
        """Share of titles whose best prediction is the true category."""
        return self.summary["accuracy"]

    def figures(self) -> dict[str, int | float | None]:
        """The single numbers, by name."""
        return {"titles": self.titles, "categories": self.categories, **self.summary}

    def label(self, code: str) -> str:
        """A code as a reader knows it: its path of names, or the code where it has none."""
        return _label(code, self.names)


def evaluate(
    truth: Sequence[str],
    ranking: Ranking,
    codes: Sequence[str],
    names: Mapping[str, Sequence[str]],
    trained: Mapping[str, int] | None = None,
) -> Evaluation:
    """Judge predictions.

    Args:
        truth: true category code of each title.
        ranking: what `Classifier.rank` gave for the same titles, in the same order.
        codes: the classifier's codes, which the ranking's positions refer to.
        names: code to its path of names, top first; codes without an entry are shown as they are, and each is a top
            category of its own.
        trained: code to the number of titles the classifier learned it from; default: not known, and shown as 0.

    Raises:
        CoupangAssetsError: `truth` and `ranking` differ in length.
    """
    if len(truth) != len(ranking.code):
        raise CoupangAssetsError(
            f"There are {len(truth):,} true categories but {len(ranking.code):,} predictions.",
            "Predict exactly the titles whose categories are given, in the same order.",
        )
    known = sorted({*truth, *(codes[index] for index in np.unique(ranking.code[:, :1]) if index >= 0)})
    paths = {code: tuple(names.get(code, ())) for code in known}
    number = {code: index for index, code in enumerate(known)}
    true = np.array([number[code] for code in truth], np.int64)
    # Codes that are nobody's truth and never the best prediction need no number of their own: they are just wrong.
    elsewhere = len(known)
    renumber = np.array([*(number.get(code, elsewhere) for code in codes), -1], np.int64)
    ranked = renumber[ranking.code]
    best = ranked[:, 0]
    per_category = _per_category(true, best, known, paths, trained or {})
    confusion = _confusion(true, best, known)
    nodes = PathNodes([paths[code] or (code,) for code in known])
    score = np.where(best >= 0, ranking.score[:, 0].astype(np.float64), 0.0)
    bins = reliability(score, best == true)
    return Evaluation(
        titles=len(true),
        categories=len(per_category),
        summary=_summary(true, ranked, score, nodes, bins),
        per_category=per_category,
        levels=level_figures(nodes, true, best),
        reliability=bins,
        confusion=confusion,
        most_confused=_most_confused(confusion, per_category, paths),
        names=paths,
        notice=_notice(per_category),
    )


def _summary(
    true: Ints, ranked: Ints, score: npt.NDArray[np.float64], nodes: PathNodes, bins: pd.DataFrame
) -> dict[str, float | None]:
    names = (
        *("accuracy", "accuracy_low", "accuracy_high", "top3_accuracy", "top5_accuracy", "level1_accuracy"),
        *("macro_f1", "weighted_f1", "hierarchical_precision", "hierarchical_recall", "hierarchical_f1"),
        *("calibration_error", "coverage", "coverage_at_95_precision", "threshold_at_95_precision"),
    )
    if not len(true):
        return dict.fromkeys(names)
    best = ranked[:, 0]
    right = best == true
    low, high = wilson_interval(right.sum(), len(right))
    f1 = f1_by_class(true, best)
    path, decided = nodes.score(true, best), automation(score, right)
    values = (
        *(right.mean(), low, high),
        *((ranked[:, :top] == true[:, None]).any(axis=1).mean() for top in (3, 5)),
        (nodes.at_level(true, 1) == nodes.at_level(best, 1)).mean(),
        *(f1["f1"].mean(), np.average(f1["f1"], weights=f1["support"])),
        *(path.precision, path.recall, path.f1),
        *(calibration_error(bins), (best >= 0).mean(), decided.coverage, decided.threshold),
    )
    return {name: None if value is None else float(value) for name, value in zip(names, values, strict=True)}


def _per_category(
    true: Ints, best: Ints, known: Sequence[str], paths: Mapping[str, tuple[str, ...]], trained: Mapping[str, int]
) -> pd.DataFrame:
    table = f1_by_class(true, best)
    codes = [known[index] for index in table["class"]]
    low, high = wilson_interval(table["right"], table["support"])
    table = pd.DataFrame(
        {
            "code": pd.Series(codes, dtype=object),
            "path": pd.Series([_label(code, paths) for code in codes], dtype=object),
            "trained": pd.Series([trained.get(code, 0) for code in codes], dtype="int64"),
            "support": table["support"],
            "accuracy": table["recall"],
            "accuracy_low": low,
            "accuracy_high": high,
            "precision": table["precision"],
            "f1": table["f1"],
        }
    )
    return table.sort_values(["support", "code"], ascending=[False, True], ignore_index=True)


def _confusion(true: Ints, best: Ints, known: Sequence[str]) -> pd.DataFrame:
    pairs = pd.DataFrame({"truth": true, "predicted": best}).groupby(["truth", "predicted"], sort=True).size()
    labels = np.array([*known, NO_PREDICTION], dtype=object)
    table = pairs.rename("titles").reset_index()
    table = table.assign(truth=labels[table["truth"]], predicted=labels[table["predicted"]])
    return table.sort_values(["truth", "predicted"], ignore_index=True)


def _most_confused(
    confusion: pd.DataFrame, per_category: pd.DataFrame, paths: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    wrong = confusion[(confusion["truth"] != confusion["predicted"]) & (confusion["predicted"] != NO_PREDICTION)]
    wrong = wrong.sort_values(["titles", "truth", "predicted"], ascending=[False, True, True], ignore_index=True)
    wrong = wrong.head(_MOST_CONFUSED)
    support = per_category.set_index("code")["support"]
    return wrong.assign(
        share=wrong["titles"] / wrong["truth"].map(support),
        truth_path=[_label(code, paths) for code in wrong["truth"]],
        predicted_path=[_label(code, paths) for code in wrong["predicted"]],
    )


def _notice(per_category: pd.DataFrame) -> str:
    if per_category.empty:
        return "The test split has no title, so nothing can be said about this model. Give it more training data."
    if len(per_category) == 1:
        return (
            f"The test split has a single category, {per_category['path'][0]}: the figures say nothing about telling "
            "categories apart."
        )
    return ""


def _label(code: str, paths: Mapping[str, tuple[str, ...]]) -> str:
    if code == NO_PREDICTION:
        return "(no prediction)"
    return " > ".join(paths[code]) or code
