"""A world: which categories a shop has in which month, and which products are in them.

Belongs here: the two tables, their files and their state in a work month. Does not: how a world comes to be
(`generate.py`, `real_input.py`) or what is derived from it (`events.py`, `shop.py`).

Months in the tables are work months (`YYYY_MM`). The events of a work month are those of the calendar month before it,
so a category with `first_month` 2024_05 is first seen in the events of April 2024.
"""

import datetime as dt
import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_path

CODE_COLUMNS = ("category1", "category2", "category3", "category4")
NAME_COLUMNS = ("cate1_name", "cate2_name", "cate3_name", "cate4_name", "cate5_name")
CATEGORY_COLUMNS = (
    "leaf_id",
    *CODE_COLUMNS,
    *NAME_COLUMNS,
    "kind",
    "first_month",
    "last_month",
    "rename_month",
    "renamed_cate4_name",
)
PRODUCT_SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("leaf_id", pa.string()),
        ("weight", pa.float64()),
        ("layout", pa.string()),
        ("page", pa.string()),
        ("campaign", pa.string()),
    ]
)
MAX_CODE = 9999

_CATEGORIES, _PRODUCTS, _MANIFEST = "categories.csv", "products.parquet", "world.json"
_FORMAT = 1
_MONTH = re.compile(r"(\d{4})_(0[1-9]|1[0-2])")

Kind = Literal["generated", "real"]


def shift_month(month: str, by: int) -> str:
    """The work month `by` months after `month`; negative goes back.

    Raises:
        CoupangAssetsError: `month` is not of the form YYYY_MM.
    """
    found = _MONTH.fullmatch(month)
    if not found:
        raise CoupangAssetsError(f"{month!r} is no work month", "write it as YYYY_MM, for example 2024_05")
    count = int(found[1]) * 12 + int(found[2]) - 1 + by
    return f"{count // 12:04d}_{count % 12 + 1:02d}"


def work_month_of(day: dt.date) -> str:
    """The work month that uses the events of `day`: the calendar month after it (spec step 1)."""
    return shift_month(f"{day.year:04d}_{day.month:02d}", 1)


@dataclass(frozen=True)
class World:
    """The categories and products of one shop over all its months.

    Attributes:
        categories: one row a leaf, `CATEGORY_COLUMNS`, all strings, missing values None. `kind` is `normal`,
            `special` (its pages show no category at all) or `shallow` (its pages show three names, so the category4
            code has no name). `first_month` and `last_month` are inclusive, None where it has always been or never
            ends. From `rename_month` on the fourth name is `renamed_cate4_name`.
        products: one row a product, `PRODUCT_SCHEMA`. `weight` is its share of traffic, relative; `layout` is `2025`
            or `legacy`; `page` is `ok`, `off_sale`, `no_breadcrumb` or `refused_once` (the first request is refused);
            `campaign` is the name shown above the true top category, mostly None.
        kind: how it was made.
        options: what it was made from, for the manifest; JSON values only.
    """

    categories: pd.DataFrame
    products: pd.DataFrame
    kind: Kind = "generated"
    options: Mapping[str, Any] = field(default_factory=dict)

    def categories_in(self, work_month: str | None) -> pd.DataFrame:
        """The categories present in a work month, `cate4_name` as of that month.

        None is the latest state: nothing has yet to come, nothing that ended is left, every rename has happened.
        """
        table = self.categories_named(work_month)
        if work_month is None:
            return table[table["last_month"].isna()].reset_index(drop=True)
        begun = table["first_month"].fillna("") <= work_month
        going_on = table["last_month"].fillna("9999_12") >= work_month
        return table[begun & going_on].reset_index(drop=True)

    def categories_named(self, work_month: str | None) -> pd.DataFrame:
        """All categories of all months, `cate4_name` as of a work month (None: the latest names)."""
        if work_month is not None:
            shift_month(work_month, 0)
        table = self.categories.copy()
        renamed = table["rename_month"].notna()
        if work_month is not None:
            renamed &= table["rename_month"].fillna("9999_12") <= work_month
        table["cate4_name"] = table["cate4_name"].mask(renamed, table["renamed_cate4_name"])
        return table

    def save(self, folder: Path) -> None:
        """Write `categories.csv`, `products.parquet` and, last, the manifest `world.json` with their checksums.

        The same world gives the same bytes. Until the manifest is there the folder holds no world, so an
        interrupted save is never taken for one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MANIFEST).unlink(missing_ok=True)
        contents = {
            _CATEGORIES: self.categories.to_csv(index=False, lineterminator="\n").encode(),
            _PRODUCTS: _parquet_bytes(self.products),
        }
        manifest = {
            "format": _FORMAT,
            "kind": self.kind,
            "options": dict(self.options),
            "rows": {_CATEGORIES: len(self.categories), _PRODUCTS: len(self.products)},
            "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
        }
        contents[_MANIFEST] = (json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
        for name, content in contents.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(content)

    @classmethod
    def load(cls, folder: Path) -> "World":
        """Read a saved world.

        Raises:
            CoupangAssetsError: there is none, or a file is missing, damaged or of another format.
        """
        manifest = _read_manifest(folder)
        contents = {}
        for name, expected in manifest["sha256"].items():
            try:
                contents[name] = (folder / name).read_bytes()
            except OSError as error:
                raise _damaged(folder, f"{name} cannot be read ({error.strerror})") from error
            if hashlib.sha256(contents[name]).hexdigest() != expected:
                raise _damaged(folder, f"{name} is not the file that was saved (its SHA-256 differs)")
        categories = pd.read_csv(io.BytesIO(contents[_CATEGORIES]), dtype=str, keep_default_na=False, na_values=[""])
        products = pq.read_table(io.BytesIO(contents[_PRODUCTS])).to_pandas()
        return cls(
            categories=categories.astype(object).replace({np.nan: None}),
            products=products,
            kind=manifest["kind"],
            options=manifest["options"],
        )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a world was completely saved in the folder."""
        return (folder / _MANIFEST).is_file()


def _parquet_bytes(products: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(products, schema=PRODUCT_SCHEMA, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        raise CoupangAssetsError(f"{folder} holds no complete sample world ({_MANIFEST} is missing)", _REMEDY)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = manifest["format"] == _FORMAT and manifest["kind"] in ("generated", "real")
        complete = set(manifest["sha256"]) == {_CATEGORIES, _PRODUCTS} and isinstance(manifest["options"], dict)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(folder, f"{_MANIFEST} cannot be understood") from error
    if not (known and complete):
        raise _damaged(folder, f"{_MANIFEST} is of another format than {_FORMAT}")
    return manifest


_REMEDY = "remove the folder: a generated world is made anew on next use, one of given files by building it again"


def _damaged(folder: Path, what: str) -> CoupangAssetsError:
    return CoupangAssetsError(f"the sample world in {folder} is damaged: {what}", _REMEDY)
