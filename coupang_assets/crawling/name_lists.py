"""CSV lists of category code and names, in the forms people have.

Belongs here: reading one. Does not: which categories need a name (`offline.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coupang_assets.crawling.journal import Answer, CategoryKey
from coupang_assets.crawling.outcomes import Outcome
from coupang_assets.crawling.parsers import MAX_LEVELS, MAX_NAME_LENGTH, clean_name
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.pipeline.codes import canonical_code

LIST_SUFFIXES: Final = (".csv",)
OFFLINE_CSV: Final = "offline_csv"
OFFLINE_OFFICIAL_LIST: Final = "offline_official_list"

_PARENTS: Final = ("category1", "category2", "category3")
# Column of the code, form of the names' columns, parser. A Korean Excel saves CSV as CP949.
_FORMS: Final = (
    ("category4", "cate{}_name", OFFLINE_CSV),
    ("code", "cate{}_name", OFFLINE_CSV),
    ("lv4_code", "lv{}_name", OFFLINE_CSV),
    ("code", "level{}", OFFLINE_OFFICIAL_LIST),
)
_ENCODINGS: Final = ("utf-8-sig", "cp949")
_LEVELS: Final = range(1, 11)
_REMEDY: Final = "give category4 (or code) and cate1_name … cate5_name, or code and level1 … level6"


@dataclass(frozen=True, slots=True)
class NamedCode:
    """One row of a list.

    Attributes:
        code: category4, canonical.
        parents: category1..category3, canonical; None where the list has no such column.
        answer: named; its url is file and line.
    """

    code: str
    parents: tuple[str | None, ...]
    answer: Answer

    def fits(self, key: CategoryKey) -> bool:
        """Whether the codes above category4 that the list gives are those of the category."""
        return all(own is None or own == other for own, other in zip(self.parents, key, strict=False))


def read_list(path: Path) -> list[NamedCode]:
    """Rows of a list that carry a name; rows without any are left out.

    Names are cleaned as those of pages are; levels below the fifth are left out.

    Raises:
        CoupangAssetsError: the file is no such list, or a row does not hold; names file, line and column.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        form = next((form for form in _FORMS if {form[0], form[1].format(1)} <= set(header)), None)
        if form is None:
            raise CoupangAssetsError(f"{path} has the columns {', '.join(header)[:200] or 'none'}", _REMEDY)
        return list(_rows(path, reader, header, *form))
    except csv.Error as error:
        raise CoupangAssetsError(f"{path}, line {reader.line_num}: {error}", "save it as CSV again") from None


def _text(path: Path) -> str:
    data = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CoupangAssetsError(f"{path} is neither UTF-8 nor CP949", "save it as UTF-8 CSV")


def _rows(
    path: Path, reader: Iterator[list[str]], header: Sequence[str], code_column: str, name_form: str, parser: str
) -> Iterator[NamedCode]:
    levels = [name_form.format(level) for level in _LEVELS if name_form.format(level) in header]
    for row in reader:
        where = f"{path}, line {reader.line_num}"  # type: ignore[attr-defined]
        if not any(row):
            continue
        if len(row) != len(header):
            raise CoupangAssetsError(f"{where}: {len(row)} fields instead of {len(header)}", "correct the row")
        fields = dict(zip(header, row, strict=True))
        names = _names(where, fields, levels)
        if not names:
            continue
        code = _code(where, fields, code_column)
        if not code:
            raise CoupangAssetsError(f"{where}: names without a {code_column}", "give the code, or remove the row")
        parents = tuple(_code(where, fields, name) if name in fields else None for name in _PARENTS)
        url = f"{path.name}, line {reader.line_num}"  # type: ignore[attr-defined]
        yield NamedCode(code, parents, Answer(outcome=Outcome.NAMED, url=url, parser=parser, names=names))


def _code(where: str, fields: dict[str, str], column: str) -> str:
    try:
        return canonical_code(fields[column]) or ""
    except ValueError as error:
        raise CoupangAssetsError(f"{where}, column {column}: {error}", "give digits only") from None


def _names(where: str, fields: dict[str, str], levels: Sequence[str]) -> tuple[str, ...]:
    names = [clean_name(fields[level]) for level in levels]
    for level, name in zip(levels, names, strict=True):
        if len(name) > MAX_NAME_LENGTH:
            raise CoupangAssetsError(
                f"{where}, column {level}: a name of {len(name):,} characters", f"give at most {MAX_NAME_LENGTH}"
            )
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise CoupangAssetsError(f"{where}: {levels[names.index('')]} is empty above a name", "fill it in")
    return tuple(names[:MAX_LEVELS])
