"""The champion changes for something better that holds the requirements, and for nothing else."""

import numpy as np
import pandas as pd
import pytest

from coupang_assets.errors import CoupangAssetsError
from coupang_assets.evaluation.champion import Outcome, decide
from coupang_assets.evaluation.significance import holm, paired_test
from coupang_assets.settings import ChampionSettings
from coupang_assets_tests.evaluation.candidates import TITLES, candidate

DEMANDED = ChampionSettings()


def test_the_first_champion_is_the_best_that_holds_the_requirements() -> None:
    strong_but_large = candidate("svm", 950, model_bytes=10 * 1024**3)
    decision = decide([candidate("biterm", 910), strong_but_large, candidate("fasttext", 880)], None, DEMANDED)
    assert (decision.champion, decision.outcome, decision.against) == ("biterm", Outcome.FIRST, "biterm")
    assert [c.name for c in decision.comparisons] == ["svm", "biterm", "fasttext"], "most accurate first"
    assert decision.comparisons[0].unmet == ("at most 2,048 MiB (10,240.0 MiB)",)


def test_there_is_none_where_no_candidate_holds_the_requirements() -> None:
    decision = decide([candidate("biterm", 500), candidate("svm", 600)], None, DEMANDED)
    assert decision.champion is None and decision.outcome is Outcome.NONE
    assert decision.unmet == () and all(c.unmet and c.test is None for c in decision.comparisons)


def test_a_significantly_better_challenger_takes_over() -> None:
    decision = decide([candidate("biterm", 900), candidate("svm", 930)], "biterm", DEMANDED)
    assert (decision.champion, decision.outcome) == ("svm", Outcome.CHANGED)
    assert "30 titles only it has right, 0 only the other" in decision.reason


def test_a_challenger_that_is_only_luckier_does_not() -> None:
    chance = np.random.default_rng(1)
    right = np.arange(TITLES) < 900
    luckier = right.copy()
    luckier[chance.choice(900, 45, replace=False)] = False
    luckier[900:950] = True
    decision = decide([candidate("biterm", 900), candidate("svm", 905, right=luckier)], "biterm", DEMANDED)
    assert (decision.champion, decision.outcome) == ("biterm", Outcome.KEPT)
    assert decision.reason == "no candidate is significantly better than biterm"


def test_a_better_challenger_that_does_not_hold_the_requirements_does_not() -> None:
    decision = decide([candidate("biterm", 900), candidate("svm", 950, titles_per_second=3.0)], "biterm", DEMANDED)
    assert decision.champion == "biterm"
    assert decision.reason.endswith("does not hold the requirements: svm: at least 200 titles/s")


def test_of_two_better_ones_the_one_that_holds_the_requirements_takes_over() -> None:
    others = [candidate("svm", 960, training_seconds=None), candidate("fasttext", 940)]
    decision = decide([candidate("biterm", 900), *others], "biterm", DEMANDED)
    assert decision.champion == "fasttext"
    (svm,) = [compared for compared in decision.comparisons if compared.name == "svm"]
    assert svm.unmet == ("trained in at most 3,600 s (not measured)",)


def test_a_champion_that_no_longer_holds_the_requirements_stays_until_something_is_better() -> None:
    decision = decide([candidate("biterm", 600), candidate("svm", 600)], "biterm", DEMANDED)
    assert decision.champion == "biterm" and decision.outcome is Outcome.KEPT
    assert decision.unmet == ("accuracy at least 70.0% (60.0%)",)


def test_a_champion_that_is_gone_is_replaced_by_the_best() -> None:
    decision = decide([candidate("biterm", 900), candidate("svm", 901)], "bert", DEMANDED)
    assert (decision.champion, decision.previous, decision.outcome) == ("svm", "bert", Outcome.CHANGED)
    assert decision.reason.startswith("bert is no candidate any more")


def test_several_lucky_challengers_are_corrected_for() -> None:
    """One of p = 0.03 alone is enough; among three equally good ones it is not."""
    right = np.arange(TITLES) < 900
    better = right.copy()
    better[900:917] = True
    better[:6] = False
    p_value = paired_test(better, right).p_value
    assert 0.0167 < p_value < 0.05
    alone = [candidate("biterm", 900), candidate("svm", 911, right=better)]
    assert decide(alone, "biterm", DEMANDED).champion == "svm"
    among = [*alone, candidate("fasttext", 900), candidate("vote", 900)]
    assert decide(among, "biterm", DEMANDED).champion == "biterm"


def test_an_important_category_below_the_floor_disqualifies() -> None:
    table = pd.DataFrame(
        {"code": ["0001", "0002", "0003"], "accuracy": [0.95, 0.2, 0.1], "support": [960, 35, 5]}
    )  # fmt: skip
    decision = decide([candidate("biterm", 930, per_category=table)], None, DEMANDED)
    assert decision.comparisons[0].unmet == ("important categories at least 40.0% (0002 20.0%)",)
    named = ChampionSettings(important_categories=["0003"], important_titles=100)
    decision = decide([candidate("biterm", 930, per_category=table)], None, named)
    assert decision.comparisons[0].unmet == ("important categories at least 40.0% (0003 10.0%)",)


def test_nothing_to_judge_makes_no_champion() -> None:
    figures = dict.fromkeys(("accuracy", "hierarchical_f1", "macro_f1", "level1_accuracy", "calibration_error"))
    empty = candidate("biterm", figures=figures, right=np.zeros(0, bool), per_category=candidate("x").per_category[:0])
    assert decide([empty], None, DEMANDED).champion is None
    assert decide([empty, candidate("svm", figures=figures, right=np.zeros(0, bool))], "biterm", DEMANDED).champion == (
        "biterm"
    )


def test_candidates_judged_on_different_titles_are_not_compared() -> None:
    with pytest.raises(CoupangAssetsError, match="biterm, svm were judged on different titles"):
        decide([candidate("biterm"), candidate("svm", held_out="others")], None, DEMANDED)
    with pytest.raises(CoupangAssetsError, match="no classifier was judged"):
        decide([], None, DEMANDED)


def test_the_paired_test_is_mcnemars_mid_p() -> None:
    """The example of Fagerland, Lydersen and Laake (2013): 1 and 7 discordant pairs, mid-p 0.0391."""
    first = np.array([True] * 1 + [False] * 7 + [True] * 13)
    second = np.array([False] * 1 + [True] * 7 + [True] * 13)
    found = paired_test(first, second)
    assert (found.only_first, found.only_second) == (1, 7)
    assert found.p_value == pytest.approx(0.0391, abs=5e-5)
    assert paired_test(second, first).p_value == found.p_value
    assert paired_test(first, first).p_value == 1.0
    assert paired_test(np.array([True, False]), np.array([False, True])).p_value == 1.0


def test_holm_corrects_in_the_given_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
