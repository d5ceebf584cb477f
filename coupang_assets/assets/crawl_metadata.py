"""What a person sees of a crawl on the asset's page: outcomes as table and chart, what has no name and why.

Belongs here: metadata of the assets of step 3. Does not: any figure's computation (`crawling`, `pipeline`).
"""

import base64
from typing import Any

import dagster as dg
import pandas as pd

from coupang_assets.charts import ACCENT, GRID, INK, MUTED, canvas, font, png
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.runner import CrawlProgress, CrawlSummary
from coupang_assets.crawling.summary import NAME_COLUMNS
from coupang_assets.datasets import CATEGORY_CODES, CATEGORY_NAMES
from coupang_assets.pipeline.recheck import FOUND_NAMES, UNCHANGED
from coupang_assets.storage.metadata import table_metadata

_ROWS = 100
_OUTCOMES = {
    "named": ("named", ACCENT),
    "off_sale": ("off sale", "#9aa7b4"),
    "no_breadcrumb": ("no breadcrumb: not classified", "#9aa7b4"),
    "refused": ("refused by the shop", "#c2410c"),
    "failed": ("failed", "#c2410c"),
    "not_asked": ("not asked", "#c2410c"),
}


def progress_line(progress: CrawlProgress) -> str:
    """One line of the run's log."""
    outcomes = ", ".join(f"{count} {name}" for name, count in progress.outcomes.items())
    return (
        f"{progress.categories_done} of {progress.categories_total} categories, "
        f"{progress.requests} requests, {progress.requests_per_s:.0f} a second; {outcomes or 'no answer yet'}"
    )


def request_metadata(crawled: CrawlSummary) -> dict[str, Any]:
    """How the shop was asked this time."""
    return {
        "requests": crawled.progress.requests,
        "requests per second": round(crawled.progress.requests_per_s, 1),
        "seconds": round(crawled.progress.elapsed_s, 1),
        "stopped early": crawled.stopped or "no",
    }


def names_metadata(table: pd.DataFrame) -> dict[str, Any]:
    """What is known of the categories that needed a name.

    Args:
        table: one row each, as `crawling.summary.summarize` gives it.
    """
    outcomes = table["outcome"].astype(str).value_counts().reindex(list(_OUTCOMES), fill_value=0)
    named = table[table["outcome"] == Outcome.NAMED]
    by_level = pd.DataFrame({"level": range(1, 6), "categories": [named[name].notna().sum() for name in NAME_COLUMNS]})
    sources = named["parser"].astype(str).value_counts().sort_index()
    unnamed = table[table["outcome"] != Outcome.NAMED]
    dissent = table[table["dissent"].notna()]
    return {
        "categories to name": len(table),
        "named": len(named),
        "still without a name": len(unnamed),
        "outcomes": table_metadata(outcomes.rename_axis("outcome").reset_index(name="categories")),
        "outcomes, names by level": _picture(outcomes_chart(outcomes, by_level)),
        "names by level": table_metadata(by_level),
        "names by source": table_metadata(sources.rename_axis("source").reset_index(name="categories")),
        f"without a name{_first(unnamed)}": table_metadata(unnamed[[*CATEGORY_CODES, "outcome", "reason"]].head(_ROWS)),
        "products disagree": len(dissent),
        f"disagreements{_first(dissent)}": disagreements(table),
    }


def disagreements(table: pd.DataFrame) -> dg.MetadataValue:
    """Categories whose products show different names: what was settled on, and what the others say."""
    dissent = table[table["dissent"].notna()].head(_ROWS)
    return table_metadata(
        dissent[list(CATEGORY_CODES)].assign(
            settled_on=_paths(dissent, list(CATEGORY_NAMES)), products=dissent["agreeing"], others=dissent["dissent"]
        )
    )


def recheck_metadata(found: pd.DataFrame, known: int) -> dict[str, Any]:
    """What a re-check found.

    Args:
        found: ``recheck``.
        known: categories with a name, of which ``found`` is a sample.
    """
    counts = found["finding"].astype(str).value_counts().sort_index()
    differing = found[found["finding"] != UNCHANGED].head(_ROWS)
    return {
        "known categories": known,
        "asked again": len(found),
        **{name: int(counts.get(name, 0)) for name in ("unchanged", "renamed", "vanished", "not_answered")},
        "differences": table_metadata(
            differing[[*CATEGORY_CODES, "finding"]].assign(
                known=_paths(differing, list(CATEGORY_NAMES)),
                found=_paths(differing, list(FOUND_NAMES)),
                reason=differing["reason"],
            )
        ),
    }


def outcomes_chart(outcomes: pd.Series, by_level: pd.DataFrame) -> bytes:
    """Bars: categories by outcome, and named categories by the levels their names have.

    Args:
        outcomes: number of categories by outcome.
        by_level: columns level and categories.

    Returns:
        A PNG.
    """
    labels = [_OUTCOMES[str(name)][0] for name in outcomes.index] + [f"depth {level}" for level in by_level["level"]]
    colours = [_OUTCOMES[str(name)][1] for name in outcomes.index] + ["#6aa5d9"] * len(by_level)
    values = [*outcomes.tolist(), *by_level["categories"].tolist()]
    # One empty line between the two groups.
    places = [-n - (1 if n >= len(outcomes) else 0) for n in range(len(values))]
    figure, axes = canvas(8.4, 5.0)
    axes.barh(places, values, color=colours, height=0.72, zorder=3)
    most = max([*values, 1])
    for place, value in zip(places, values, strict=True):
        axes.text(value + most * 0.012, place, f"{value:,}", va="center", fontproperties=font(9), color=INK)
    axes.set_yticks(places, labels)
    axes.set_xlim(0, most * 1.1)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    for text in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
        text.set(fontproperties=font(10), color=INK)
    axes.set_title("Categories by outcome; below, those with a name of each depth", loc="left",
                   fontproperties=font(11, bold=True), color=INK)  # fmt: skip
    axes.set_xlabel("categories", fontproperties=font(9), color=MUTED)
    return png(figure)


def _picture(image: bytes) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![outcomes](data:image/png;base64,{base64.b64encode(image).decode()})")


def _first(rows: pd.DataFrame) -> str:
    return f" (first {_ROWS})" if len(rows) > _ROWS else ""


def _paths(table: pd.DataFrame, columns: list[str]) -> list[str]:
    return [
        " > ".join(name for name in row if isinstance(name, str))
        for row in table[columns].itertuples(index=False, name=None)
    ]
