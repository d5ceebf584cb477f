"""The files of a biterm model (contract section 5): the pickle, its checksum, the same as Parquet, the calibration.

Belongs here: writing and reading them. Does not: what percents mean (`biterm`), or how a pickle is made safe to read
(`safe_pickle`).

The pickle is the model. The Parquet twin holds the same percents and is read in its stead where it can be, in a
quarter of the time: where the `….json`, which is written last, says that it was made with this very pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.classifiers import safe_pickle
from coupang_assets.classifiers.biterm_fit import Percents
from coupang_assets.classifiers.bpe import BpeTokenizer
from coupang_assets.classifiers.calibration import Calibration
from coupang_assets.classifiers.keys import KeySpace
from coupang_assets.classifiers.title_tokens import Ints
from coupang_assets.errors import CoupangAssetsError
from coupang_assets.files import atomic_file, sha256_file

_FORMAT = "coupang-assets biterm 1"
_SCHEMA = pa.schema({"key_a": pa.string(), "key_b": pa.string(), "code": pa.string(), "percent": pa.float64()})
_ROW_GROUP = 250_000


@dataclass(frozen=True)
class _Entries:
    """Percents as a file has them, key by key.

    Attributes:
        first, second: tokens of the keys, as ranks; second is -1 for a single token.
        starts: where each key's percents start, and the end of the last.
        codes: categories, sorted.
        code, percent: of each percent; its category as a position in `codes`.
    """

    first: Ints
    second: Ints
    starts: Ints
    codes: list[str]
    code: Ints
    percent: Any


def write(path: Path, percents: Percents, tokenizer: BpeTokenizer, calibration: Calibration | None) -> tuple[Path, ...]:
    """Write the model, each file atomically. Same model, same bytes.

    Args:
        path: the pickle, `….pickle`.

    Returns:
        The pickle, its checksum (`….pickle.sha256`), the same table as Parquet (`….parquet`: key_a, key_b, code,
        percent; key_b is empty for a single token; sorted by the first three), and what the pickle's format has no
        place for (`….json`: the calibration, and the SHA-256 of both files).
    """
    twin, about = path.with_suffix(".parquet"), path.with_suffix(".json")
    with atomic_file(twin) as file:
        _write_twin(file, percents, tokenizer)
    pickle, checksum = safe_pickle.dump(_entries(percents, tokenizer), path)
    content = {
        "format": _FORMAT,
        "calibration": calibration and calibration.as_json(),
        "same_percents": {"pickle": sha256_file(pickle), "parquet": sha256_file(twin)},
    }
    with atomic_file(about) as file:
        file.write(json.dumps(content).encode())
    return pickle, checksum, twin, about


def read(path: Path, bpe_path: Path, tokenizer: BpeTokenizer) -> tuple[Percents, Calibration | None]:
    """Percents and calibration. Without the `….json` there is no calibration.

    Raises:
        CoupangAssetsError: a file is missing, damaged or of another format, or the tokenizer is another month's.
    """
    calibration, same = _about(path.with_suffix(".json"))
    pickle, twin = safe_pickle.verified_digest(path), path.with_suffix(".parquet")
    is_twin = twin.is_file() and same == {"pickle": pickle, "parquet": sha256_file(twin)}
    ranks = {**tokenizer.ranks, "": -1}
    try:
        found = _of_twin(twin, ranks) if is_twin else _of_pickle(path, ranks)
    except KeyError as error:
        raise CoupangAssetsError(
            f"{path} uses the token {error.args[0]!r}, which the tokenizer {bpe_path} does not have.",
            "Use the tokenizer of the same month, or materialize both again.",
        ) from error
    return _percents(found, len(tokenizer.tokens)), calibration


def _entries(percents: Percents, tokenizer: BpeTokenizer) -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
    """Keys and percents in the order of the keys' texts, which the ranks of tokens follow."""
    table, tokens = percents.table, tokenizer.tokens
    codes = [percents.codes[index] for index in table.indices.tolist()]
    values, starts = table.data.tolist(), table.indptr.tolist()
    for row, first, second in _rows_in_order(percents):
        of_key = slice(starts[row], starts[row + 1])
        key = (tokens[first], "" if second < 0 else tokens[second])
        yield key, dict(zip(codes[of_key], values[of_key], strict=True))


