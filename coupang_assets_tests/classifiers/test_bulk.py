"""Files of titles: every row answered as if it were alone, bad files told apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from coupang_assets.classifiers import bulk
from coupang_assets.classifiers.biterm import BitermClassifier
from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.bulk import OUTPUT, ModelFiles, classify_file
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import WORDS, made, table

TITLES = ["갤럭시 케이스", None, "", "😀", '현미, "햇곡"\n10kg', "립스틱"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    folder = tmp_path_factory.mktemp("bulk")
    train_bpe(word_counts(table(made())), folder / "b.model")
    BitermClassifier.fit(table(made()), folder / "b.model").save(folder / "m.pickle")
    names = {f"lv{n}_name": [f"{code} {n}" for code in WORDS] for n in range(1, 5)}
    codes = {f"lv{n}_code": list(WORDS) for n in range(1, 5)}
    return ModelFiles("biterm", folder / "m.pickle", folder / "b.model", pd.DataFrame(codes | names))


def written(path: Path, rows: pd.DataFrame) -> Path:
    rows.to_csv(path, index=False) if path.suffix == ".csv" else rows.to_parquet(path, index=False)
    return path


def read(path: Path) -> pd.DataFrame:
    found = pd.read_csv(path, dtype=str, keep_default_na=False) if path.suffix == ".csv" else pd.read_parquet(path)
    return found.fillna("").astype(str).replace({"None": "", "nan": ""})


@pytest.mark.parametrize("source", ["in.csv", "in.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
def test_rows_come_back_with_their_categories(tmp_path: Path, model: ModelFiles, source: str, target: str) -> None:
    rows = pd.DataFrame({"code": ["0012"] * len(TITLES), "name": TITLES})
    done = classify_file(written(tmp_path / source, rows), tmp_path / target, "name", model)
    found = read(tmp_path / target)
    assert found.columns.tolist() == ["code", "name", *OUTPUT.names]
    assert found["code"].tolist() == ["0012"] * len(TITLES)
    assert found["category4"].tolist() == ["0034", "", "", "", "0560", "0012"]
    assert found["lv2_name"].tolist() == ["0034 2", "", "", "", "0560 2", "0012 2"]
    assert (done.rows, done.classified) == (6, 3)


def test_many_batches_on_several_cores_are_as_one(
    tmp_path: Path, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"name": TITLES * 40})
    source = written(tmp_path / "in.parquet", rows)
    classify_file(source, tmp_path / "one.csv", "name", model, processes=1)
    monkeypatch.setattr(bulk, "_BATCH_ROWS", 50)
    shares: list[float] = []
    classify_file(source, tmp_path / "many.csv", "name", model, processes=2, progress=shares.append)
    assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert shares == sorted(shares) and shares[-1] == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv", b"name\n\xff\xfe\n", "cannot be read as CSV"),
        ("in.csv", b"name,b\n1\n", "cannot be read as CSV"),
        ("in.csv", b"", "cannot be read as CSV"),
        ("in.csv", b"title\nx\n", "has no column 'name'"),
        ("in.csv", b"name,category4\nx,1\n", "columns that the answers would be written to: category4"),
        ("in.parquet", b"PAR1", "cannot be read as PARQUET"),
        ("in.xlsx", b"", "neither .csv nor .parquet"),
    ],
)
def test_a_bad_file_is_a_clear_error_and_nothing_is_written(
    tmp_path: Path, model: ModelFiles, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CoupangAssetsError, match=says):
        classify_file(tmp_path / name, tmp_path / "out.csv", "name", model)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_file_of_titles_is_not_replaced_by_the_answers(
    tmp_path: Path, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("name\n갤럭시\n")
    with pytest.raises(CoupangAssetsError, match="is the file of titles itself"):
        classify_file(Path("in.csv"), tmp_path / "in.csv", "name", model)
    assert Path("in.csv").read_text() == "name\n갤럭시\n"
