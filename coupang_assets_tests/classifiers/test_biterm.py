"""The biterm model: honest counts and percents, the same bytes every time, an answer to any title."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coupang_assets.classifiers import biterm_fit, safe_pickle
from coupang_assets.classifiers.biterm import BitermClassifier
from coupang_assets.classifiers.biterm_fit import MAX_TOKENS, SINGLE, BitermOptions, count_keys, percents
from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.protocol import Classifier, Prediction
from coupang_assets.errors import CoupangAssetsError
from coupang_assets_tests.classifiers.titles import WORDS, digests, korean_products, made, table, training


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train_bpe(word_counts(table(made())), folder / "b.model")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> BitermClassifier:
    model = BitermClassifier.fit(table(made()), folder / "b.model")
    model.save(folder / "d.pickle")
    return model


def test_it_is_a_classifier(model: BitermClassifier) -> None:
    classifier: Classifier = model
    assert classifier.describe()["categories"] == len(WORDS)


def test_held_out_titles_are_recognised(model: BitermClassifier) -> None:
    rows = made().query("split == 'test'")
    best = [predictions[0].code for predictions in model.predict(rows["ep_title"].tolist())]
    assert best == rows["category4"].tolist()


def test_scores_are_shares_best_first(model: BitermClassifier) -> None:
    (predictions,) = model.predict(["갤럭시 립스틱 현미 특가"], top_k=10)
    scores = [prediction.score for prediction in predictions]
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1)
    assert model.predict(["갤럭시 립스틱 현미 특가"], top_k=2)[0] == predictions[:2]


@pytest.mark.parametrize("title", ["", " ", "😀", "\x00", None, "\ud800"])
def test_a_title_that_says_nothing_gets_no_prediction(model: BitermClassifier, title: str | None) -> None:
    assert model.predict([title]) == [[]]


def test_no_titles_no_predictions(model: BitermClassifier) -> None:
    assert model.predict([]) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("갤럭시 S25 현미")), max_size=60), max_size=4)
)
def test_any_text_is_answered_the_same_alone_or_in_a_batch(model: BitermClassifier, titles: list[str]) -> None:
    together = model.predict(titles)
    assert together == [model.predict([title])[0] for title in titles]
    assert all(0 < prediction.score <= 1 for predictions in together for prediction in predictions)


def test_long_titles_are_answered(model: BitermClassifier) -> None:
    title = " ".join(itertools.islice(itertools.cycle(word for words in WORDS.values() for word in words), 1000))[:4000]
    assert model.predict([title, "갤럭시 케이스"])[1][0].code == "0034"


def test_what_is_saved_is_what_is_loaded(folder: Path, model: BitermClassifier) -> None:
    loaded = BitermClassifier.load(folder / "d.pickle", folder / "b.model")
    titles = made()["ep_title"].tolist()
    assert loaded.predict(titles) == model.predict(titles)
    assert loaded.describe() == model.describe()
    again = folder / "again"
    again.mkdir(exist_ok=True)
    assert loaded.save(again / "d.pickle")[0].read_bytes() == (folder / "d.pickle").read_bytes()


def test_a_score_is_the_sum_of_the_files_percents(folder: Path, model: BitermClassifier) -> None:
    dictionary = safe_pickle.load(folder / "d.pickle")
    title = "코랄 립스틱 특가"
    tokenizer = model._tokenizer
    tokens = sorted(tokenizer.tokens[rank] for rank in tokenizer.distinct_tokens([title], MAX_TOKENS)[0])
    scores: Counter[str] = Counter()
    for key in [*((token, "") for token in tokens), *itertools.combinations(tokens, 2)]:
        scores.update(dictionary.get(key, {}))
    total = sum(scores.values())
    assert {p.code: pytest.approx(p.score) for p in model.predict([title])[0]} == {
        c: s / total for c, s in scores.items()
    }


def test_the_parquet_twin_holds_the_same_table(folder: Path, model: BitermClassifier) -> None:
    twin = pq.read_table(folder / "d.parquet").to_pandas()
    assert twin.columns.tolist() == ["key_a", "key_b", "code", "percent"]
    dictionary = safe_pickle.load(folder / "d.pickle")
    assert list(twin.itertuples(index=False, name=None)) == [
        (a, b, code, percent) for (a, b), of_key in dictionary.items() for code, percent in of_key.items()
    ]
    assert list(dictionary) == sorted(dictionary)


def test_same_bytes_from_any_row_order_and_thread_count(folder: Path) -> None:
    rows = made(120)
    assert digests(folder, rows, 1, "one.pickle") == digests(
        folder, rows.sample(frac=1, random_state=3), 4, "two.pickle"
    )


def test_same_bytes_in_another_process(folder: Path, model: BitermClassifier) -> None:
    script = (
        "import sys; from pathlib import Path; from coupang_assets_tests.classifiers.titles import digests, made;"
        "print(*digests(Path(sys.argv[1]), made(), 4, 'process.pickle'))"
    )
    environment = {"PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    here = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("d.pickle", "d.parquet")]
    assert done.stdout.split() == here


def test_counting_in_several_passes_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = digests(folder, made(), 2, "whole.pickle")
    monkeypatch.setattr(biterm_fit, "_KEYS_A_PASS", 100)
    assert digests(folder, made(), 2, "passes.pickle") == whole


def test_the_test_split_does_not_leak(folder: Path, model: BitermClassifier) -> None:
    rows = made()
    rows.loc[rows["split"] == "test", "category4"] = "9999"
    model = BitermClassifier.fit(table(rows), folder / "b.model")
    assert all(p.code != "9999" for ranked in model.predict(rows["ep_title"].tolist(), 99) for p in ranked)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sets(st.integers(0, 8), max_size=6)), min_size=1, max_size=12))
def test_engine_counts_equal_naive_counts(titles: list[tuple[int, set[int]]]) -> None:
    naive: Counter[tuple[int, int, int]] = Counter()
    for code, tokens in titles:
        naive.update((token, SINGLE, code) for token in tokens)
        naive.update((a, b, code) for a, b in itertools.combinations(sorted(tokens), 2))
    rows = {"code": [code for code, _ in titles], "tokens": [sorted(tokens) for _, tokens in titles]}
    schema = pa.schema({"code": pa.int32(), "tokens": pa.list_(pa.int32())})
    tokens_table = table(pa.table(rows, schema=schema))
    counted = [count_keys(tokens_table, first, end).to_pandas() for first, end in ((0, 3), (3, 9))]
    rows_counted = pd.concat(counted).itertuples(index=False, name=None)
    assert {(a, b, code): n for a, b, code, n in rows_counted} == naive


@settings(max_examples=80, deadline=None)
@given(
    counts=st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(-1, 4), st.integers(0, 3)), st.integers(1, 10**6), min_size=1
    ),
    options=st.builds(
        BitermOptions,
        class_balance=st.floats(0, 1), shrinkage=st.floats(1e-6, 100), informativeness=st.floats(0, 4),
        pair_weight=st.floats(0, 1), max_codes=st.integers(1, 4), min_percent=st.floats(0, 0.2),
    ),
    batch=st.integers(1, 7),
)  # fmt: skip
def test_percents_of_a_key_sum_to_at_most_one(
    counts: dict[tuple[int, int, int], int], options: BitermOptions, batch: int
) -> None:
    columns = list(zip(*((*key, n) for key, n in sorted(counts.items())), strict=True))
    rows = pa.table(dict(zip(("token", "other", "code", "titles"), columns, strict=True)))
    titles_of_code = np.full(4, 10**6)
    learned = percents(rows.to_batches(max_chunksize=batch), titles_of_code, options)
    whole = percents(rows.to_batches(), titles_of_code, options)
    assert all(np.array_equal(getattr(learned, name), getattr(whole, name)) for name in vars(whole))
    sums: Counter[tuple[int, int]] = Counter()
    for token, other, percent in zip(learned.token, learned.other, learned.percent, strict=True):
        assert 0 < percent <= 1
        sums[int(token), int(other)] += percent
    assert max(sums.values(), default=0) <= 1


def test_a_key_seen_often_in_one_category_outweighs_a_rare_or_spread_one() -> None:
    rows = pa.table({"token": [0, 1, 2, 2], "other": [SINGLE] * 4, "code": [0, 0, 0, 1], "titles": [50, 1, 25, 25]})
    learned = percents(rows.to_batches(), np.array([100, 100]), BitermOptions())
    often, rare = learned.percent[learned.token == 0][0], learned.percent[learned.token == 1][0]
    assert often > 0.9 > rare > 0.1
    assert not (learned.token == 2).any()


def test_a_large_category_is_not_preferred_for_its_size() -> None:
    rows = pa.table({"token": [0, 0], "other": [SINGLE] * 2, "code": [0, 1], "titles": [100, 10]})
    learned = percents(rows.to_batches(), np.array([10_000, 100]), BitermOptions(informativeness=0))
    assert learned.percent[learned.code == 1][0] > learned.percent[learned.code == 0][0]


def test_the_pair_limit_keeps_the_most_frequent_pairs(folder: Path, model: BitermClassifier) -> None:
    limited = BitermClassifier.fit(table(made()), folder / "b.model", BitermOptions(max_pairs=20))
    assert 0 < int(limited.describe()["pair_keys"]) <= 20
    assert limited.describe()["token_keys"] == model.describe()["token_keys"]
    none = BitermClassifier.fit(table(made()), folder / "b.model", BitermOptions(max_pairs=0))
    assert none.describe()["pair_keys"] == 0
    assert none.predict(["갤럭시 케이스"])[0][0].code == "0034"


@pytest.mark.parametrize("title", ["가", "a", "😀", "현미 " * 1300])
def test_a_single_title_is_enough(tmp_path: Path, title: str) -> None:
    train_bpe(word_counts(training(title)), tmp_path / "b.model")
    fitted = BitermClassifier.fit(training(title), tmp_path / "b.model")
    fitted.save(tmp_path / "d.pickle")
    loaded = BitermClassifier.load(tmp_path / "d.pickle", tmp_path / "b.model")
    assert loaded.predict([title]) == fitted.predict([title]) == [[Prediction("0012", 1.0)]]


def test_titles_without_a_known_token_give_an_empty_model_that_still_works(tmp_path: Path) -> None:
    train_bpe(word_counts(training("가")), tmp_path / "b.model")
    BitermClassifier.fit(training("", "😀"), tmp_path / "b.model").save(tmp_path / "d.pickle")
    loaded = BitermClassifier.load(tmp_path / "d.pickle", tmp_path / "b.model")
    assert loaded.predict(["가", ""]) == [[], []]


def test_no_training_row_is_a_clear_error(folder: Path) -> None:
    with pytest.raises(CoupangAssetsError, match="no row of split 'train'"):
        BitermClassifier.fit(table(made().assign(split="test")), folder / "b.model")


def test_another_months_tokenizer_is_noticed(tmp_path: Path, folder: Path, model: BitermClassifier) -> None:
    train_bpe(word_counts(training("나무")), tmp_path / "b.model")
    with pytest.raises(CoupangAssetsError, match="same month"):
        BitermClassifier.load(folder / "d.pickle", tmp_path / "b.model")


@pytest.mark.parametrize(
    "options",
    [{"shrinkage": 0}, {"pair_weight": 1.5}, {"class_balance": float("nan")}, {"max_codes": 0}, {"max_pairs": -1}],
)
def test_options_out_of_range_are_named(options: dict[str, float]) -> None:
    with pytest.raises(CoupangAssetsError, match=next(iter(options))):
        BitermOptions(**options)  # type: ignore[arg-type]


def test_nothing_is_left_in_engine_or_scratch_folder(tmp_path: Path, folder: Path) -> None:
    rows = table(made())
    BitermClassifier.fit(rows, folder / "b.model", scratch=tmp_path)
    assert rows.get_backend().list_tables() == ["coupang_train"] and not list(tmp_path.iterdir())


def test_accuracy_on_real_titles(tmp_path: Path) -> None:
    rows = korean_products()
    train_bpe(word_counts(table(rows)), tmp_path / "b.model")
    model = BitermClassifier.fit(table(rows), tmp_path / "b.model")
    test = rows[rows["split"] == "test"]
    predictions = model.predict(test["ep_title"].tolist())
    right = [ranked[0].code == code for ranked, code in zip(predictions, test["category4"], strict=True) if ranked]
    assert sum(right) / len(test) >= 0.88
