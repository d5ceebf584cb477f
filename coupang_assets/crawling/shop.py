"""The shop as the graph sees it: something that can be opened for a month and asked.

Belongs here: the interface, and the real shop. Does not: the sample's loopback shop (``sample``).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from coupang_assets.crawling.options import CrawlOptions


class Shop(Protocol):
    """Opens the shop."""

    def open(self, month: str) -> AbstractContextManager[CrawlOptions]:
        """How the shop is asked while the block runs.

        Args:
            month: work month the names are for; a real shop shows today's.
        """
        ...

    def describe(self) -> str:
        """What and where it is, for people."""
        ...


class RealShop:
    """A shop that is there by itself."""

    def __init__(self, options: CrawlOptions) -> None:
        self._options = options

    @contextmanager
    def open(self, month: str) -> Iterator[CrawlOptions]:
        yield self._options

    def describe(self) -> str:
        return self._options.base_url
