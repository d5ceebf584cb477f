"""How the classifiers that read characters or words see a title.

Belongs here: one normalisation for them. Does not: the tokenizer's, which is stored in its model (`bpe`).
"""

from __future__ import annotations

import unicodedata


def normal(title: str | None) -> str:
    """NFKC, case folded, spaces and what cannot be printed as one space: what the tokenizer does, too."""
    text = unicodedata.normalize("NFKC", title or "").casefold()
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


def says_something(text: str) -> bool:
    """Whether a text has a letter or digit: emoji and signs alone name no product."""
    return any(char.isalnum() for char in text)
