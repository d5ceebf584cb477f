"""Titles that look mislabelled: confident learning (Northcutt, Jiang and Chuang 2021) over out-of-fold predictions.

Belongs here: which titles are looked at, the quick model that judges each without having learned from it, and what
cleanlab makes of that. Does not: correcting anything.

The model is a linear SVM at each node of the first level of the tree: one for the tops, one for the categories below
each top. Learning them costs a fraction of one over all categories, and their product is a probability of every
category.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from coupang_assets.classifiers.protocol import CATEGORY, TITLE
from coupang_assets.datasets import LABEL_ERRORS
from coupang_assets.evaluation.predictions import PRODUCT
from coupang_assets.pipeline.training_set import near_duplicate_key
from coupang_assets.settings import LabelErrorSettings

# Probabilities of titles by categories that may lie on the disk, as float32: 800 MB.
_MAX_PROBABILITIES = 200_000_000
_BATCH_TITLES = 2048
_FEATURES = 2**16
# Turns an SVM's margins into probabilities; the ranking hardly depends on it.
_SHARPNESS = 4.0
_DIGITS = 4

Ints = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float32]


def looked_at(training: ir.Table, options: LabelErrorSettings) -> pd.DataFrame:
    """The titles that are judged: of every category the same number at most, chosen by a hash, in one order.

    Categories with fewer titles than folds cannot be judged and are left out. The number of titles is bounded by the
    settings and by what probabilities of every category take.

    Returns:
        product_id, ep_title, category4, fold (from 0; near-duplicates share one).
    """
    counts = training.group_by(CATEGORY).aggregate(titles=training.count())
    large = counts.filter(counts.titles >= options.folds)
    categories = max(1, int(large.count().execute()))
    a_category = max(options.folds, min(options.titles, _MAX_PROBABILITIES // categories) // categories)
    rows = training.semi_join(large, CATEGORY)
    rows = rows.mutate(key=near_duplicate_key(rows[TITLE]))
    by_hash = ibis.window(group_by=CATEGORY, order_by=["key", TITLE, PRODUCT])
    rows = rows.mutate(place=ibis.row_number().over(by_hash))
    chosen = rows.filter(rows.place < a_category).order_by([CATEGORY, "key", TITLE, PRODUCT]).execute()
    folds = [int(key, 16) % options.folds for key in chosen["key"]]
    return chosen[[PRODUCT, TITLE, CATEGORY]].astype(object).assign(fold=np.array(folds, np.int64))


def find_label_errors(
    titles: pd.DataFrame, names: Mapping[str, Sequence[str]], options: LabelErrorSettings, scratch: Path | None = None
) -> pd.DataFrame:
    """``label_errors``: the titles whose given category is least believable, worst first.

    Args:
        titles: `looked_at`.
        names: path of names by code, top first.
        scratch: folder for the probabilities, default the system's.

    Returns:
        Empty where there are not two categories to confuse.
    """
    codes, labels = np.unique(titles[CATEGORY].to_numpy(dtype=str), return_inverse=True)
    if len(codes) < 2:
        return _table(titles.head(0), codes, names, [np.empty(0)] * 4)
    top = pd.factorize(np.array([(names.get(code) or (code,))[0] for code in codes]), sort=True)[0].astype(np.int64)
    counts = _ngram_counts(titles[TITLE])
    with tempfile.TemporaryDirectory(dir=scratch, prefix="label-errors-") as folder:
        path = Path(folder) / "probabilities.npy"
        probabilities = np.lib.format.open_memmap(path, "w+", np.float32, (len(titles), len(codes)))
        for fold in range(options.folds):
            _judge_fold(counts, labels, top, titles["fold"].to_numpy() == fold, probabilities)
        return _suspects(titles, labels, codes, names, probabilities, options.listed)


def _ngram_counts(titles: pd.Series) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 3),
        n_features=_FEATURES,
        alternate_sign=False,
        norm=None,
        dtype=np.float32,
    )
    return vectorizer.transform(titles.astype(str))


def _judge_fold(counts: Any, labels: Ints, top: Ints, judged: npt.NDArray[np.bool_], out: Shares) -> None:
    from sklearn.feature_extraction.text import TfidfTransformer

    rows = np.flatnonzero(judged)
    if not len(rows) or judged.all():
        out[rows] = 1 / out.shape[1]
        return
    weighting = TfidfTransformer(sublinear_tf=True)
    features = weighting.fit_transform(counts[~judged])
    learned = labels[~judged]
    asked = weighting.transform(counts[judged])
    shares_of_tops = np.zeros((len(rows), top.max() + 1), np.float32)
    _add_probabilities(features, top[learned], asked, shares_of_tops, np.arange(len(rows)), np.ones(len(rows)))
    for node in np.unique(top):
        of_node = top[learned] == node
        _add_probabilities(features[of_node], learned[of_node], asked, out, rows, shares_of_tops[:, node])


def _add_probabilities(
    features: Any, labels: Ints, asked: Any, out: Shares, rows: Ints, share: npt.NDArray[np.floating[Any]]
) -> None:
    """Add ``share`` times the probability of each class to rows of ``out``; the model is forgotten afterwards."""
    from scipy.special import softmax
    from sklearn.svm import LinearSVC

    classes = np.unique(labels)
    if len(classes) < 2:
        out[np.ix_(rows, classes)] += share[:, None]
        return
    model = LinearSVC(random_state=0, tol=0.1).fit(features, labels)
    for start in range(0, len(rows), _BATCH_TITLES):
        batch = slice(start, start + _BATCH_TITLES)
        margins = model.decision_function(asked[batch])
        if margins.ndim == 1:
            margins = np.column_stack([-margins, margins])
        probability = softmax(_SHARPNESS * margins, axis=1)
        out[np.ix_(rows[batch], classes)] += share[batch, None] * probability


def _suspects(
    titles: pd.DataFrame,
    labels: Ints,
    codes: npt.NDArray[np.str_],
    names: Mapping[str, Sequence[str]],
    probabilities: Shares,
    listed: int,
) -> pd.DataFrame:
    from cleanlab.experimental.label_issues_batched import find_label_issues_batched
    from cleanlab.rank import get_normalized_margin_for_each_label

    found = find_label_issues_batched(labels, probabilities, batch_size=_BATCH_TITLES, n_jobs=1, verbose=False)
    rows = np.sort(np.asarray(found, np.int64))
    of_rows = np.asarray(probabilities[rows])
    suggested = of_rows.argmax(axis=1)
    quality = get_normalized_margin_for_each_label(labels[rows], of_rows) if len(rows) else np.empty(0)
    order = np.argsort(quality, kind="stable")
    order = order[suggested[order] != labels[rows][order]][:listed]
    place = np.arange(len(rows))
    columns = [suggested, quality, of_rows[place, labels[rows]], of_rows[place, suggested]]
    return _table(titles.iloc[rows[order]], codes, names, [column[order] for column in columns])


def _table(
    rows: pd.DataFrame, codes: npt.NDArray[np.str_], names: Mapping[str, Sequence[str]], columns: Sequence[Any]
) -> pd.DataFrame:
    suggested, quality, given_share, suggested_share = columns
    labels = [str(codes[int(index)]) for index in suggested]
    table = rows[[PRODUCT, TITLE, CATEGORY]].reset_index(drop=True)
    path = {code: " > ".join(of_code) for code, of_code in names.items()}
    table = table.assign(
        rank=np.arange(1, len(table) + 1),
        given_path=table[CATEGORY].map(path),
        suggested=pd.Series(labels, dtype=object),
        suggested_path=pd.Series([path.get(label) for label in labels], dtype=object),
        quality=np.round(np.asarray(quality, np.float64), _DIGITS),
        given_probability=np.round(np.asarray(given_share, np.float64), _DIGITS),
        suggested_probability=np.round(np.asarray(suggested_share, np.float64), _DIGITS),
    )
    return table[list(LABEL_ERRORS.column_names)]
