"""The vote of all classifiers: the mean of their calibrated probabilities.

Belongs here: combining, and the file that names the members. Does not: the members themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import ibis
import numpy as np

from coupang_assets.classifiers.calibration import CALIBRATION_TITLES, Calibration, calibrate, learning_frame
from coupang_assets.classifiers.checksum import recorded_digest, verified, write_checksum
from coupang_assets.classifiers.protocol import (
    CLASSIFIERS,
    TITLE,
    VALID,
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


class VoteClassifier(RankingClassifier):
    """Mean of the members' probabilities, each member the same weight. Satisfies `Classifier`."""

    name: ClassVar[str] = "vote"
    suffix: ClassVar[str] = ".json"
    MEMBERS: ClassVar[tuple[str, ...]] = tuple(name for name in CLASSIFIERS if name != "vote")

    def __init__(self, members: Mapping[str, Classifier], calibration: Calibration | None = None) -> None:
        """Args:
        members: by name; a member that knows nothing of a title has no vote on it.
        calibration: of the logarithm of the mean; None: the mean is taken as it is.
        """
        self._members = dict(members)
        self._calibration = calibration
        self._codes = sorted({code for member in members.values() for code in member.codes})
        position = {code: index for index, code in enumerate(self._codes)}
        self._places = {name: [position[code] for code in member.codes] for name, member in members.items()}

    @property
    def codes(self) -> Sequence[str]:
        return self._codes

    @classmethod
    def fit(cls, training: ibis.Table, bpe_path: Path, *, seed: int = 0, scratch: Path | None = None) -> Self:
        """See `Classifier.fit`. Fits every member."""
        members = {
            name: classifier_class(name).fit(training, bpe_path, seed=seed, scratch=scratch) for name in cls.MEMBERS
        }
        return cls.of(members, training)

    @classmethod
    def of(cls, members: Mapping[str, Classifier], training: ibis.Table) -> Self:
        """The vote of classifiers that have been fitted, calibrated on the valid split where there is one."""
        valid = learning_frame(training, VALID, CALIBRATION_TITLES)
        vote = cls(members)
        if valid.empty:
            return vote
        mean = vote.probabilities(valid[TITLE].tolist())
        return cls(members, calibrate(valid, list(vote.codes), np.log(np.maximum(mean, _LEAST_PROBABILITY))))

    def probabilities(self, titles: Sequence[str | None]) -> Probabilities:
        """See `Classifier.probabilities`."""
        total = np.zeros((len(titles), len(self._codes)), np.float32)
        votes = np.zeros(len(titles), np.float32)
        for name, member in self._members.items():
            found = member.probabilities(titles)
            total[:, self._places[name]] += found
            votes += found.any(axis=1)
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
                name: {"file": file.name, "sha256": recorded_digest(file, _AGAIN)} for name, file in files.items()
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
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CoupangAssetsError(f"{path} is not of the vote classifier ({error}).", _AGAIN) from error
        for name, (main_file, digest) in recorded.items():
            if recorded_digest(main_file, _AGAIN) != digest:
                raise CoupangAssetsError(f"{main_file} is not the {name} model that {path.name} votes with.", _AGAIN)
        return cls(
            {name: classifier_class(name).load(main_file, bpe_path) for name, (main_file, _) in recorded.items()},
            calibration,
        )

    def describe(self) -> Mapping[str, str | int | float]:
        """Kind of model, categories, and whose vote it is."""
        return {
            "classifier": "vote",
            "categories": len(self._codes),
            "members": ", ".join(self._members),
        }
