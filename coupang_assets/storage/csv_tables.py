"""CSV files of the specification to tables and back, with errors that name file, row and column.

Reads what we write, one file or a folder of part files, and what pandas wrote before us: a leading unnamed index
column, a BOM, codes as ``123.0``.
Belongs here: the text format. Does not: where files are (``layout``) or what columns mean (``datasets``).
"""

import csv
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from coupang_assets.datasets import Column, Dataset
from coupang_assets.engines import Engine
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.codes import canonical_code, canonical_code_expr, is_code_expr
from coupang_assets.storage.frame_types import validate_frame
from coupang_assets.storage.part_files import part_files

csv.field_size_limit(sys.maxsize)
_UNNAMED = {"", "Unnamed: 0"}
_NEEDS_QUOTES = re.compile(r'[,"\r\n]')
_DTYPES = {"int64": "Int64", "float64": "float64"}
_INT64 = range(-(2**63), 2**63)


def read_header(dataset: Dataset, path: Path) -> list[str]:
    """Columns of a file in file order, an unnamed index column as ``""``.

    Raises:
        CoupangAssetsError: the file is empty or not UTF-8, columns are missing, unknown or doubled, or parts differ.
    """
    first, *others = (_header_of(dataset, part) for part in part_files(path))
    if odd := [part for part, header in zip(part_files(path)[1:], others, strict=True) if header != first]:
        raise CoupangAssetsError(
            f"{odd[0]} has other columns than the parts before it", f"materialize {dataset.name} again"
        )
    return first


def _header_of(dataset: Dataset, path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, strict=True), None)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CoupangAssetsError(f"{path}: the header cannot be read: {error}", "save the file as UTF-8 CSV") from None
    if not header:
        raise CoupangAssetsError(f"{path} is empty", f"materialize {dataset.name} again")
    header = ["" if index == 0 and name in _UNNAMED else name.strip() for index, name in enumerate(header)]
    named = [name for name in header if name]
    missing = [name for name in dataset.column_names if name not in named]
    unknown = [name for name in named if name not in dataset.column_names]
    problems = [
        text
        for text, columns in (
            ("missing", missing),
            ("unknown", unknown),
            ("doubled", sorted({name for name in named if named.count(name) > 1})),
            ("unnamed beside the first", [str(i + 1) for i, name in enumerate(header) if i and not name]),
        )
        if columns
        for text in [f"{text} columns: {', '.join(columns)}"]
    ]
    if problems:
        raise CoupangAssetsError(
            f"{path}: {'; '.join(problems)}", f"{dataset.name} has the columns {', '.join(dataset.column_names)}"
        )
    return header


def read_frame(dataset: Dataset, path: Path) -> pd.DataFrame:
    """A small table, checked in full: every row has every field, codes are canonical, the schema holds.

    Raises:
        CoupangAssetsError: file, row and column of the first thing that is wrong.
    """
    header = read_header(dataset, path)
    parts = [_read_part(dataset, part, header) for part in part_files(path)]
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    validate_frame(dataset, frame, str(path))
    return frame


def _read_part(dataset: Dataset, path: Path, header: list[str]) -> pd.DataFrame:
    _require_final_newline(dataset, path)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            for row in reader:
                if len(row) != len(header):
                    raise CoupangAssetsError(
                        f"{path}, line {reader.line_num}: {len(row)} fields instead of {len(header)}",
                        f"correct the row, or materialize {dataset.name} again",
                    )
                rows.append(row)
                lines.append(reader.line_num)
    except (UnicodeDecodeError, csv.Error) as error:
        raise CoupangAssetsError(
            f"{path} is torn or not UTF-8 CSV after line {lines[-1] if lines else 1}: {error}",
            f"correct the file, or materialize {dataset.name} again",
        ) from None
    raw = pd.DataFrame(rows, columns=header, dtype=object)
    return pd.DataFrame({column.name: _parse(path, column, raw[column.name], lines) for column in dataset.columns})


def write_frame(dataset: Dataset, frame: pd.DataFrame, path: Path) -> int:
    """Validate a small table and write it in the dataset's order; the number of rows."""
    validate_frame(dataset, frame, dataset.name)
    ordered = frame.loc[:, list(dataset.column_names)].sort_values(
        list(dataset.sort) or list(dataset.column_names), kind="stable", na_position="last"
    )
    # Not DataFrame.to_csv: the csv module of this Python leaves a lone carriage return unquoted, which ends a row.
    fields = [ordered[name].astype(object).map(_field) for name in dataset.column_names]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(dataset.column_names) + "\n")
        file.writelines(",".join(row) + "\n" for row in zip(*fields, strict=True))
    return len(ordered)


