"""Training tables for the tests of this room: made ones, and the real one where it is at hand."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import ibis
import pandas as pd
import pytest

from coupang_assets.classifiers.biterm import BitermClassifier

SHARED = Path(os.environ.get("COUPANG_SHARED", Path(__file__).resolve().parents[3] / "shared"))

WORDS = {
    "0012": ["립스틱", "틴트", "코랄", "매트", "촉촉한"],
    "0034": ["갤럭시", "S25", "케이스", "강화유리", "투명"],
    "0560": ["현미", "찹쌀", "국산", "햇곡", "10kg"],
}


def made(titles_each: int = 40, seed: int = 7) -> pd.DataFrame:
    """Titles of three categories that share the words of shops; every fifth is a test title."""
    random_words = random.Random(seed)
    rows = []
    for code, words in WORDS.items():
        for number in range(titles_each):
            title = [*random_words.sample(words, 3), random_words.choice(["무료배송", "특가", "1+1", "정품"])]
            random_words.shuffle(title)
            rows.append(
                {"ep_title": " ".join(title), "category4": code, "split": "test" if number % 5 == 4 else "train"}
            )
    return pd.DataFrame(rows)


def table(rows: pd.DataFrame, threads: int = 2) -> ibis.Table:
    """The rows as a table of a DuckDB of its own."""
    return ibis.duckdb.connect(threads=threads).create_table("coupang_train", rows)


def training(*titles: str, code: str = "0012") -> ibis.Table:
    """A training table of the given titles, all of one category."""
    return table(pd.DataFrame({"ep_title": titles, "category4": code, "split": "train"}))


def digests(folder: Path, rows: pd.DataFrame, threads: int, name: str) -> list[str]:
    """Hashes of the pickle and of its Parquet twin, learned from the rows; `folder` holds the tokenizer b.model."""
    files = BitermClassifier.fit(table(rows, threads), folder / "b.model", scratch=folder).save(folder / name)
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in (files[0], files[2])]


def korean_products() -> pd.DataFrame:
    """The 36 categories of real titles, split 80/10/10 by title; skips where they are absent."""
    path = SHARED / "data" / "korean_products_36.csv"
    if not path.exists():
        pytest.skip(f"real titles absent: {path}")
    rows = pd.read_csv(path, dtype=str).rename(columns={"name": "ep_title", "category2": "category4"})
    tenth = rows["ep_title"].map(lambda title: int(hashlib.md5(title.encode()).hexdigest(), 16) % 10)
    return rows.assign(split=tenth.map(lambda n: "train" if n < 8 else "valid" if n == 8 else "test"))
