"""How figures are called and written wherever a person reads them.

Belongs here: words and number formats. Does not: tables and pages.
"""

from __future__ import annotations

FIGURES = {
    "titles": "Titles judged",
    "categories": "Categories",
    "accuracy": "Accuracy",
    "accuracy_low": "Accuracy, 95 % interval from",
    "accuracy_high": "Accuracy, 95 % interval to",
    "top3_accuracy": "Among the best three",
    "top5_accuracy": "Among the best five",
    "level1_accuracy": "Right top category",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "hierarchical_precision": "Hierarchical precision",
    "hierarchical_recall": "Hierarchical recall",
    "hierarchical_f1": "Hierarchical F1",
    "calibration_error": "Calibration error (15 bins)",
    "coverage": "Titles with a prediction",
    "coverage_at_95_precision": "Titles decided at 95 % precision",
    "threshold_at_95_precision": "Least score for that",
}


def shown(value: object) -> str:
    """A value as a person reads it; an en dash where there is none."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
