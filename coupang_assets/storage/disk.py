"""Whether the disk has room for what is going to be written, asked before it is.

Belongs here: the estimate and the check. Does not: what happens on a disk that fills up all the same (``failures``).
"""

import shutil
from pathlib import Path

from coupang_assets.errors import CoupangAssetsError

# A row of a daily file: a product id, a Korean title of 30 letters, four codes.
_ROW_BYTES = 130
# What the engine spills of it at its worst, which is while the training set is chosen.
_SPILL_BYTES = 190


def month_bytes(events: int) -> int:
    """About what a month of so many events needs: its daily files twice, raw and refined, and the engine's spill."""
    return events * (2 * _ROW_BYTES + _SPILL_BYTES)


def free_bytes(folder: Path) -> int:
    """Free space where a folder is or is going to be."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: int, what: str) -> str:
    """What is free and needed, for people.

    Raises:
        CoupangAssetsError: less is free than needed.
    """
    free = free_bytes(folder)
    said = f"{free / 1e9:,.1f} GB free in {folder}, {what} needs about {needed / 1e9:,.1f} GB"
    if free < needed:
        raise CoupangAssetsError(said, "free disk space, or set COUPANG_ROOT to a larger disk")
    return said
