"""Korean product titles as sellers write them.

Belongs here: what a title is made of and how often. Does not: the words (`taxonomy.txt`) or which product gets which.

A title is learnable but not trivial: most name what they sell, some only hint at it with words that sibling
categories share, some stuff a sibling's noun in as a second keyword.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_PREFIXES = ("[로켓배송]", "[1+1]", "(특가)", "[공식]", "[당일출고]", "[국내배송]", "★무료배송★", "[정품]")
_EMOJI = ("🔥", "⭐", "💕", "✅", "🎁", "🌿")
_TAILS = ("선물추천", "인기상품", "가성비", "신상품", "당일배송", "사은품증정", "후기좋은", "베스트", "할인", "추천")
_LETTERS = "ABCDEFGHJKLMNPRSTUVWX"
_DRAWS = 30


@dataclass(frozen=True)
class Vocabulary:
    """What the titles of one leaf draw from. `models` is the share of titles that carry a model number."""

    brands: Sequence[str]
    words: Sequence[str]
    units: Sequence[str]
    options: Sequence[str]
    group_words: Sequence[str]
    nouns: Sequence[str]
    generic_nouns: Sequence[str]
    sibling_nouns: Sequence[str]
    qualifier: str | None
    models: float


def write_titles(vocabulary: Vocabulary, count: int, rng: np.random.Generator) -> list[str]:
    """`count` titles; about one in a hundred is the same as an earlier one, as when two sellers list one article."""
    titles: list[str] = []
    for draws in rng.random((count, _DRAWS)).tolist():
        if titles and draws[-1] < 0.012:
            titles.append(_pick(titles, draws[-2]))
        else:
            titles.append(_title(vocabulary, draws))
    return titles


def _pick(words: Sequence[str], draw: float) -> str:
    return words[int(draw * len(words))]


def _model_number(draws: Sequence[float]) -> str:
    letters = "".join(_pick(_LETTERS, draw) for draw in draws[: 2 + (draws[5] < 0.4)])
    digits = str(int(10 + draws[3] * 90)) if draws[5] < 0.55 else str(int(100 + draws[3] * 9900))
    tail = _pick(_LETTERS, draws[4]) + _pick(_LETTERS, draws[2]) if draws[6] < 0.35 else ""
    return letters + ("-" if draws[6] > 0.75 else "") + digits + tail


def _title(vocabulary: Vocabulary, draws: list[float]) -> str:
    d = draws
    own = _pick(vocabulary.nouns, d[0])
    if d[1] < 0.86:
        noun = own
    elif d[1] < 0.90 and vocabulary.sibling_nouns:
        noun = _pick(vocabulary.sibling_nouns, d[2])
    else:
        noun = _pick(vocabulary.generic_nouns, d[2])
    before = [_pick(vocabulary.words, d[3])] if d[4] < 0.62 else []
    if vocabulary.group_words and d[5] < 0.5:
        before.append(_pick(vocabulary.group_words, d[6]))
    if vocabulary.qualifier and d[7] < 0.85:
        before.append(vocabulary.qualifier)
    after = []
    if vocabulary.group_words and d[8] < 0.22:
        after.append(_pick(vocabulary.group_words, d[9]))
    if vocabulary.sibling_nouns and d[10] < 0.07:
        after.append(_pick(vocabulary.sibling_nouns, d[11]))
    if d[12] < 0.18:
        after.append(_pick(_TAILS, d[12] / 0.18))
    if d[13] < vocabulary.models:
        before.insert(0, _model_number(d[14:21])) if d[14] < 0.5 else after.append(_model_number(d[14:21]))
    elif d[13] > 0.97:
        after.append(f"({_pick(vocabulary.words, d[14])})")
    head = [_pick(vocabulary.brands, d[21])] if d[22] < 0.88 else []
    text = " ".join(dict.fromkeys([*head, *before, noun, *after]))
    if d[23] < 0.12:
        text = f"{_pick(_PREFIXES, d[23] / 0.12)} {text}"
    return _oddity(text + _choices(vocabulary, d[24], d[25], d[26]), vocabulary, d[27])


def _choices(vocabulary: Vocabulary, unit_draw: float, option_draw: float, form: float) -> str:
    """What a shop appends of the chosen variant: `, 500ml, 2개`."""
    parts = []
    if form < 0.62:
        parts.append(_pick(vocabulary.units, unit_draw))
    if 0.25 < form < 0.9:
        parts.append(_pick(vocabulary.options, option_draw))
    if form > 0.98:
        parts = [f"{_pick(vocabulary.options, unit_draw)}/{_pick(vocabulary.options, option_draw)}"]
    if form < 0.03:
        return " " + "x".join(parts)
    return "".join(f", {part}" for part in parts)


def _oddity(text: str, vocabulary: Vocabulary, draw: float) -> str:
    """The one title in fifty that breaks a careless reader: emoji, line breaks, markup, quotes, great length."""
    if draw < 0.006:
        return f"{_pick(_EMOJI, draw / 0.006)}{text}"
    if draw < 0.009:
        return text.replace(" ", "\n", 1)
    if draw < 0.013:
        return f'{text}, "{_pick(vocabulary.words, (draw - 0.009) / 0.004)}"'
    if draw < 0.016:
        return f"<{_pick(vocabulary.words, (draw - 0.013) / 0.003)}> {text} & 사은품"
    if draw < 0.0175:
        keywords = [*vocabulary.nouns, *vocabulary.group_words, *vocabulary.words, *_TAILS]
        return f"{text} " + " ".join(keywords * 5)
    return text
