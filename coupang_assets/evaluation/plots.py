"""Pictures of an evaluation, as PNG bytes.

Belongs here: drawing. Does not: computing figures (`metrics`), writing files (`report`).

Figures are drawn with Matplotlib's object-oriented interface and a Korean font passed to every text, so that nothing of
the process' Matplotlib settings is read for it or changed, and labels show on machines without a Korean font.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from coupang_assets.charts import canvas as _canvas
from coupang_assets.charts import font as _font
from coupang_assets.charts import png as _png
from coupang_assets.evaluation.metrics import NO_PREDICTION, Evaluation

_INK, _MUTED, _GRID, _ACCENT = "#1f2933", "#66727f", "#dde3ea", "#1d5fa8"
_OTHERS = "(other categories)"
_NONE = "(no prediction)"
_LABEL_CHARACTERS = 22
# Up to here the cells are large enough for numbers.
_WRITTEN_CELLS = 40


def confusion_heatmap(evaluation: Evaluation, max_categories: int = 40) -> bytes:
    """Which categories are taken for which: rows true, columns predicted, each row in percent of its titles.

    Up to `max_categories` are shown one by one, neighbours in the tree side by side and top categories set apart by a
    line. Beyond that they are grouped by top category; if there is only one, or still too many, the largest are
    shown and the rest together.

    Returns:
        A PNG; one that says so, if there is no title.
    """
    if not evaluation.titles:
        return _statement(evaluation.notice)
    grid = _grid(evaluation, max_categories)
    rows, columns = grid.titles.shape
    share = 100 * grid.titles / grid.titles.sum(axis=1, keepdims=True)

    cell = min(max(5 / rows, 0.34), 1.1)
    width, height = max(8.0, 4.2 + cell * columns), max(5.0, 3.2 + cell * rows)
    figure, axes = _canvas(width, height)
    mesh = axes.imshow(share, cmap=_blues(), vmin=0, vmax=100, aspect="equal", interpolation="nearest")
    size = 9 if rows <= _WRITTEN_CELLS else 6
    axes.set_xticks(range(columns), grid.columns, rotation=50, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(rows), [f"{name}  ({int(n):,})" for name, n in zip(grid.rows, grid.titles.sum(axis=1), strict=True)]
    )
    _style_ticks(axes, size)
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for border in grid.borders:
        axes.axhline(border - 0.5, color=_MUTED, linewidth=0.9)
        axes.axvline(border - 0.5, color=_MUTED, linewidth=0.9)
    if rows <= _WRITTEN_CELLS:
        for row, column in zip(*np.nonzero(share >= 1), strict=True):
            value = share[row, column]
            axes.text(
                column, row, f"{value:.0f}", ha="center", va="center", fontproperties=_font(size - 1),
                color="white" if value > 55 else _INK,
            )  # fmt: skip
    _axis_titles(axes, "Predicted category", "True category  (test titles)")
    _title(
        axes,
        f"What is taken for what: {evaluation.categories:,} categories, {evaluation.titles:,} test titles",
        f"accuracy {evaluation.accuracy:.1%}, macro F1 {evaluation.summary['macro_f1']:.3f}. {grid.what}",
    )
    bar = figure.colorbar(mesh, ax=axes, fraction=0.035, pad=0.02, shrink=0.75)
    bar.set_label("share of the true category's titles (%)", fontproperties=_font(10), color=_INK)
    bar.outline.set_visible(False)
    for text in bar.ax.get_yticklabels():
        text.set(fontproperties=_font(9), color=_MUTED)
    return _png(figure)


def accuracy_by_size(evaluation: Evaluation) -> bytes:
    """Accuracy of each true category against its number of test titles, with the five largest losses named.

    Returns:
        A PNG; one that says so, if there is no title.
    """
    if not evaluation.titles or evaluation.accuracy is None:
        return _statement(evaluation.notice)
    table = evaluation.per_category
    figure, axes = _canvas(9.5, 5.6)
    axes.scatter(table["support"], 100 * table["accuracy"], s=44, color=_ACCENT, alpha=0.65, linewidths=0, zorder=3)
    axes.axhline(100 * evaluation.accuracy, color=_MUTED, linewidth=1, linestyle=(0, (5, 4)))
    axes.annotate(
        f"all titles {evaluation.accuracy:.1%}", (1, 100 * evaluation.accuracy), xycoords=("axes fraction", "data"),
        xytext=(0, 4), textcoords="offset points", ha="right", fontproperties=_font(9), color=_MUTED,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(table["support"].min() / 1.3, table["support"].max() * 1.6)
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low > 10 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = [int(step * 10**power) for power in range(8) for step in steps]
    ticks = sorted({n for n in ticks if low <= n <= high})
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.minorticks_off()
    axes.set_ylim(-4, 104)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    losses = table.assign(lost=table["support"] - table["support"] * table["accuracy"])
    losses = losses[losses["lost"] > 0].sort_values(["lost", "code"], ascending=[False, True]).head(5)
    points = zip(losses["path"].tolist(), losses["support"].tolist(), losses["accuracy"].tolist(), strict=True)
    for path, titles, accuracy in points:
        axes.annotate(
            _short(path.split(" > ")[-1]), (titles, 100 * accuracy), xytext=(7, -3), textcoords="offset points",
            fontproperties=_font(9), color=_INK, zorder=4,
        )  # fmt: skip
    _style_ticks(axes, 9)
    _axis_titles(axes, "Test titles of the category (logarithmic)", "Titles classified correctly (%)")
    _title(axes, "Accuracy by size of category", "One dot a category; named are the five that lose most titles.")
    return _png(figure)


def reliability_curve(evaluation: Evaluation) -> bytes:
    """What scores promise against what they keep, one dot a bin, its area the bin's titles.

    Returns:
        A PNG; one that says so, if there is no title.
    """
    error = evaluation.summary["calibration_error"]
    if error is None:
        return _statement(evaluation.notice)
    bins = evaluation.reliability
    figure, axes = _canvas(6.4, 5.6)
    axes.plot([0, 100], [0, 100], color=_MUTED, linewidth=1, linestyle=(0, (5, 4)), zorder=2)
    confidence, kept = 100 * bins["confidence"], 100 * bins["accuracy"]
    axes.vlines(confidence, confidence, kept, color=_ACCENT, linewidth=1, alpha=0.5, zorder=2)
    axes.plot(confidence, kept, color=_ACCENT, linewidth=1.4, zorder=3)
    axes.scatter(
        confidence, kept, s=24 + 400 * bins["titles"] / evaluation.titles, color=_ACCENT, alpha=0.65, linewidths=0,
        zorder=4,
    )  # fmt: skip
    axes.set_xlim(-2, 102)
    axes.set_ylim(-2, 102)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _style_ticks(axes, 9)
    _axis_titles(axes, "Mean score of the best prediction (%)", "Titles classified correctly (%)")
    _title(axes, "Do scores keep what they promise?", f"Calibration error {error:.3f}; on the broken line it is 0.")
    return _png(figure)


@dataclass(frozen=True)
class _Grid:
    """A confusion table ready to draw: labels of rows and columns, positions where a top category ends."""

    titles: npt.NDArray[np.float64]
    rows: list[str]
    columns: list[str]
    borders: list[int]
    what: str


def _grid(evaluation: Evaluation, max_categories: int) -> _Grid:
    """Map codes to at most `max_categories` groups, in tree order, and add up the confusion."""
    paths = evaluation.names
    table = evaluation.per_category
    support: dict[str, int] = dict(zip(table["code"].tolist(), table["support"].tolist(), strict=True))
    group = {code: code for code in paths}
    order = sorted(support, key=lambda code: (paths[code], code))
    what = "Each row in percent of its titles."
    if len(support) > max_categories:
        tops = {code: path[0] if path else code for code, path in paths.items()}
        size: dict[str, int] = {}
        for code, number in support.items():
            size[tops[code]] = size.get(tops[code], 0) + number
        if len(size) > 1:
            group, what = tops, f"Grouped into {len(size):,} top categories, each row in percent of its titles."
        else:
            size = support
        order = sorted(size, key=lambda name: (-size[name], name))
        if len(order) > max_categories:
            order = order[: max(1, max_categories - 1)]
            what = f"The {len(order):,} largest {'top ' if group is tops else ''}categories, the rest together."
    position = {name: index for index, name in enumerate(order)}
    others = len(order)
    truth = [position.get(group[code], others) for code in evaluation.confusion["truth"]]
    predicted = [
        others + 1 if code == NO_PREDICTION else position.get(group[code], others)
        for code in evaluation.confusion["predicted"]
    ]
    titles = np.zeros((others + 1, others + 2))
    np.add.at(titles, (truth, predicted), evaluation.confusion["titles"].to_numpy())

    labels = [_short(paths[name][-1] if paths.get(name) else name) for name in order]
    tops_in_order = [paths[name][0] if paths.get(name) else name for name in order]
    borders = [i for i, (a, b) in enumerate(pairwise(tops_in_order), 1) if a != b]
    shown_rows = np.append(np.full(others, True), titles[-1].sum() > 0)
    shown_columns = np.append(np.full(others, True), [titles[:, -2].sum() > 0, titles[:, -1].sum() > 0])
    return _Grid(
        titles=titles[shown_rows][:, shown_columns],
        rows=[name for name, shown in zip([*labels, _OTHERS], shown_rows, strict=True) if shown],
        columns=[name for name, shown in zip([*labels, _OTHERS, _NONE], shown_columns, strict=True) if shown],
        borders=borders if len(borders) < others - 1 else [],
        what=what,
    )


def _statement(text: str) -> bytes:
    figure, axes = _canvas(8, 2.2)
    axes.axis("off")
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True, fontproperties=_font(12), color=_INK)
    return _png(figure)


def _blues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("share", ["#f5f8fb", "#c4daf0", "#6aa5d9", "#1d5fa8", "#0b2f5e"])


def _title(axes: Any, title: str, subtitle: str) -> None:
    axes.set_title(f"{subtitle}\n", loc="left", fontproperties=_font(10), color=_MUTED, linespacing=0.5)
    axes.annotate(
        title, (0, 1), xycoords="axes fraction", xytext=(0, 26), textcoords="offset points",
        fontproperties=_font(14, bold=True), color=_INK,
    )  # fmt: skip


def _axis_titles(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x, fontproperties=_font(11), color=_INK, labelpad=8)
    axes.set_ylabel(y, fontproperties=_font(11), color=_INK, labelpad=8)


def _style_ticks(axes: Any, size: float) -> None:
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        text.set(fontproperties=_font(size), color=_INK)


def _short(name: str) -> str:
    return name if len(name) <= _LABEL_CHARACTERS else f"{name[: _LABEL_CHARACTERS - 1]}…"
