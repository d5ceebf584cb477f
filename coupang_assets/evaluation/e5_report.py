"""How good the e5 model is on products it has not seen: figures, with and without hierarchy, errors, curves.

Belongs here: the report's content and files. Does not: metrics (`metrics`), tables of errors (`error_analysis`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from coupang_assets import charts
from coupang_assets.classifiers.protocol import Classifier
from coupang_assets.evaluation import error_analysis
from coupang_assets.evaluation.metrics import Evaluation, evaluate
from coupang_assets.evaluation.report import markdown_report, write_report
from coupang_assets.files import write_text

_TOP_K = 3
_DIGITS = 6


@dataclass(frozen=True)
class Judged:
    """A model on the test split.

    Attributes:
        predictions: of `error_analysis.predictions_table`.
        flat: the same texts by a model without hierarchy, if one was trained.
        only_model: texts that the model has right and the flat one wrong.
        only_flat: the other way round.
    """

    evaluation: Evaluation
    predictions: pd.DataFrame
    names: Mapping[str, str]
    flat: Evaluation | None = None
    only_model: int = 0
    only_flat: int = 0

    def figures(self) -> dict[str, float | int]:
        """Single numbers by name, rounded."""
        found = {name.replace("_", " "): value for name, value in self.evaluation.figures().items()}
        if self.flat is not None:
            found |= {f"flat {name.replace('_', ' ')}": value for name, value in self.flat.figures().items()}
        return {name: round(value, 4) for name, value in found.items() if value is not None}

    def comparison(self) -> str:
        """Markdown: hierarchy against flat, on the same texts."""
        if self.flat is None:
            return "No flat model was trained to compare with."
        ours, flat = self.evaluation.figures(), self.flat.figures()
        rows = "\n".join(
            f"| {name.replace('_', ' ')} | {_shown(ours[name])} | {_shown(flat[name])} |"
            for name in ("accuracy", "level1_accuracy", "top3_accuracy", "macro_f1", "weighted_f1")
        )
        return (
            f"| | top and leaf together | flat |\n| :--- | ---: | ---: |\n{rows}\n\n"
            f"{self.only_model:,} titles are right only with the hierarchy, {self.only_flat:,} only without; the "
            f"difference is {'' if self.p_value() < 0.05 else 'not '}significant (sign test, p = {self.p_value():.3f})."
        )

    def p_value(self) -> float:
        """Of the exact sign test on the titles that one model has right and the other wrong (McNemar)."""
        from scipy.stats import binomtest

        differing = self.only_model + self.only_flat
        return float(binomtest(self.only_model, differing).pvalue) if differing else 1.0

    def markdown(self) -> str:
        """The report for a person."""
        return f"{markdown_report(self.evaluation)}\n## Hierarchy\n\n{self.comparison()}\n"


def judge(model: Classifier, test: pd.DataFrame, flat: Classifier | None) -> Judged:
    """Predict the test texts and evaluate.

    Args:
        test: ep_title, category4, path.
        flat: a model without hierarchy, trained on the same rows.
    """
    texts, truth = test["ep_title"].tolist(), test["category4"].tolist()
    names = {code: path for code, path in zip(truth, test["path"], strict=True) if isinstance(path, str)}
    paths = {code: tuple(path.split(" > ")) for code, path in names.items()}
    predictions = model.predict(texts, top_k=_TOP_K)
    table = error_analysis.predictions_table(texts, truth, predictions)
    evaluation = evaluate(truth, predictions, paths)
    if flat is None:
        return Judged(evaluation, table, names)
    others = flat.predict(texts, top_k=_TOP_K)
    ours_right = [bool(ranked) and ranked[0].code == code for ranked, code in zip(predictions, truth, strict=True)]
    flat_right = [bool(ranked) and ranked[0].code == code for ranked, code in zip(others, truth, strict=True)]
    pairs = list(zip(ours_right, flat_right, strict=True))
    return Judged(
        evaluation, table, names, evaluate(truth, others, paths), pairs.count((True, False)), pairs.count((False, True))
    )


def write(judged: Judged, folder: Path, before: pd.DataFrame | None) -> None:
    """Write the report's files: those of `write_report`, predictions.csv and errors.md. Same content, same bytes.

    Args:
        before: predictions of the previous model, if there is one.
    """
    write_report(judged.evaluation, folder)
    stored = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    stored["flat"] = None if judged.flat is None else {**judged.flat.figures(), "p_value": judged.p_value()}
    write_text(folder / "report.json", json.dumps(_rounded(stored), ensure_ascii=False, indent=2) + "\n")
    table = judged.predictions.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n")
    write_text(folder / "predictions.csv", table)
    write_text(folder / "errors.md", error_analysis.markdown(judged.predictions, judged.names, before))


def read_predictions(path: Path) -> pd.DataFrame:
    """The predictions.csv of a report."""
    return pd.read_csv(path, dtype={"text": str, "truth": str, "predicted": str}, keep_default_na=False)


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


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value
