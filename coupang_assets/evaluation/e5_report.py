"""How good the e5 model is on products it has not seen: figures, with and without hierarchy, errors, curves.

Belongs here: the report's content and files. Does not: metrics (`metrics`), tables of errors (`error_analysis`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets import charts
from coupang_assets.classifiers.protocol import CATEGORY, TITLE, Classifier
from coupang_assets.evaluation import error_analysis
from coupang_assets.evaluation.metrics import TOP_K, Evaluation, evaluate
from coupang_assets.evaluation.predictions import PRODUCT, predicted_table
from coupang_assets.evaluation.rate import timed_ranking
from coupang_assets.evaluation.report import markdown_report, write_report
from coupang_assets.evaluation.significance import PairedTest, paired_test
from coupang_assets.evaluation.wording import FIGURES, shown
from coupang_assets.files import write_text

_COMPARED = ("accuracy", "level1_accuracy", "top3_accuracy", "macro_f1", "weighted_f1", "hierarchical_f1")
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Judged:
    """A model on the test split.

    Attributes:
        predictions: of `predictions.predicted_table`.
        titles_per_second: at which they were made.
        names: what a category is called.
        flat: the same texts by a model without hierarchy, if one was trained.
        against_flat: titles that only one of the two has right; first is the model.
    """

    evaluation: Evaluation
    predictions: pd.DataFrame
    titles_per_second: float
    names: Mapping[str, str]
    flat: Evaluation | None = None
    against_flat: PairedTest | None = None

    def figures(self) -> dict[str, float | int]:
        """Single numbers by name, rounded."""
        found = {name.replace("_", " "): value for name, value in self.evaluation.figures().items()}
        if self.flat is not None:
            found |= {f"flat {name.replace('_', ' ')}": value for name, value in self.flat.figures().items()}
        return {name: round(value, 4) for name, value in found.items() if value is not None}

    def comparison(self) -> str:
        """Markdown: hierarchy against flat, on the same texts."""
        if self.flat is None or self.against_flat is None:
            return "No flat model was trained to compare with."
        ours, flat, test = self.evaluation.figures(), self.flat.figures(), self.against_flat
        verdict = "significant" if test.p_value < _SIGNIFICANT else "not significant"
        rows = "\n".join(f"| {FIGURES[name]} | {shown(ours[name])} | {shown(flat[name])} |" for name in _COMPARED)
        return (
            f"| | top and leaf together | flat |\n| :--- | ---: | ---: |\n{rows}\n\n"
            f"{test.only_first:,} titles are right only with the hierarchy, {test.only_second:,} only without; the "
            f"difference is {verdict} (McNemar, p = {test.p_value:.3f})."
        )

    def markdown(self) -> str:
        """The report for a person."""
        return f"{markdown_report(self.evaluation)}\n## Hierarchy\n\n{self.comparison()}\n"


def judge(
    model: Classifier, test: pd.DataFrame, flat: Classifier | None = None, trained: Mapping[str, int] | None = None
) -> Judged:
    """Predict the test texts and evaluate.

    Args:
        test: product_id, ep_title, category4, path.
        flat: a model without hierarchy, trained on the same rows.
        trained: titles of each category that were learned from.
    """
    names = {code: path for code, path in zip(test[CATEGORY], test["path"], strict=True) if isinstance(path, str)}
    evaluation, table, rate = _judged(model, test, names, trained)
    if flat is None:
        return Judged(evaluation, table, rate, names)
    other, others, _ = _judged(flat, test, names, trained)
    against = paired_test(_right(table), _right(others))
    return Judged(evaluation, table, rate, names, other, against)


def write(judged: Judged, model: Mapping[str, str | int | float], folder: Path, before: pd.DataFrame | None) -> None:
    """Write the report's files: those of `write_report`, hierarchy.json and errors.md. Same content, same bytes.

    Args:
        model: what is known of the model; see `write_report`.
        before: predictions of the previous model, if there is one.
    """
    write_report(judged.evaluation, judged.predictions, model, folder)
    compared = {
        "flat": None if judged.flat is None else judged.flat.figures(),
        "paired_test": None if judged.against_flat is None else asdict(judged.against_flat),
    }
    write_text(folder / "hierarchy.json", json.dumps(compared, ensure_ascii=False, indent=2) + "\n")
    write_text(
        folder / "errors.md",
        error_analysis.markdown(judged.predictions, judged.evaluation.reliability, judged.names, before),
    )


def _judged(
    model: Classifier, test: pd.DataFrame, names: Mapping[str, str], trained: Mapping[str, int] | None
) -> tuple[Evaluation, pd.DataFrame, float]:
    ranking, rate = timed_ranking(model, test[TITLE].tolist(), TOP_K)
    paths = {code: tuple(path.split(" > ")) for code, path in names.items()}
    evaluation = evaluate(test[CATEGORY].tolist(), ranking, model.codes, paths, trained)
    return evaluation, predicted_table(test[[PRODUCT, TITLE, CATEGORY]], ranking, model.codes), rate


def _right(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    return (table[CATEGORY] == table[error_analysis.PREDICTED]).to_numpy(dtype=bool)


def curves(epochs: Sequence[Mapping[str, float]]) -> bytes:
    """Validation accuracy and F1 and the training loss by epoch, as a PNG."""
    figure, axes = charts.canvas(8, 4.2)
    numbers = [epoch["epoch"] for epoch in epochs]
    drawn = (("accuracy", charts.ACCENT, "-"), ("f1", charts.INK, "--"))
    for name, colour, style in drawn:
        values = [100 * epoch[name] for epoch in epochs]
        axes.plot(
            numbers, values, style, color=colour, marker="o", label=f"validation {'F1' if name == 'f1' else name}"
        )
    axes.set_ylabel("%", fontproperties=charts.font(10))
    axes.set_xlabel("epoch", fontproperties=charts.font(10))
    axes.set_xticks(numbers)
    axes.grid(color=charts.GRID)
    losses = axes.twinx()
    losses.plot(numbers, [epoch["loss"] for epoch in epochs], ":", color=charts.MUTED, label="training loss")
    losses.set_ylabel("loss", fontproperties=charts.font(10))
    lines = [*axes.get_lines(), *losses.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines], prop=charts.font(9), loc="center right", frameon=False)
    return charts.png(figure)
