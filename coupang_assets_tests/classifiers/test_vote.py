"""The vote: what its probabilities are worth, whether or not the training set has a valid split."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from coupang_assets.classifiers.bpe import train_bpe, word_counts
from coupang_assets.classifiers.protocol import Classifier, Probabilities
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.classifiers.vote import VoteClassifier
from coupang_assets_tests.classifiers.titles import made, table

CODES = ["0012", "0034", "0560"]
_TITLES = 20_000


class Member(RankingClassifier):
    """Right about a title as often as it says, which its text states: `0034 0.8`."""

    @property
    def codes(self) -> Sequence[str]:
        return CODES

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        said = [(CODES.index(str(title).split()[0]), float(str(title).split()[1])) for title in titles]
        found = np.array([[(1 - p) / 2] * 3 for _, p in said], np.float32)
        found[np.arange(len(said)), [code for code, _ in said]] = [p for _, p in said]
        return found


class Undecided(Member):
    """Says nothing, and so takes the others' certainty from the mean."""

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        return np.full((len(titles), 3), 1 / 3, np.float32)


def training(split: str) -> ibis.Table:
    rng = np.random.default_rng(0)
    said, sure = rng.integers(3, size=_TITLES), rng.choice([0.4, 0.6, 0.8, 0.95], size=_TITLES)
    other = (said + rng.integers(1, 3, size=_TITLES)) % 3
    truth = np.where(rng.random(_TITLES) < sure, said, other)
    titles = [f"{CODES[code]} {p} {number}" for number, (code, p) in enumerate(zip(said, sure, strict=True))]
    return table(pd.DataFrame({"ep_title": titles, "category4": np.array(CODES)[truth], "split": split}))


@pytest.mark.parametrize("split", ["valid", "train"])
def test_its_calibration_gives_back_what_the_mean_takes(split: str) -> None:
    members: Mapping[str, Classifier] = {"sure": Member(), "undecided": Undecided()}  # type: ignore[dict-item]
    vote = VoteClassifier.of(members, training(split), lambda rows: members)
    plain = VoteClassifier(members)
    for sure in (0.4, 0.6, 0.8, 0.95):
        assert vote.rank([f"0034 {sure}"], 1).score[0, 0] == pytest.approx(sure, abs=0.05)
    assert plain.rank(["0034 0.95"], 1).score[0, 0] < 0.7


def test_without_titles_to_judge_by_it_is_the_mean() -> None:
    members: Mapping[str, Classifier] = {"sure": Member(), "undecided": Undecided()}  # type: ignore[dict-item]
    vote = VoteClassifier.of(members, training("train"))
    assert vote.rank(["0034 0.8"], 1).score[0, 0] == pytest.approx((0.8 + 1 / 3) / 2)


def test_fitted_without_a_valid_split_it_is_calibrated_on_titles_held_out_from_its_members(tmp_path: Path) -> None:
    bpe = train_bpe(word_counts(table(made())), tmp_path / "b.model")
    vote = VoteClassifier.fit(table(made()), bpe, scratch=tmp_path)
    path, *_ = vote.save(tmp_path / "vote.json")
    assert json.loads(path.read_text())["calibration"] is not None
    assert VoteClassifier.load(path, bpe).predict(["갤럭시 케이스"])[0][0].code == "0034"


def test_a_member_that_says_nothing_hardly_counts() -> None:
    members: Mapping[str, Classifier] = {"sure": Member(), "undecided": Undecided()}  # type: ignore[dict-item]
    sure, undecided = VoteClassifier.of(members, training("valid"))._weights.values()
    assert sure > 0.9 and 0 < undecided < 0.1
