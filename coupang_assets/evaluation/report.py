"""An evaluation as files and as Markdown.

Belongs here: what a person reads of an evaluation, and where it is written. Does not: computing it (`metrics`), drawing
it (`plots`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from coupang_assets.evaluation.metrics import Evaluation
from coupang_assets.evaluation.plots import accuracy_by_size, confusion_heatmap
from coupang_assets.files import atomic_file

_FIGURES = {
    "titles": "Titles judged",
    "categories": "Categories",
    "accuracy": "Accuracy",
    "top3_accuracy": "Among the best three",
    "level1_accuracy": "Right top category",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "coverage": "Titles with a prediction",
}
_DIGITS = 6


def markdown_report(evaluation: Evaluation, max_rows: int = 20) -> str:
    """The figures, the most confused pairs and the weakest categories as Markdown tables.

    Args:
        max_rows: rows of each of the latter two tables.
    """
    parts = [f"> {evaluation.notice}"] if evaluation.notice else []
    parts.append(
        _table(
            ("Figure", "Value"), [(_FIGURES[name], _shown(value)) for name, value in evaluation.figures().items()], "lr"
        )
    )
    confused = evaluation.most_confused.head(max_rows)
    if len(confused):
        rows = confused[["truth_path", "predicted_path", "titles", "share"]].itertuples(index=False, name=None)
        parts += ["### Most confused", _table(("True", "Taken for", "Titles", "Share"), rows, "llrr")]
    weakest = evaluation.per_category.sort_values(["f1", "support", "code"], ascending=[True, False, True])
    weakest = weakest.head(max_rows)
    if len(weakest):
        columns = ["code", "path", "support", "precision", "recall", "f1"]
        rows = weakest[columns].itertuples(index=False, name=None)
        heading = "### Categories, weakest first"
        if evaluation.categories > max_rows:
            heading += f" ({max_rows} of {evaluation.categories:,})"
        parts += [heading, _table(("Code", "Category", "Titles", "Precision", "Recall", "F1"), rows, "llrrrr")]
    return "\n\n".join(parts) + "\n"


def write_report(evaluation: Evaluation, folder: Path) -> tuple[Path, ...]:
    """Write the report, each file atomically. Same evaluation, same bytes.

    Returns:
        report.json (figures, notice, most confused pairs), per_category.csv, confusion.png and accuracy_by_size.png in
        `folder`, which is made if needed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "notice": evaluation.notice,
        "figures": {name: _rounded(value) for name, value in evaluation.figures().items()},
        "most_confused": [
            {name: _rounded(value) for name, value in row.items()}
            for row in evaluation.most_confused.to_dict(orient="records")
        ],
    }
    table = evaluation.per_category.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n")
    files = {
        "report.json": (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode(),
        "per_category.csv": table.encode(),
        "confusion.png": confusion_heatmap(evaluation),
        "accuracy_by_size.png": accuracy_by_size(evaluation),
    }
    for name, data in files.items():
        with atomic_file(folder / name) as file:
            file.write(data)
    return tuple(folder / name for name in files)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]], align: str) -> str:
    lines = [_line(header), _line([":---" if side == "l" else "---:" for side in align])]
    lines += [_line([_shown(value) for value in row]) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    # A name may hold what Markdown would take for a cell's end.
    return str(value).replace("|", r"\|").replace("\n", " ")


def _rounded(value: object) -> object:
    return round(value, _DIGITS) if isinstance(value, float) else value
