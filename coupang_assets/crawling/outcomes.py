"""How asking the shop about one product can end.

Belongs here: the words the journal, the spider and the reports share. Does not: deciding which one applies
(`parsers.py` for pages, `spider.py` for requests).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The end of one attempt, as written in the journal."""

    NAMED = "named"
    """The page gave category names."""
    OFF_SALE = "off_sale"
    """The shop answered that the product is no longer sold."""
    NO_BREADCRUMB = "no_breadcrumb"
    """A product page, but no source on it names a category."""
    REFUSED = "refused"
    """The shop declined to answer: 401, 403, 429, an "Access Denied" page, robots.txt."""
    FAILED = "failed"
    """No usable answer: connection, timeout, server error, size limit, redirect to another host, bad product id."""


DEFINITIVE: Final = frozenset({Outcome.NAMED, Outcome.OFF_SALE, Outcome.NO_BREADCRUMB})
"""Outcomes that stay true: a product that has one is not fetched again (unless, without a breadcrumb, the parsers have
learned more since). The others are tried again by a later run."""

NOT_ASKED: Final = "not_asked"
"""Stands in the outcome column of a category without any attempt, because the crawl stopped before its turn."""
