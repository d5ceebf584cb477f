"""An evaluation as files and as Markdown.

Belongs here: what a person or a program reads of an evaluation, and where it is written. Does not: computing it
(`metrics`), drawing it (`plots`), the page (`page`). Nothing here depends on the clock: the same model and titles give
the same files; how long training and predicting took stands in the asset's metadata and the champion record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from coupang_assets.datasets import REPORT_FILES
from coupang_assets.evaluation.metrics import Evaluation
from coupang_assets.evaluation.page import report_page
from coupang_assets.evaluation.plots import accuracy_by_size, confusion_heatmap, reliability_curve
from coupang_assets.evaluation.predictions import held_out_version, write_predictions
from coupang_assets.evaluation.wording import FIGURES, shown
from coupang_assets.files import atomic_file

_DIGITS = 6


def markdown_report(evaluation: Evaluation, max_rows: int = 20) -> str:
    """The figures, the levels, the most confused pairs and the weakest categories as Markdown tables.

    Args:
        max_rows: rows of each of the latter two tables.
    """
    parts = [f"> {evaluation.notice}"] if evaluation.notice else []
    figures = [(FIGURES[name], shown(value)) for name, value in evaluation.figures().items()]
    parts.append(_table(("Figure", "Value"), figures, "lr"))
    if len(evaluation.levels):
        rows = evaluation.levels.itertuples(index=False, name=None)
        heading = ("Level", "Categories", "Accuracy", "Macro F1", "Weighted F1")
        parts += ["### Level by level", _table(heading, rows, "lrrrr")]
    confused = evaluation.most_confused.head(max_rows)
    if len(confused):
        rows = confused[["truth_path", "predicted_path", "titles", "share"]].itertuples(index=False, name=None)
        parts += ["### Most confused", _table(("True", "Taken for", "Titles", "Share"), rows, "llrr")]
    weakest = evaluation.per_category.sort_values(["f1", "support", "code"], ascending=[True, False, True])
    weakest = weakest.head(max_rows)
    if len(weakest):
        columns = ["code", "path", "trained", "support", "accuracy", "accuracy_low", "accuracy_high", "precision", "f1"]
        rows = weakest[columns].itertuples(index=False, name=None)
        heading_text = "### Categories, weakest first"
        if evaluation.categories > max_rows:
            heading_text += f" ({max_rows} of {evaluation.categories:,})"
        header = ("Code", "Category", "Trained", "Titles", "Accuracy", "from", "to", "Precision", "F1")
        parts += [heading_text, _table(header, rows, "llrrrrrrr")]
    return "\n\n".join(parts) + "\n"


def write_report(
    evaluation: Evaluation, predictions: pd.DataFrame, model: Mapping[str, str | int | float], folder: Path
) -> tuple[Path, ...]:
    """Write the report, each file atomically. Same evaluation, predictions and model, same bytes.

    Args:
        predictions: `predicted_table` of the titles that were judged.
        model: what is known of the model, `classifier` and `month` among it; nothing that changes from run to run.
        folder: made if needed.

    Returns:
        `REPORT_FILES` in `folder`: figures, notice, levels and most confused pairs; the page; every category; what was
        said of each title; the pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "model": dict(model),
        "held_out": held_out_version(predictions),
        "notice": evaluation.notice,
        "figures": {name: _rounded(value) for name, value in evaluation.figures().items()},
        "levels": _records(evaluation.levels),
        "most_confused": _records(evaluation.most_confused),
    }
    table = evaluation.per_category.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n")
    pictures = {
        "What is taken for what": confusion_heatmap(evaluation),
        "Accuracy by size of category": accuracy_by_size(evaluation),
        "Reliability of scores": reliability_curve(evaluation),
    }
    write_predictions(predictions, folder / "predictions.parquet")
    files = {
        "report.json": (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode(),
        "report.html": report_page(evaluation, pictures, model).encode(),
        "per_category.csv": table.encode(),
        **dict(zip(("confusion.png", "accuracy_by_size.png", "reliability.png"), pictures.values(), strict=True)),
    }
    for name, data in files.items():
        with atomic_file(folder / name) as file:
            file.write(data)
    return tuple(folder / name for name in REPORT_FILES)


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): _rounded(value) for name, value in row.items()} for row in table.to_dict(orient="records")]


def _table(header: Sequence[str], rows: Iterable[Sequence[object]], align: str) -> str:
    lines = [_line(header), _line([":---" if side == "l" else "---:" for side in align])]
    lines += [_line([_cell(value) for value in row]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    # A name may hold what Markdown would take for a cell's end.
    return shown(value).replace("|", r"\|").replace("\n", " ")


def _rounded(value: object) -> object:
    return round(value, _DIGITS) if isinstance(value, float) else value
