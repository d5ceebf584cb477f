"""The notebook's way to a biterm model: words, percents by counting, Python loops. The baseline of `classifiers`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

Key = tuple[str, str]


def keys_of(title: str) -> Iterator[Key]:
    """Words and unordered pairs of words of a title, each once."""
    words = sorted(set(title.split()))
    for word in words:
        yield word, ""
    yield from combinations(words, 2)


def learn(titles: Sequence[str], codes: Sequence[str]) -> dict[Key, dict[str, float]]:
    """Share of each category among the titles with a key."""
    counts: dict[Key, Counter[str]] = defaultdict(Counter)
    for title, code in zip(titles, codes, strict=True):
        for key in keys_of(title):
            counts[key][code] += 1
    percents: dict[Key, dict[str, float]] = {}
    for key, of_key in counts.items():
        total = sum(of_key.values())
        percents[key] = {code: count / total for code, count in of_key.items()}
    return percents


def predict(percents: dict[Key, dict[str, float]], titles: Sequence[str]) -> list[str]:
    """The category with the largest sum of percents; an empty string where no key is known."""
    found = []
    for title in titles:
        scores: Counter[str] = Counter()
        for key in keys_of(title):
            for code, percent in percents.get(key, {}).items():
                scores[code] += percent
        found.append(max(scores, key=lambda code: (scores[code], code)) if scores else "")
    return found
