"""Proposals follow from evidence, name it, and never form a circle."""

import random

import pandas as pd
import pytest

from coupang_assets.datasets import TAXONOMY_PROPOSALS
from coupang_assets.evaluation.taxonomy import proposals
from coupang_assets.pipeline.accepted_merges import Accepted, apply_accepted
from coupang_assets.settings import TaxonomySettings
from coupang_assets.storage.frame_types import validate_frame

DEMANDED = TaxonomySettings()
NAMES = {
    "0001": ("뷰티", "메이크업", "립스틱"),
    "0002": ("뷰티", "메이크업", "립틴트"),
    "0003": ("식품", "곡물", "쌀"),
    "0004": ("패션", "여성", "여성 원피스"),
    "0005": ("패션", "여성의류", "여성원피스"),
    "0006": ("유아", "의류", "여성원피스"),
}
TRAINED = {"0001": 900, "0002": 400, "0003": 500, "0004": 300, "0005": 800, "0006": 700}


def judged(*said: tuple[str, str | None, int]) -> pd.DataFrame:
    """Held-out titles: true category, predicted one, how many."""
    rows = [(truth, predicted) for truth, predicted, titles in said for _ in range(titles)]
    return pd.DataFrame(rows, columns=["category4", "predicted"], dtype=object)


def all_right(titles: int = 50) -> list[tuple[str, str | None, int]]:
    return [(code, code, titles) for code in NAMES]


def proposed(predictions: pd.DataFrame, trained: dict[str, int] | None = None) -> pd.DataFrame:
    table = proposals(predictions, TRAINED if trained is None else trained, NAMES, DEMANDED)
    validate_frame(TAXONOMY_PROPOSALS, table, "proposals")
    return table.set_index("code")


def test_every_category_is_told_of_and_kept_where_nothing_speaks_against_it() -> None:
    table = proposed(judged(*all_right()))
    assert table.index.tolist() == sorted(NAMES)
    assert table.loc["0001", ["proposal", "reason", "trained", "tested", "accuracy"]].tolist() == [
        *("keep", "enough_data", 900, 50, 1.0)
    ]  # fmt: skip
    assert table["accepted"].isna().all(), "a person accepts"


def test_categories_that_are_taken_for_each_other_become_the_larger_one() -> None:
    said = [("0001", "0002", 30), ("0001", "0001", 20), ("0002", "0001", 10), ("0002", "0002", 40)]
    table = proposed(judged(*said, ("0003", "0003", 50)))
    assert table.loc["0002", ["proposal", "into", "reason"]].tolist() == ["merge", "0001", "confused"]
    assert table.loc["0002", ["confused_titles", "confused_share"]].tolist() == [40, 0.4]
    assert table.loc["0002", "into_path"] == "뷰티 > 메이크업 > 립스틱"
    assert table.loc["0001", "proposal"] == "keep"
    assert table.loc["0001", "nearest"] == "0002"


def test_a_handful_of_confusions_is_chance() -> None:
    table = proposed(judged(("0001", "0002", 4), ("0002", "0002", 2)))
    assert table.loc["0002", "confused_share"] > DEMANDED.confused_share
    assert table.loc["0002", "proposal"] == "keep"


def test_names_that_are_nearly_the_same_under_one_top_are_one_category() -> None:
    table = proposed(judged(*all_right(2)))
    assert table.loc["0004", ["proposal", "into", "reason"]].tolist() == ["merge", "0005", "similar_name"]
    assert table.loc["0004", "name_overlap"] == 1.0
    assert table.loc["0006", "proposal"] == "keep", "under another top the same name is something else"


def test_names_are_no_reason_where_the_two_are_told_apart() -> None:
    assert proposed(judged(*all_right(50))).loc["0004", "proposal"] == "keep"


def test_a_category_that_is_surely_not_learned_is_dropped_unless_others_become_it() -> None:
    said = [("0003", None, 40), ("0003", "0003", 2), ("0004", "0005", 9), ("0005", None, 20)]
    table = proposed(judged(*said))
    assert table.loc["0003", ["proposal", "reason"]].tolist() == ["drop", "inaccurate"]
    assert table.loc["0003", "accuracy_high"] < DEMANDED.minimum_accuracy
    assert table.loc["0005", "proposal"] == "keep", "0004 becomes it"


def test_little_data_is_said_and_none_at_all_is_dropped() -> None:
    table = proposed(judged(("0001", "0001", 1), ("0001", None, 2)), {"0001": 12, "0002": 400, "0006": 5})
    assert table.loc["0001", ["proposal", "reason"]].tolist() == ["keep", "little_data"]
    assert table.loc["0003", ["proposal", "reason", "trained"]].tolist() == ["drop", "little_data", 0]
    assert table.loc["0003", "accuracy_low"] == 0 and table.loc["0003", "accuracy_high"] == 1
    assert pd.isna(table.loc["0003", "accuracy"]), "of no held-out title nothing is known"


def test_few_titles_are_enough_where_they_are_learned_well() -> None:
    assert proposed(judged(("0001", "0001", 30)), {**TRAINED, "0001": 20}).loc["0001", "reason"] == "enough_data"


@pytest.mark.parametrize("seed", range(5))
def test_all_proposals_together_can_be_accepted(seed: int) -> None:
    """Whatever is confused with whatever: no circle, and each ends in a category that stays."""
    chance = random.Random(seed)
    codes = [f"{number:04}" for number in range(30)]
    names = {code: ("한 상위", "중간", f"이름{chance.choice('가나다')}") for code in codes}
    said = [(chance.choice(codes), chance.choice(codes), chance.randint(1, 20)) for _ in range(200)]
    trained = {code: chance.choice([0, 50, 50, 300]) for code in codes}
    table = proposals(judged(*said), trained, names, DEMANDED)
    changes = table[table["proposal"] != "keep"]
    assert {"merge", "drop"} >= set(changes["proposal"]) and len(changes)
    merge = pd.DataFrame({"category4": codes, "merged_category4": codes, "reason": "kept", "count": 1})
    accepted = [Accepted(row["code"], row["into"], "2024_05") for row in changes.to_dict("records")]
    applied, passed_over = apply_accepted(merge, accepted, "2024_05")
    assert not passed_over
    kept = set(applied.loc[applied["reason"] == "kept", "category4"])
    assert set(applied["merged_category4"].dropna()) <= kept
    assert kept == set(codes) - set(changes["code"])


def test_nothing_held_out_and_a_single_category_are_no_error() -> None:
    table = proposals(judged(), {"0003": 500}, {"0003": NAMES["0003"]}, DEMANDED)
    assert table["proposal"].tolist() == ["keep"]
    assert proposals(judged(), {}, {}, DEMANDED).empty


def test_predictions_of_codes_the_month_does_not_have_are_no_pair() -> None:
    table = proposed(judged(("0001", "9999", 50), ("0001", "0001", 50)))
    assert table.loc["0001", "confused_titles"] == 0
