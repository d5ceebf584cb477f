"""The vote of all classifiers: the weighted mean of their calibrated probabilities (a linear opinion pool, Stone 1961).

Belongs here: combining, and the file that names the members. Does not: the members themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import ibis
import numpy as np
import pandas as pd

from coupang_assets.classifiers.calibration import Calibration, calibrate, judged
from coupang_assets.classifiers.checksum import recorded_digest, verified, write_checksum
from coupang_assets.classifiers.protocol import (
    CATEGORY,
    CLASSIFIERS,
    TITLE,
    Classifier,
    Probabilities,
    classifier_class,
)
from coupang_assets.classifiers.ranking import RankingClassifier
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file

_FORMAT = "coupang-assets vote 1"
_AGAIN = "Materialize vote_model for this month again."
_LEAST_PROBABILITY = 1e-9
_LEAST_WEIGHT = 0.001
_EM_STEPS = 200


class VoteClassifier(RankingClassifier):
    """Weighted mean of the members' probabilities. Satisfies `Classifier`."""

    name: ClassVar[str] = "vote"
    suffix: ClassVar[str] = ".json"
    MEMBERS: ClassVar[tuple[str, ...]] = tuple(name for name in CLASSIFIERS if name != "vote")

    def __init__(
        self,
        members: Mapping[str, Classifier],
        weights: Mapping[str, float] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        """Args:
        members: by name; a member that knows nothing of a title has no vote on it.
        weights: of the members' votes, above 0; None: each the same.
        calibration: of the logarithm of the mean; None: the mean is taken as it is.
        """
        self._members = dict(members)
        self._weights = dict(weights or dict.fromkeys(members, 1.0))
        self._calibration = calibration
        self._codes = sorted({code for member in members.values() for code in member.codes})
        position = {code: index for index, code in enumerate(self._codes)}
        self._places = {name: [position[code] for code in member.codes] for name, member in members.items()}

    @property
    def codes(self) -> Sequence[str]:
        return self._codes

    @classmethod
    def fit(cls, training: ibis.Table, bpe_path: Path, *, seed: int = 0, scratch: Path | None = None) -> Self:
        """See `Classifier.fit`. Fits every member, and without a valid split once more, to calibrate their vote."""

        def learn(rows: ibis.Table) -> Mapping[str, Classifier]:
            return {
                name: classifier_class(name).fit(rows, bpe_path, seed=seed, scratch=scratch) for name in cls.MEMBERS
            }

        return cls.of(learn(training), training, learn)

    @classmethod
    def of(
        cls,
        members: Mapping[str, Classifier],
        training: ibis.Table,
        learn: Callable[[ibis.Table], Mapping[str, Classifier]] | None = None,
    ) -> Self:
        """The vote of classifiers that have been fitted, weighted and calibrated on the valid split.

        Args:
            learn: fits members; where there is no valid split, titles held out from them take its place. None: all
                votes then weigh the same, and their mean is not calibrated.
        """

        def judge(found: Mapping[str, Classifier], unseen: pd.DataFrame) -> tuple[dict[str, float], Calibration]:
            titles = unseen[TITLE].tolist()
            weights = _weights({name: _of_truth(one, titles, unseen[CATEGORY]) for name, one in found.items()})
            vote = cls(found, weights)
            mean = np.maximum(vote.probabilities(titles), _LEAST_PROBABILITY)
            return weights, calibrate(unseen, list(vote.codes), np.log(mean))

        return cls(members, *(judged(members, training, learn, judge) or ()))

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`."""
        total = np.zeros((len(titles), len(self._codes)), np.float32)
        votes = np.zeros(len(titles), np.float32)
        for name, member in self._members.items():
            found = member.probabilities(titles)
            weight = np.float32(self._weights[name])
            total[:, self._places[name]] += weight * found
            votes += weight * found.any(axis=1)
        spoken = votes > 0
        if self._calibration is None:
            total[spoken] /= votes[spoken, None]
        elif spoken.any():
            mean = np.maximum(total[spoken] / votes[spoken, None], np.float32(_LEAST_PROBABILITY))
            total[spoken] = self._calibration.probabilities(np.log(mean))
        return total

    def save(self, path: Path, files: Mapping[str, Path] | None = None) -> tuple[Path, ...]:
        """Write the vote.

        Args:
            files: main file of each member where it has been saved; they must come to lie beside `path`. Without it
                the members are written there, as `<name of path>_<member>`.
        """
        written: list[Path] = []
        if files is None:
            files = {}
            for name, member in self._members.items():
                of_member = member.save(path.with_name(f"{path.stem}_{name}{member.suffix}"))
                files[name] = of_member[0]
                written += of_member
        text = {
            "format": _FORMAT,
            "calibration": self._calibration and self._calibration.as_json(),
            "members": {
                name: {
                    "file": file.name,
                    "sha256": recorded_digest(file, _AGAIN),
                    "weight": self._weights[name],
                }
                for name, file in files.items()
            },
        }
        with atomic_file(path) as out:
            out.write(json.dumps(text, ensure_ascii=False, sort_keys=True, indent=1).encode())
        return path, write_checksum(path), *written

    @classmethod
    def load(cls, path: Path, bpe_path: Path) -> Self:
        """See `Classifier.load`. The members lie beside `path`, and are the very files that were voted with."""
        with verified(path, _AGAIN) as file:
            try:
                about = json.load(file)
                if about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']}")
                calibration = about["calibration"] and Calibration.from_json(about["calibration"])
                recorded = {
                    str(name): (path.with_name(Path(member["file"]).name), str(member["sha256"]))
                    for name, member in about["members"].items()
                }
                weights = {str(name): float(member.get("weight", 1.0)) for name, member in about["members"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CoupangAssetsError(f"{path} is not of the vote classifier ({error}).", _AGAIN) from error
        for name, (main_file, digest) in recorded.items():
            if recorded_digest(main_file, _AGAIN) != digest:
                raise CoupangAssetsError(f"{main_file} is not the {name} model that {path.name} votes with.", _AGAIN)
        return cls(
            {name: classifier_class(name).load(main_file, bpe_path) for name, (main_file, _) in recorded.items()},
            weights,
            calibration,
        )

    def describe(self) -> Mapping[str, str | int | float]:
        """Kind of model, categories, and whose vote it is."""
        return {
            "classifier": "vote",
            "categories": len(self._codes),
            "members": ", ".join(f"{name} ({weight:g})" for name, weight in self._weights.items()),
        }


def _of_truth(member: Classifier, titles: Sequence[str | None], truth: pd.Series) -> Probabilities:
    """Probability that a member gives each title's true category; 0 where it does not know it."""
    place = pd.Index(member.codes).get_indexer(pd.Index(truth))
    found = member.probabilities(titles)
    return np.where(place < 0, np.float32(0), found[np.arange(len(found)), place])


def _weights(of_truth: Mapping[str, Probabilities]) -> dict[str, float]:
    """The weights, of sum 1, with which the true categories are most likely: those of a mixture, by EM."""
    likely = np.stack([of.astype(np.float64) for of in of_truth.values()], axis=1)
    likely = likely[likely.any(axis=1)]
    weights = np.full(len(of_truth), 1 / len(of_truth))
    for _ in range(_EM_STEPS if len(likely) else 0):
        shares = likely * weights
        weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    # Rounded, so that the last digits of a sum do not become part of a file; nobody is left out altogether.
    return {name: max(round(float(weight), 3), _LEAST_WEIGHT) for name, weight in zip(of_truth, weights, strict=True)}
