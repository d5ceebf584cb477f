"""Where a classifier errs, with the products themselves (spec 001, next steps).

Belongs here: tables of errors and what a person reads of them. Does not: figures (`metrics`), pictures (`plots`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from coupang_assets.classifiers.protocol import CATEGORY as TRUTH
from coupang_assets.classifiers.protocol import TITLE as TEXT

# Columns of `predictions.predicted_table`, beside those of the protocol.
PREDICTED, SCORE = "predicted", "score"
_PAIRS, _EXAMPLES, _CONFIDENT = 10, 3, 20


def wrong(table: pd.DataFrame) -> pd.DataFrame:
    """The titles that got another category, most certain first."""
    errors = table[table[TRUTH] != table[PREDICTED]].fillna({PREDICTED: ""})
    return errors.sort_values([SCORE, TEXT], ascending=[False, True], kind="stable", ignore_index=True)


def changes(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Titles both tables judge whose predicted category is another one now: ep_title, category4, before, now, repaired.

    `repaired` is 1 where the new one is right, -1 where the old one was, 0 where neither is.
    """
    both = before.merge(now, on=[TEXT, TRUTH], suffixes=("_before", "_now"))
    both = both.fillna({"predicted_before": "", "predicted_now": ""})
    both = both[both["predicted_before"] != both["predicted_now"]]
    repaired = (both["predicted_now"] == both[TRUTH]).astype(int) - (both["predicted_before"] == both[TRUTH]).astype(
        int
    )
    return pd.DataFrame(
        {
            TEXT: both[TEXT],
            TRUTH: both[TRUTH],
            "before": both["predicted_before"],
            "now": both["predicted_now"],
            "repaired": repaired,
        }
    ).reset_index(drop=True)


def markdown(
    table: pd.DataFrame, reliability: pd.DataFrame, names: Mapping[str, str], before: pd.DataFrame | None = None
) -> str:
    """The error analysis for a person: confusions with examples, confidence, confident errors, what changed.

    Args:
        table: of `predictions.predicted_table`.
        reliability: of the evaluation (`metrics.Evaluation`).
        names: what a code is called.
        before: the previous model's table, if there is one.
    """
    errors = wrong(table)
    parts = [f"## Errors: {len(errors):,} of {len(table):,} titles", "### Confused most, with examples"]
    pairs = errors.value_counts([TRUTH, PREDICTED]).rename("titles").reset_index()
    pairs = pairs.sort_values(["titles", TRUTH, PREDICTED], ascending=[False, True, True]).head(_PAIRS)
    for truth, predicted, titles in zip(pairs[TRUTH], pairs[PREDICTED], pairs["titles"], strict=True):
        examples = errors[(errors[TRUTH] == truth) & (errors[PREDICTED] == predicted)].head(_EXAMPLES)
        shown = "; ".join(
            f"{_cell(text)} ({score:.0%})" for text, score in zip(examples[TEXT], examples[SCORE], strict=True)
        )
        parts.append(
            f"- **{_named(truth, names)}** taken for **{_named(predicted, names)}**, {titles:,} times: {shown}"
        )
    parts.append("### How right by how certain")
    parts.append(
        _lines(
            ("Score", "Titles", "Right", "Said to be right"),
            [
                (f"{low:.2f}-{high:.2f}", f"{titles:,}", f"{accuracy:.1%}", f"{confidence:.1%}")
                for low, high, titles, confidence, accuracy in reliability.itertuples(index=False, name=None)
            ],
        )
    )
    parts.append("### Certain and wrong")
    parts.append(
        _lines(
            ("Title", "True", "Predicted", "Score"),
            [
                (_cell(row[TEXT]), _named(row[TRUTH], names), _named(row[PREDICTED], names), f"{row[SCORE]:.1%}")
                for row in errors.head(_CONFIDENT).to_dict("records")
            ],
        )
    )
    parts += _changed(table, names, before)
    return "\n\n".join(parts) + "\n"


def _changed(table: pd.DataFrame, names: Mapping[str, str], before: pd.DataFrame | None) -> list[str]:
    if before is None:
        return ["### Against the model before", "There is none."]
    changed = changes(before, table)
    better, worse = int((changed["repaired"] == 1).sum()), int((changed["repaired"] == -1).sum())
    lines = [
        (_cell(row[TEXT]), _named(row[TRUTH], names), _named(row["before"], names), _named(row["now"], names))
        for row in changed.sort_values(["repaired", TEXT], kind="stable").head(_CONFIDENT).to_dict("records")
    ]
    said = f"{len(changed):,} titles of both are predicted otherwise: {better:,} are right now, {worse:,} no longer."
    return ["### Against the model before", said, _lines(("Title", "True", "Before", "Now"), lines)]


def _named(code: str, names: Mapping[str, str]) -> str:
    return _cell(names.get(code, code) or "(none)")


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)