def read_table(dataset: Dataset, paths: Sequence[Path], engine: Engine, trusted: bool) -> ir.Table:
    """Large tables as one Ibis expression over the files; those we did not write are scanned and checked first.

    Files with the same header are read as one: what a union holds at once grows with the number of files.

    Raises:
        CoupangAssetsError: file and row of the first thing that is wrong.
    """
    parts: dict[tuple[str, ...], list[Path]] = {}
    for path in paths:
        names = tuple(name or "unnamed_index" for name in read_header(dataset, path))
        parts.setdefault(names, []).extend(part_files(path))
    tables = [_read_parts(dataset, its, names, engine, trusted) for names, its in parts.items()]
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def _read_parts(dataset: Dataset, parts: list[Path], names: Sequence[str], engine: Engine, trusted: bool) -> ir.Table:
    table = engine.read_csv(parts, names).select(list(dataset.column_names))
    if trusted:
        return table.cast({column.name: column.type for column in dataset.columns if column.type != "string"})
    for part in parts:
        _require_final_newline(dataset, part)
        _require_valid_rows(dataset, part, engine.read_csv([part], names).select(list(dataset.column_names)), engine)
    return table.mutate(
        **{name: canonical_code_expr(table[name]) for name in dataset.code_columns},
        **{column.name: table[column.name].cast(column.type) for column in dataset.columns if column.type != "string"},
    )


def write_table(dataset: Dataset, table: ir.Table, path: Path, engine: Engine) -> int:
    """Write a large table in the dataset's order; the number of rows.

    Raises:
        CoupangAssetsError: the expression has other columns than the dataset.
    """
    if set(table.columns) != set(dataset.column_names):
        raise CoupangAssetsError(
            f"{dataset.name} was given the columns {', '.join(table.columns)}",
            f"it has {', '.join(dataset.column_names)}",
        )
    ordered = table.select(list(dataset.column_names)).order_by([ibis.asc(name) for name in dataset.sort])
    return engine.write_csv(ordered, path)


def preview(path: Path, rows: int = 8) -> pd.DataFrame:
    """The first rows of a file, or of the first part of a folder, as text."""
    first, *_ = part_files(path)
    return pd.read_csv(first, dtype=str, keep_default_na=False, nrows=rows, encoding="utf-8-sig")


def _parse(path: Path, column: Column, values: pd.Series, lines: list[int]) -> pd.Series:
    parse: Callable[[str], object]
    if column.code:
        parse = canonical_code
    elif column.type == "int64":
        parse = _integer
    elif column.type == "float64":
        parse = _decimal
    else:
        parse = _text
    parsed = []
    for line, value in zip(lines, values, strict=True):
        try:
            parsed.append(parse(value))
        except ValueError as error:
            raise CoupangAssetsError(
                f"{path}, line {line}, column {column.name}: {error}", "correct the value in the file"
            ) from None
    return pd.Series(parsed, dtype=_DTYPES.get(column.type, object), index=values.index)


def _field(value: object) -> str:
    text = "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def _text(value: str) -> str | None:
    return value or None


def _integer(value: str) -> int | None:
    if not value:
        return None
    try:
        number = int(value.removesuffix(".0"))
    except ValueError:
        raise ValueError(f"'{value}' is no whole number") from None
    if number not in _INT64:
        raise ValueError(f"'{value}' is too large a number")
    return number


def _decimal(value: str) -> float | None:
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"'{value}' is no number") from None


def _require_final_newline(dataset: Dataset, path: Path) -> None:
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            raise CoupangAssetsError(
                f"{path} ends in the middle of a row: it is torn", f"materialize {dataset.name} again"
            )


def _require_valid_rows(dataset: Dataset, path: Path, table: ir.Table, engine: Engine) -> None:
    valid = [is_code_expr(table[column.name]) for column in dataset.columns if column.code]
    valid += [table[column.name].try_cast("int64").notnull() for column in dataset.columns if column.type == "int64"]
    valid += [table[column.name].notnull() for column in dataset.columns if not column.nullable]
    checked = table.mutate(valid=ibis.and_(*valid).fill_null(False))
    with engine.reading(str(path), f"correct the file, or materialize {dataset.name} again"):
        if not len(checked.filter(~checked.valid).limit(1).execute()):
            return
        numbered = checked.mutate(data_row=ibis.row_number() + 1)
        row = numbered.filter(~numbered.valid).order_by("data_row").limit(1).execute().iloc[0]
    shown = {name: row[name] for name in dataset.column_names if name != "ep_title"}
    raise CoupangAssetsError(
        f"{path}, data row {row['data_row']}: a code or number does not hold, or a field is missing: {shown}",
        "correct the row in the file",
    )
