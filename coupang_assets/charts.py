"""What every picture of this project shares: a canvas, a Korean font, the same bytes for the same picture.

Belongs here: that. Does not: any picture (`evaluation/plots.py`, `assets/crawl_metadata.py`).

Matplotlib's object-oriented interface is used and the font passed to every text, so that nothing of the process'
Matplotlib settings is read or changed, and labels show on machines without a Korean font.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from coupang_assets.errors import CoupangAssetsError

INK, MUTED, GRID, ACCENT = "#1f2933", "#66727f", "#dde3ea", "#1d5fa8"


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of a size in inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def png(figure: Any) -> bytes:
    """The figure as a PNG."""
    target = io.BytesIO()
    # Without Matplotlib's version in it, the same picture has the same bytes.
    figure.savefig(target, format="png", dpi=100, bbox_inches="tight", pad_inches=0.3, metadata={"Software": None})
    return target.getvalue()


def font(size: float, bold: bool = False) -> Any:
    """Nanum Gothic in points.

    Raises:
        CoupangAssetsError: it is not installed.
    """
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(_font_file("NanumGothicBold.ttf" if bold else "NanumGothic.ttf")), size=size)


@cache
def _font_file(name: str) -> Path:
    """A font of koreanize-matplotlib, found without importing it: its import changes Matplotlib's settings."""
    package = importlib.util.find_spec("koreanize_matplotlib")
    folders: Sequence[str] = (package and package.submodule_search_locations) or ()
    for folder in folders:
        file = Path(folder) / "fonts" / name
        if file.exists():
            return file
    raise CoupangAssetsError(
        f"The Korean font {name} is not installed.", "Install it: pip install koreanize-matplotlib"
    )
