"""Metrics of predictions against the truth (spec step 6).

Belongs here: numbers and tables. Does not: pictures (`plots`), files and prose (`report`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from coupang_assets.classifiers.protocol import Prediction
from coupang_assets.errors import CoupangAssetsError

# Stands in for a predicted code where a classifier gave none; no code is empty.
NO_PREDICTION = ""
_MOST_CONFUSED = 50


@dataclass(frozen=True)
class Evaluation:
    """What a classifier did on a set of titles. A title without a prediction counts as wrong everywhere.

    All figures are shares from 0 to 1, and None where there is no title to measure.

    Attributes:
        titles: titles judged.
        categories: categories the titles truly have.
        accuracy: titles whose best prediction is the true category.
        top3_accuracy: titles whose true category is among the best three.
        level1_accuracy: titles whose best prediction lies under the true top category.
        macro_f1: F1 averaged over the true categories, each the same weight.
        weighted_f1: the same, weighted by titles.
        coverage: titles that got any prediction.
        per_category: code, path, support, precision, recall, f1; one row a true category, most titles first.
        confusion: truth, predicted, titles; one row a pair that occurs, by code, NO_PREDICTION included.
        most_confused: truth, predicted, titles, share (of the true category's titles), truth_path, predicted_path;
            wrong pairs only, most titles first, at most 50.
        names: code to its path of names, top first, of every code above.
        notice: what a reader must know before using the figures (no title, only one category), or empty.
    """

    titles: int
    categories: int
    accuracy: float | None
    top3_accuracy: float | None
    level1_accuracy: float | None
    macro_f1: float | None
    weighted_f1: float | None
    coverage: float | None
    per_category: pd.DataFrame
    confusion: pd.DataFrame
    most_confused: pd.DataFrame
    names: Mapping[str, tuple[str, ...]]
    notice: str

    def figures(self) -> dict[str, int | float | None]:
        """The single numbers, by name."""
        return {
            "titles": self.titles,
            "categories": self.categories,
            "accuracy": self.accuracy,
            "top3_accuracy": self.top3_accuracy,
            "level1_accuracy": self.level1_accuracy,
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "coverage": self.coverage,
        }

    def label(self, code: str) -> str:
        """A code as a reader knows it: its path of names, or the code where it has none."""
        return _label(code, self.names)


def evaluate(
    truth: Sequence[str], predictions: Sequence[Sequence[Prediction]], names: Mapping[str, Sequence[str]]
) -> Evaluation:
    """Judge predictions.

    Args:
        truth: true category code of each title.
        predictions: what `Classifier.predict` gave for the same titles, in the same order.
        names: code to its path of names, top first; codes without an entry are shown as they are, and each is a top
            category of its own.

    Raises:
        CoupangAssetsError: `truth` and `predictions` differ in length.
    """
    if len(truth) != len(predictions):
        raise CoupangAssetsError(
            f"There are {len(truth):,} true categories but {len(predictions):,} predictions.",
            "Predict exactly the titles whose categories are given, in the same order.",
        )
    best = [ranked[0].code if ranked else NO_PREDICTION for ranked in predictions]
    paths = {code: tuple(names.get(code, ())) for code in sorted({*truth, *best} - {NO_PREDICTION})}
    top: dict[str, str | None] = {code: path[0] if path else code for code, path in paths.items()}
    top[NO_PREDICTION] = None
    per_category = _per_category(truth, best, paths)
    confusion = _confusion(truth, best)
    support, f1 = per_category["support"], per_category["f1"]
    return Evaluation(
        titles=len(truth),
        categories=len(per_category),
        accuracy=_share(a == b for a, b in zip(truth, best, strict=True)),
        top3_accuracy=_share(a in [p.code for p in b[:3]] for a, b in zip(truth, predictions, strict=True)),
        level1_accuracy=_share(top[a] == top[b] for a, b in zip(truth, best, strict=True)),
        macro_f1=float(f1.mean()) if len(truth) else None,
        weighted_f1=float((f1 * support).sum() / support.sum()) if len(truth) else None,
        coverage=_share(code != NO_PREDICTION for code in best),
        per_category=per_category,
        confusion=confusion,
        most_confused=_most_confused(confusion, per_category, paths),
        names=paths,
        notice=_notice(per_category),
    )


def _per_category(truth: Sequence[str], best: Sequence[str], paths: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    codes = sorted(set(truth))
    if codes:
        from sklearn.metrics import precision_recall_fscore_support

        # Precision of a category that is never predicted is 0 by convention.
        precision, recall, f1, support = precision_recall_fscore_support(truth, best, labels=codes, zero_division=0)
    else:
        precision = recall = f1 = support = []
    table = pd.DataFrame(
        {
            "code": pd.Series(codes, dtype=object),
            "path": pd.Series([_label(code, paths) for code in codes], dtype=object),
            "support": pd.Series(support, dtype="int64"),
            "precision": pd.Series(precision, dtype="float64"),
            "recall": pd.Series(recall, dtype="float64"),
            "f1": pd.Series(f1, dtype="float64"),
        }
    )
    return table.sort_values(["support", "code"], ascending=[False, True], ignore_index=True)


def _confusion(truth: Sequence[str], best: Sequence[str]) -> pd.DataFrame:
    pairs = pd.DataFrame({"truth": list(truth), "predicted": list(best)}, dtype=object)
    return pairs.groupby(["truth", "predicted"], sort=True).size().rename("titles").reset_index()


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


def _share(hits: Iterable[bool]) -> float | None:
    found = list(hits)
    return sum(found) / len(found) if found else None
