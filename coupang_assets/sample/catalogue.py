"""Traffic and page states of products, the same for generated and for given products.

Belongs here: shares and distributions. Does not: names, codes, titles.
"""

import numpy as np
from numpy.typing import NDArray

OFF_SALE, NO_BREADCRUMB, REFUSED_ONCE = 0.08, 0.02, 0.02
LEGACY_LAYOUT = 0.30
CAMPAIGN = 0.04

_CAMPAIGNS = ("쿠팡수입", "쿠팡수입", "선물스토어")
_POPULAR = 5
_SOLD_OUT_RANKS = 20


def category_weight(draw: float) -> float:
    """Traffic of a category relative to the smallest, Pareto with shape 1.1, cut at 60 (`draw` is uniform on 0..1)."""
    return float(min((1.0 - draw) ** (-1 / 1.1), 60.0))


def product_weights(category: float, count: int) -> NDArray[np.float64]:
    """The category's traffic over its products by rank, Zipf with exponent 1.05; sums to `category`."""
    shares = 1.0 / np.arange(1, count + 1, dtype=np.float64) ** 1.05
    return np.asarray(category * shares / shares.sum(), dtype=np.float64)


def page_states(draws: NDArray[np.float64], sold_out: bool = False) -> list[str]:
    """Page state by popularity rank, from uniform draws.

    One of the five most popular is always `ok`, unless `sold_out`: then the twenty most popular are all off sale.
    """
    bounds = np.cumsum([OFF_SALE, NO_BREADCRUMB, REFUSED_ONCE])
    names = np.array(["off_sale", "no_breadcrumb", "refused_once", "ok"])
    states: list[str] = names[np.searchsorted(bounds, draws, side="right")].tolist()
    if sold_out:
        states[:_SOLD_OUT_RANKS] = ["off_sale"] * min(_SOLD_OUT_RANKS, len(states))
    elif "ok" not in states[:_POPULAR]:
        states[0] = "ok"
    return states


def layouts(draws: NDArray[np.float64]) -> list[str]:
    """Page layout of each product, from uniform draws."""
    return ["legacy" if draw < LEGACY_LAYOUT else "2025" for draw in draws.tolist()]


def campaigns(draws: NDArray[np.float64], layout: list[str]) -> list[str | None]:
    """Campaign name of each product, None for most; only pages of the 2025 layout show one."""
    return [
        _CAMPAIGNS[int(draw / CAMPAIGN * len(_CAMPAIGNS))] if draw < CAMPAIGN and form == "2025" else None
        for draw, form in zip(draws.tolist(), layout, strict=True)
    ]
