"""What is demanded of a classifier before it may be the champion, and whether it holds.

Belongs here: a candidate's measurements against the settings. Does not: which candidate wins (`champion`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.settings import ChampionSettings

_MIB = 1024**2


@dataclass(frozen=True)
class Candidate:
    """A month's classifier, judged.

    Attributes:
        name: of the classifier.
        model_version: content hash of its model.
        held_out: hash of the titles it was judged on.
        figures: of its `Evaluation`, by name.
        per_category: code, support, accuracy, … of its `Evaluation`.
        right: whether the best prediction was right, a held-out title each.
        model_bytes: of the model's files.
        titles_per_second: when it was judged; None where it was not measured.
        training_seconds: None where it was not measured.
    """

    name: str
    model_version: str
    held_out: str
    figures: Mapping[str, float | None]
    per_category: pd.DataFrame
    right: npt.NDArray[np.bool_]
    model_bytes: int
    titles_per_second: float | None
    training_seconds: float | None


@dataclass(frozen=True)
class Requirement:
    """One demand: what it is, whether it holds, and what was found; `found` holds no timing, which no file may hold."""

    name: str
    holds: bool
    found: str


def check_requirements(candidate: Candidate, demanded: ChampionSettings) -> list[Requirement]:
    """Every requirement of the settings. What was not measured does not hold."""
    accuracy = candidate.figures["accuracy"]
    weak = weak_categories(candidate, demanded)
    megabytes = candidate.model_bytes / _MIB
    rate, seconds = candidate.titles_per_second, candidate.training_seconds
    return [
        Requirement(
            f"accuracy at least {demanded.minimum_accuracy:.1%}",
            accuracy is not None and accuracy >= demanded.minimum_accuracy,
            "not measured" if accuracy is None else f"{accuracy:.1%}",
        ),
        Requirement(
            f"important categories at least {demanded.minimum_category_accuracy:.1%}",
            weak.empty,
            ", ".join(f"{code} {share:.1%}" for code, share in zip(weak["code"], weak["accuracy"], strict=True)),
        ),
        Requirement(
            f"at most {demanded.maximum_model_megabytes:,.0f} MiB",
            megabytes <= demanded.maximum_model_megabytes,
            f"{megabytes:,.1f} MiB",
        ),
        Requirement(
            f"at least {demanded.minimum_titles_per_second:,.0f} titles/s",
            rate is not None and rate >= demanded.minimum_titles_per_second,
            "not measured" if rate is None else "",
        ),
        Requirement(
            f"trained in at most {demanded.maximum_training_seconds:,.0f} s",
            seconds is not None and seconds <= demanded.maximum_training_seconds,
            "not measured" if seconds is None else "",
        ),
    ]


def weak_categories(candidate: Candidate, demanded: ChampionSettings) -> pd.DataFrame:
    """Important categories below the floor: code, accuracy, support; least accurate first."""
    table = candidate.per_category
    titles = max(demanded.important_titles, demanded.important_share * table["support"].sum())
    important = table["code"].isin(demanded.important_categories) | (table["support"] >= titles)
    weak = table[important & (table["accuracy"] < demanded.minimum_category_accuracy)]
    return weak.sort_values(["accuracy", "code"])[["code", "accuracy", "support"]].reset_index(drop=True)
