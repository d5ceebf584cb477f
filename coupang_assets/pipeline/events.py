"""Spec step 1: events of the source table as rows of ``raw_dailies``.

Belongs here: which rows and columns, and their cleaning. Does not: where events are read from (``warehouse``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import ibis
import ibis.expr.types as ir

from coupang_assets.datasets import CATEGORY_CODES
from coupang_assets.pipeline.codes import as_text, canonical_code_expr, is_code_expr

# As a pattern: the character itself cannot stand in a statement.
_NUL = r"\x00"


@dataclass(frozen=True)
class EventQuality:
    """What was found and mended in a day's events, in rows."""

    rows: int = 0
    without_product: int = 0
    without_title: int = 0
    without_category4: int = 0
    titles_with_nul: int = 0
    rows_with_code_that_is_no_number: int = 0
    texts_that_are_no_utf8: int = 0

    def __add__(self, other: "EventQuality") -> "EventQuality":
        return EventQuality(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def select_events(source: ir.Table, columns: Mapping[str, str], rt_cd: int) -> ir.Table:
    """The events of one advertiser under the specification's column names, not yet cleaned.

    Args:
        source: the source table or one partition of it.
        columns: names in ``source`` by our names, ``rt_cd`` among them.
        rt_cd: the advertiser code (300 is Coupang).
    """
    names = ("product_id", "ep_title", *CATEGORY_CODES)
    return source.filter(source[columns["rt_cd"]] == rt_cd).select(**{name: source[columns[name]] for name in names})


def clean_events(events: ir.Table) -> ir.Table:
    """Canonical codes, no NUL characters, no empty strings. Every row stays.

    A code that is no number becomes null; :func:`event_quality` counts them.
    """
    return clean_mended(
        events.mutate(
            product_id=_text(events.product_id),
            ep_title=_text(events.ep_title),
            **{name: canonical_code_expr(events[name]) for name in CATEGORY_CODES},
        )
    )


def clean_mended(events: ir.Table) -> ir.Table:
    """What is left to clean of events that came through ``event_batches.mended``."""
    return events.select(
        product_id=_without_point(events.product_id).nullif(""),
        ep_title=events.ep_title.nullif(""),
        **{name: events[name] for name in CATEGORY_CODES},
    )


def event_quality(events: ir.Table) -> EventQuality:
    """Count what :func:`clean_events` finds in selected events, in a pass of its own.

    Where events come in batches, ``event_batches`` counts them as they pass.
    """
    cleaned = clean_events(events)
    counts = ibis.cross_join(
        events.aggregate(
            rows=events.count(),
            titles_with_nul=as_text(events.ep_title).re_search(_NUL).sum(),
            rows_with_code_that_is_no_number=(
                ~ibis.and_(*(is_code_expr(events[name]) for name in CATEGORY_CODES))
            ).sum(),
        ),
        cleaned.aggregate(
            without_product=cleaned.product_id.isnull().sum(),
            without_title=cleaned.ep_title.isnull().sum(),
            without_category4=cleaned.category4.isnull().sum(),
        ),
    )
    row = counts.fill_null(0).execute().iloc[0]
    return EventQuality(**{str(name): int(count) for name, count in row.items()})


def _without_point(text: ir.StringValue) -> ir.StringValue:
    return ibis.ifelse(text.endswith(".0"), text.re_replace(r"\.0\z", ""), text)


def _text(column: ir.Column) -> ir.StringValue:
    text = as_text(column)
    return ibis.ifelse(text.re_search(_NUL), text.re_replace(_NUL, ""), text)
