"""What the model reads of a product.

Belongs here: the one form of a product's text, in training and in use. Does not: tokens (`vocabulary`).
"""

from __future__ import annotations

_SPECIFICATION_CHARACTERS = 300


def product_text(name: str | None, manufacturer: str | None = "", specifications: str | None = "") -> str:
    """`name | manufacturer`, and `| specifications` where given (spec 001, section 2).

    What is empty is left out with its bar, so that a title alone is the same text in training and in use. Of long
    specifications the first 300 characters are read: the model's length is for the name.
    """
    parts = (name, manufacturer, (specifications or "")[:_SPECIFICATION_CHARACTERS])
    text = " | ".join(kept for part in parts if (kept := " ".join((part or "").split())))
    # Half a surrogate pair, as a cut title may end with, is no character.
    return text.encode("utf-8", "ignore").decode("utf-8")
