"""Codes: one canonical form, the same in Python and in the engine."""

import ibis
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coupang_assets.engines.duckdb import DuckDBEngine
from coupang_assets.pipeline.codes import canonical_code, canonical_code_expr, is_canonical_code, is_code_expr

CODE_LIKE = st.text(st.sampled_from("0123456789. \t\n\r\v\f\u3000\u00a0-+eEx١২"), max_size=14)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=14)


def in_python(text: str | None) -> tuple[str | None, bool]:
    try:
        return canonical_code(text), True
    except ValueError:
        return None, False


def in_engine(engine: DuckDBEngine, texts: list[str | None]) -> list[tuple[str | None, bool]]:
    table = ibis.memtable(pd.DataFrame({"text": pd.Series(texts, dtype=object)}), schema={"text": "string"})
    found = engine.backend.execute(table.select(code=canonical_code_expr(table.text), ok=is_code_expr(table.text)))
    return [(code if isinstance(code, str) else None, bool(ok)) for code, ok in found.itertuples(index=False)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12", "0012"), ("12.0", "0012"), ("0012", "0012"), (" 12 ", "0012"), ("12.00", "0012"), ("12.", "0012"),
        ("00000012", "0012"), ("12345", "12345"), ("0", "0000"), ("999999999", "999999999"),
        ("", None), ("  \t", None), (None, None),
    ],
)  # fmt: skip
def test_all_spellings_of_a_code_are_one(text: str | None, code: str | None) -> None:
    assert canonical_code(text) == code
    assert code is None or is_canonical_code(code)


@pytest.mark.parametrize("text", ["A012", "12a4", "n/a", "-", "-1", "+1", "1e3", "12.5", "1 2", "１２", "9999999999"])
def test_what_is_no_number_or_fits_no_hive_int_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no category code"):
        canonical_code(text)
    assert not is_canonical_code(text)


@pytest.mark.parametrize("value", ["12", "00012", "", " 0012", "0012\n", 12, 12.0, None, "٠٠١٢"])
def test_only_the_canonical_form_is_canonical(value: object) -> None:
    assert not is_canonical_code(value)


@given(st.lists(CODE_LIKE | ANY_TEXT, min_size=20, max_size=60))
@example(["\u300012", "\x1c12", "12\x00", "1234567890", "\x8512", "12\u2028", "0" * 10])
def test_engine_and_python_agree_on_any_string(engine: DuckDBEngine, texts: list[str]) -> None:
    assert in_engine(engine, [*texts, None]) == [in_python(text) for text in [*texts, None]]


@given(CODE_LIKE)
def test_canonical_codes_stay_as_they_are(text: str) -> None:
    code, _ = in_python(text)
    if code is not None:
        assert is_canonical_code(code)
        assert canonical_code(code) == code


@pytest.mark.parametrize("kind", ["int32", "int64", "float64"])
def test_numbers_of_the_source_become_codes(engine: DuckDBEngine, kind: str) -> None:
    table = ibis.memtable({"code": [0, 12, 1234, 999_999_999]}, schema={"code": kind})
    assert engine.backend.execute(canonical_code_expr(table.code)).tolist() == ["0000", "0012", "1234", "999999999"]
