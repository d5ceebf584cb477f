"""The files of the biterm model: which of them is read, and what becomes of a file that is not good."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from coupang_assets.classifiers import biterm_files, safe_pickle
from coupang_assets.classifiers.biterm import BitermClassifier
from coupang_assets.classifiers.bpe import BpeTokenizer, train_bpe, word_counts
from coupang_assets.classifiers.checksum import write_checksum
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import made, table


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BitermClassifier]:
    folder = tmp_path_factory.mktemp("biterm")
    bpe = train_bpe(word_counts(table(made())), folder / "b.model")
    model = BitermClassifier.fit(table(made()), bpe)
    model.save(folder / "d.pickle")
    return folder, model


@pytest.fixture
def folder(saved: tuple[Path, BitermClassifier], tmp_path: Path) -> Path:
    for file in saved[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture
def unpickled(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The pickles that were read."""
    read: list[Path] = []
    load: Callable[[Path], safe_pickle.PercentDict] = safe_pickle.load
    monkeypatch.setattr(safe_pickle, "load", lambda path: read.append(path) or load(path))
    return read


def loaded(folder: Path) -> BitermClassifier:
    return BitermClassifier.load(folder / "d.pickle", folder / "b.model")


def test_the_twin_is_read_where_it_is_the_pickles(
    folder: Path, saved: tuple[Path, BitermClassifier], unpickled: list[Path]
) -> None:
    tokenizer = BpeTokenizer.load(folder / "b.model")
    of_twin, calibration = biterm_files.read(folder / "d.pickle", folder / "b.model", tokenizer)
    assert not unpickled and calibration is not None
    (folder / "d.parquet").unlink()
    of_pickle, _ = biterm_files.read(folder / "d.pickle", folder / "b.model", tokenizer)
    assert unpickled == [folder / "d.pickle"]
    assert of_twin.codes == of_pickle.codes and len(of_twin.keys) == len(of_pickle.keys)
    assert np.array_equal(of_twin.keys.first, of_pickle.keys.first)
    assert np.array_equal(of_twin.keys.second, of_pickle.keys.second)
    for part in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(of_twin.table, part), getattr(of_pickle.table, part))
    titles = made()["ep_title"].tolist()
    assert loaded(folder).predict(titles) == saved[1].predict(titles)


@pytest.mark.parametrize("why", ["pickle changed", "twin torn", "made before twins were read"])
def test_else_the_pickle_is_read(folder: Path, unpickled: list[Path], why: str) -> None:
    pickle, twin, about = folder / "d.pickle", folder / "d.parquet", folder / "d.json"
    if why == "pickle changed":
        safe_pickle.dump([(("갤", ""), {"0099": 1.0})], pickle)
    elif why == "twin torn":
        twin.write_bytes(twin.read_bytes()[:-1])
    else:
        content = json.loads(about.read_text())
        del content["same_percents"]
        about.write_text(json.dumps(content))
    model = loaded(folder)
    assert unpickled == [pickle]
    assert (model.predict(["갤럭시 케이스"])[0][0].code == "0099") == (why == "pickle changed")


def test_a_damaged_pickle_is_an_error_also_where_the_twin_is_good(folder: Path) -> None:
    pickle = folder / "d.pickle"
    pickle.write_bytes(pickle.read_bytes()[:-1])
    with pytest.raises(CoupangAssetsError, match="does not match its checksum"):
        loaded(folder)


def test_a_pickle_that_is_gone_is_an_error_also_where_the_twin_is_good(folder: Path) -> None:
    (folder / "d.pickle").unlink()
    with pytest.raises(CoupangAssetsError, match=r"d\.pickle cannot be opened"):
        loaded(folder)


def test_a_twin_of_other_percents_is_not_read(folder: Path) -> None:
    twin = folder / "d.parquet"
    pq.write_table(pq.read_table(twin).slice(0, 1), twin)
    write_checksum(twin)
    assert loaded(folder).predict(["갤럭시 케이스"])[0][0].code == "0034"


@pytest.mark.parametrize("content", ["", "[]", '{"format": "other"}', '{"format": "coupang-assets biterm 1"}'])
def test_a_json_of_something_else_is_a_clear_error(folder: Path, content: str) -> None:
    (folder / "d.json").write_text(content)
    with pytest.raises(CoupangAssetsError, match="is not of the biterm classifier"):
        loaded(folder)
