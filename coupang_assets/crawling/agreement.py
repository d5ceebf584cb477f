"""What the answers of several products amount to for their category.

Belongs here: which answer of a product counts, and the majority of names. Does not: the journal's form (`journal.py`),
tables (`summary.py`).

The rule: names that most products give are the category's; of equally many, those of the candidate tried first. Once a
re-check was taken over, only answers since it began count.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from coupang_assets.crawling.journal import Attempt
from coupang_assets.crawling.outcomes import Outcome

Names = tuple[str, ...]


@dataclass(slots=True)
class CategoryAnswers:
    """The attempts of one category; they may be added in any order.

    Attributes:
        attempts: how many were added.
        since: when the latest re-check began that was taken over, ISO 8601; empty without one.
        by_product: the attempt that counts for each product: its last one, except that names once found are not lost
            to a later attempt without.
    """

    attempts: int = 0
    since: str = ""
    by_product: dict[str, Attempt] = field(default_factory=dict)

    def add(self, attempt: Attempt) -> None:
        self.attempts += 1
        self.since = max(self.since, attempt.recheck_began or "")
        before = self.by_product.get(attempt.product_id)
        if before is None or _weight(attempt) >= _weight(before):
            self.by_product[attempt.product_id] = attempt

    def in_order(self) -> list[Attempt]:
        """The attempts that count, in the candidates' order."""
        return sorted(self.by_product.values(), key=lambda attempt: (attempt.rank, attempt.product_id))

    def votes(self) -> Counter[Names]:
        """Number of products by the names they give; the majority is the first of `most_common`."""
        return Counter(attempt.names for attempt in self._naming())

    def telling(self) -> Attempt | None:
        """The first candidate that gives the majority's names; None where no product names the category."""
        votes = self.votes()
        most = max(votes.values(), default=0)
        return next((attempt for attempt in self._naming() if votes[attempt.names] == most), None)

    def _naming(self) -> list[Attempt]:
        return [one for one in self.in_order() if one.outcome is Outcome.NAMED and one.time >= self.since]


def _weight(attempt: Attempt) -> tuple[bool, str]:
    return attempt.outcome is Outcome.NAMED, attempt.time
