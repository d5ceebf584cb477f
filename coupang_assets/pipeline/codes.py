"""Category codes in one canonical form: digits, zero-padded to four places (spec step 3: ``0000``).

``12``, ``12.0`` and ``0012`` are one category: Hive keeps codes as ints and pandas wrote them as floats, so a
difference in zeros never means another category.
"""

import re

import ibis
import ibis.expr.types as ir

WIDTH = 4
# Above it not every whole number is a double.
LARGEST_WHOLE = 2**53
# What SQL's strip takes away too; any other kind of space is no part of a code.
_SPACE = " \t\n\r\v\f"
_CODE = re.compile(r"\d{1,9}(\.0*)?", re.ASCII)
_CANONICAL = re.compile(r"[0-9]{4}|[1-9][0-9]{4,8}")
# The end as \z: in Java's expressions, which are Spark's, $ matches before a line end too.
_PATTERN = r"^[0-9]{1,9}(\.0*)?\z"
_USUAL = r"^[0-9]{4}\z"


def canonical_code(text: str | None) -> str | None:
    """The canonical form of one code; None where there is none.

    Raises:
        ValueError: it is no number that fits a Hive int.
    """
    text = (text or "").strip(_SPACE)
    if not text:
        return None
    if not _CODE.fullmatch(text):
        raise ValueError(f"'{text}' is no category code")
    return str(int(text.partition(".")[0])).zfill(WIDTH)


def is_canonical_code(text: object) -> bool:
    """Whether a value is a code in canonical form."""
    return isinstance(text, str) and _CANONICAL.fullmatch(text) is not None


def as_text(column: ir.Column) -> ir.StringValue:
    """A column as text. Of doubles, the whole numbers without a point; what is none (1.5, NaN, 1e22) is null.

    Engines write doubles in ways of their own: `12345678.0` here, `1.2345678E7` there.
    """
    if not isinstance(column, ir.FloatingColumn):
        return column.cast("string")
    bounded = ibis.ifelse(column.abs() < LARGEST_WHOLE, column, None)
    number = bounded.cast("int64")
    return ibis.ifelse(number == bounded, number.cast("string"), None)


def is_code_expr(column: ir.Column) -> ir.BooleanValue:
    """Whether a column's value is a code in any form, or missing."""
    text = as_text(column).strip()
    missing = column.isnull() | column.isnan() if isinstance(column, ir.FloatingColumn) else text.isnull()
    return missing | (text == "").fill_null(False) | text.re_search(_PATTERN).fill_null(False)


def canonical_code_expr(column: ir.Column) -> ir.StringValue:
    """The canonical form of a column of codes (string, int or double); null where there is none or it is no code."""
    text = as_text(column).strip()
    digits = text.re_extract(r"^([0-9]{1,9})(\.0*)?\z", 1).nullif("").cast("int64").cast("string")
    padded = ibis.ifelse(digits.length() < WIDTH, digits.lpad(WIDTH, "0"), digits)
    # Nearly all codes are as they should be, and to see that costs half of making them so.
    return ibis.ifelse(text.re_search(_USUAL), text, padded)
