"""The biterm model: honest percents, the same bytes every time, an answer to any title."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coupang_assets.classifiers import safe_pickle
from coupang_assets.classifiers.biterm import BitermClassifier
from coupang_assets.classifiers.biterm_fit import BitermOptions, learn
from coupang_assets.classifiers.bpe import SPACE, BpeTokenizer, train_bpe, word_counts
from coupang_assets.classifiers.discriminative import Objective
from coupang_assets.classifiers.keys import pairs_of
from coupang_assets.classifiers.protocol import Classifier, Prediction
from coupang_assets.classifiers.title_tokens import TitleEncoder
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


def test_the_best_category_has_the_largest_sum_of_the_files_percents(folder: Path, model: BitermClassifier) -> None:
    dictionary = safe_pickle.load(folder / "d.pickle")
    tokenizer = BpeTokenizer.load(folder / "b.model")
    for title in ["코랄 립스틱 특가", "현미 10kg 갤럭시", "S25 케이스"]:
        found = TitleEncoder(tokenizer).encode([title])
        _, first, second = pairs_of(found, len(tokenizer.tokens))
        keys = {(tokenizer.tokens[rank], "") for rank in found.pieces.tokens}
        keys |= {(tokenizer.tokens[a], tokenizer.tokens[b]) for a, b in zip(first, second, strict=True)}
        scores: Counter[str] = Counter()
        for key in keys:
            scores.update(dictionary.get(key, {}))
        ranked = sorted(scores, key=lambda code: -scores[code])
        assert [prediction.code for prediction in model.predict([title])[0]][:2] == ranked[:2]


def test_every_pair_of_a_title_is_a_key_in_ascending_order(folder: Path) -> None:
    tokenizer = BpeTokenizer.load(folder / "b.model")
    found = TitleEncoder(tokenizer).encode(["갤럭시 S25 케이스", None, "현미"])
    title, first, second = pairs_of(found, len(tokenizer.tokens))
    assert (first < second).all() and set(title.tolist()) <= {0, 2}
    cuts = found.cuts.tokens[: found.cuts.starts[1]].tolist()
    pairs = set(zip(first[title == 0].tolist(), second[title == 0].tolist(), strict=True))
    assert set(itertools.combinations(cuts, 2)) <= pairs


def test_ends_of_words_and_both_sides_of_a_space_are_keys(folder: Path) -> None:
    tokenizer = BpeTokenizer.load(folder / "b.model")

    def pairs(title: str) -> set[frozenset[str]]:
        _, first, second = pairs_of(TitleEncoder(tokenizer).encode([title]), len(tokenizer.tokens))
        return {frozenset((tokenizer.tokens[a], tokenizer.tokens[b])) for a, b in zip(first, second, strict=True)}

    assert {frozenset(("랄", SPACE)), frozenset(("틱", SPACE))} <= pairs("코랄 립스틱")
    assert frozenset(("립", SPACE)) not in pairs("코랄 립스틱")
    across = frozenset(("랄", "▁립"))
    assert across in pairs("코랄 립스틱")
    assert across not in pairs("립스틱 코랄") | pairs("코랄립스틱")
    found = TitleEncoder(tokenizer).encode(["코랄 립스틱"])
    assert SPACE not in {tokenizer.tokens[rank] for tokens in (found.pieces, found.cuts) for rank in tokens.tokens}


@pytest.mark.parametrize("objective", [Objective(), Objective(exact_work=0)], ids=["exact", "gradient"])
def test_percents_of_a_key_sum_to_at_most_one(folder: Path, objective: Objective) -> None:
    found = learn(table(made()), BpeTokenizer.load(folder / "b.model"), BitermOptions(), objective)
    assert found.table.nnz and (found.table.data > 0).all()
    assert np.asarray(found.table.sum(axis=1)).max() <= 1


def test_learning_by_gradient_recognises_held_out_titles_and_is_repeatable(folder: Path) -> None:
    tokenizer, objective = BpeTokenizer.load(folder / "b.model"), Objective(exact_work=0)
    rows = made()
    learned = learn(table(rows, threads=1), tokenizer, BitermOptions(), objective)
    again = learn(table(rows.sample(frac=1, random_state=2), threads=4), tokenizer, BitermOptions(), objective)
    assert np.array_equal(learned.table.data, again.table.data)
    test = rows.query("split == 'test'")
    model = BitermClassifier(tokenizer, learned, None)
    assert [found[0].code for found in model.predict(test["ep_title"].tolist())] == test["category4"].tolist()


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


def test_the_test_split_does_not_leak(folder: Path, model: BitermClassifier) -> None:
    rows = made()
    rows.loc[rows["split"] == "test", "category4"] = "9999"
    model = BitermClassifier.fit(table(rows), folder / "b.model")
    assert all(p.code != "9999" for ranked in model.predict(rows["ep_title"].tolist(), 99) for p in ranked)


def test_the_pair_limit_keeps_the_most_frequent_pairs(folder: Path, model: BitermClassifier) -> None:
    limited = BitermClassifier.fit(table(made()), folder / "b.model", options=BitermOptions(max_pairs=20))
    assert 0 < int(limited.describe()["pair_keys"]) <= 20
    assert limited.describe()["token_keys"] == model.describe()["token_keys"]
    none = BitermClassifier.fit(table(made()), folder / "b.model", options=BitermOptions(max_pairs=0))
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
    [{"min_titles": 0}, {"pair_weight": 1.5}, {"min_percent": float("nan")}, {"max_codes": 0}, {"max_pairs": -1}],
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
    assert sum(right) / len(test) >= 0.9
