"""How many titles a second a classifier predicts.

Belongs here: the measurement. Does not: the demand (`requirements`), a benchmark.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from coupang_assets.classifiers.protocol import Classifier, Ranking

# Metadata of a report under which the rate stands.
RATE = "titles per second"
# Of fewer titles the fixed cost of a call is what one would measure.
_TITLES_TIMED = 2000


def timed_ranking(classifier: Classifier, titles: Sequence[str], top_k: int) -> tuple[Ranking, float]:
    """The ranking of `titles`, and the rate in titles/s at which it was made.

    Few titles are predicted again and again until there are enough for a rate; of none it is 0.
    """
    started = time.perf_counter()
    ranking = classifier.rank(titles, top_k)
    seconds, predicted = time.perf_counter() - started, len(titles)
    if 0 < predicted < _TITLES_TIMED:
        repeated = list(titles) * -(-_TITLES_TIMED // predicted)
        started = time.perf_counter()
        classifier.rank(repeated, top_k)
        seconds, predicted = time.perf_counter() - started, len(repeated)
    return ranking, predicted / seconds