def _rows_in_order(percents: Percents) -> list[tuple[int, int, int]]:
    """Row, first and second token (-1: none) of every key that has a percent, by first and second token."""
    keys = percents.keys
    first = np.concatenate([np.arange(keys.tokens), keys.first])
    second = np.concatenate([np.full(keys.tokens, -1), keys.second])
    order = np.lexsort((second, first))
    order = order[np.diff(percents.table.indptr)[order] > 0]
    return list(zip(order.tolist(), first[order].tolist(), second[order].tolist(), strict=True))


def _write_twin(file: Any, percents: Percents, tokenizer: BpeTokenizer) -> None:
    table = percents.table
    # Taken from the end by -1, no second token.
    tokens, codes = pa.array([*tokenizer.tokens, ""], pa.string()), pa.array(percents.codes, pa.string())
    rows, first, second = np.array(_rows_in_order(percents), np.int64).reshape(-1, 3).T
    lengths = np.diff(table.indptr)[rows]
    ordered = table[rows]
    first, second = np.repeat(first, lengths), np.repeat(second % len(tokens), lengths)
    with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
        for start in range(0, ordered.nnz, _ROW_GROUP):
            part = slice(start, start + _ROW_GROUP)
            columns = [
                tokens.take(pa.array(first[part])),
                tokens.take(pa.array(second[part])),
                codes.take(pa.array(ordered.indices[part])),
                pa.array(ordered.data[part]),
            ]
            writer.write_table(pa.table(columns, schema=_SCHEMA))


def _of_twin(twin: Path, ranks: dict[str, int]) -> _Entries:
    texts = _SCHEMA.names[:-1]
    table = pq.read_table(twin, read_dictionary=texts).unify_dictionaries().combine_chunks()
    key_a, key_b, code = (table.column(name).combine_chunks() for name in texts)
    first, second = (
        np.array([ranks[token] for token in key.dictionary.to_pylist()], np.int64)[key.indices.to_numpy()]
        for key in (key_a, key_b)
    )
    begins = np.ones(len(first), bool)
    begins[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts = np.flatnonzero(begins)
    codes, position = np.unique(np.array(code.dictionary.to_pylist(), dtype=object), return_inverse=True)
    return _Entries(
        first[starts],
        second[starts],
        np.append(starts, len(first)),
        codes.tolist(),
        position[code.indices.to_numpy()],
        table.column("percent").to_numpy(),
    )


def _of_pickle(path: Path, ranks: dict[str, int]) -> _Entries:
    percents = safe_pickle.load(path)
    texts = list(chain.from_iterable(percents.values()))
    codes = sorted(set(texts))
    position = {code: index for index, code in enumerate(codes)}
    return _Entries(
        np.fromiter((ranks[a] for a, _ in percents), np.int64, len(percents)),
        np.fromiter((ranks[b] for _, b in percents), np.int64, len(percents)),
        np.concatenate([[0], np.cumsum(np.fromiter(map(len, percents.values()), np.int64, len(percents)))]),
        codes,
        np.fromiter(map(position.__getitem__, texts), np.int64, len(texts)),
        np.fromiter(chain.from_iterable(map(dict.values, percents.values())), np.float64, len(texts)),
    )


def _percents(found: _Entries, tokens: int) -> Percents:
    from scipy.sparse import csr_matrix

    pair = found.second >= 0
    order = np.lexsort((found.second[pair], found.first[pair]))
    keys = KeySpace(tokens, found.first[pair][order], found.second[pair][order])
    row = found.first.copy()
    row[np.flatnonzero(pair)[order]] = tokens + np.arange(len(order))
    # As the file has them, and after the last an empty row for keys that it does not have.
    nothing = len(row)
    starts = np.append(found.starts, found.starts[-1])
    in_file = csr_matrix((found.percent, found.code, starts), shape=(nothing + 1, len(found.codes)))
    place = np.full(len(keys), nothing)
    place[row] = np.arange(nothing)
    table = in_file[place]
    table.sort_indices()
    return Percents(found.codes, keys, table)


def _about(about: Path) -> tuple[Calibration | None, dict[str, str]]:
    try:
        content = json.loads(about.read_text("utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']}")
        calibration = content["calibration"]
        same = {str(name): str(digest) for name, digest in content.get("same_percents", {}).items()}
        return None if calibration is None else Calibration.from_json(calibration), same
    except FileNotFoundError:
        return None, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CoupangAssetsError(
            f"{about} is not of the biterm classifier ({error}).", "Delete it, or materialize btm_percent_dict again."
        ) from error
