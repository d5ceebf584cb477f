"""How the biterm model scales: training time and memory, prediction, load, size, determinism.

Titles are generated like the sample's, in a process of their own for each training, so that memory is the training's.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from coupang_assets.sample.taxonomy import load_taxonomy
from coupang_assets.sample.titles import Vocabulary, write_titles
from coupang_assets_tests.benchmarks import notebook
from coupang_assets_tests.benchmarks.figures import Figure

_GIB, _MIB = 2**30, 2**20
_BASELINE_TITLES = 100_000
_PREDICTED_TITLES = 200_000
_CLASSIFIED_TITLES = 500_000
_DETERMINISM_TITLES = 60_000
_FEW_CATEGORIES = 600
# Every generated leaf again for each of these, as shops do.
_FOR_WHOM = ("", "여성용", "남성용", "유아용", "캠핑용", "업소용", "차량용", "사무용", "여행용", "반려동물용")
_TRAIN = textwrap.dedent("""
    import hashlib, json, resource, sys, time
    from pathlib import Path
    import ibis
    from coupang_assets.classifiers.biterm import BitermClassifier
    from coupang_assets.classifiers.bpe import train_bpe, word_counts
    titles, folder, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    connection = ibis.duckdb.connect(threads=threads, memory_limit="1GB", temp_directory=str(folder / "spill"))
    training = connection.read_parquet(titles)
    started = time.perf_counter()
    bpe = train_bpe(word_counts(training), folder / "bpe.model")
    tokenized = time.perf_counter()
    model = BitermClassifier.fit(training, bpe, scratch=folder)
    fitted = time.perf_counter()
    files = model.save(folder / "model.pickle")
    print(json.dumps({
        "bpe_s": tokenized - started, "fit_s": fitted - tokenized, "save_s": time.perf_counter() - fitted,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "sizes": {file.name: file.stat().st_size for file in files},
        "digests": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files], **model.describe(),
    }))
""")
_PREDICT = textwrap.dedent("""
    import json, sys, time
    from pathlib import Path
    import pyarrow.parquet as pq
    from coupang_assets.classifiers.biterm import BitermClassifier
    folder, titles = Path(sys.argv[1]), pq.read_table(sys.argv[2])
    started = time.perf_counter()
    model = BitermClassifier.load(folder / "model.pickle", folder / "bpe.model")
    loaded = time.perf_counter()
    ranking = model.rank(titles["ep_title"].to_pylist(), top_k=1)
    done = time.perf_counter()
    best = [model.codes[code] if code >= 0 else "" for code in ranking.code[:, 0].tolist()]
    right = sum(a == b for a, b in zip(best, titles["category4"].to_pylist()))
    print(json.dumps({"load_s": loaded - started, "predict_s": done - loaded, "right": right}))
""")
_CLASSIFY = textwrap.dedent("""
    import json, sys, time
    from pathlib import Path
    import pandas as pd
    from coupang_assets.classifiers.bulk import ModelFiles, classify_file
    if __name__ == "__main__":
        folder, titles = Path(sys.argv[1]), Path(sys.argv[2])
        codes = sorted(set(pd.read_parquet(folder / "model.parquet", columns=["code"])["code"]))
        levels = {f"lv{n}": [code[:n] if n < 4 else code for code in codes] for n in range(1, 5)}
        dictionary = pd.DataFrame({f"{n}_{what}": of for n, of in levels.items() for what in ("code", "name")})
        model = ModelFiles("biterm", folder / "model.pickle", folder / "bpe.model", dictionary)
        started = time.perf_counter()
        done = classify_file(titles, folder / "classified.parquet", "ep_title", model)
        print(json.dumps({"rate": done.rows / (time.perf_counter() - started), "rows": done.rows}))
""")


def generate(titles: int, categories: int, path: Path, held_out: Path, seed: int = 1) -> None:
    """Write a training table (and one of titles not in it) of generated titles, Parquet."""
    vocabularies = list(islice(_vocabularies(), categories))
    each = -(-titles // categories)
    extra = max(1, _PREDICTED_TITLES // categories)
    rng = np.random.default_rng(seed)
    schema = pa.schema({"ep_title": pa.string(), "category4": pa.string(), "split": pa.string()})
    with pq.ParquetWriter(path, schema) as training, pq.ParquetWriter(held_out, schema) as rest:
        for number, vocabulary in enumerate(vocabularies):
            written = write_titles(vocabulary, each + extra, rng)
            code = f"{number + 1:04d}"
            splits = ["valid" if place % 50 == 0 else "train" for place in range(each)]
            training.write_table(pa.table([written[:each], [code] * each, splits], schema=schema))
            rest.write_table(pa.table([written[each:], [code] * extra, ["test"] * extra], schema=schema))


def _vocabularies() -> Iterator[Vocabulary]:
    for for_whom, top in product(_FOR_WHOM, load_taxonomy()):
        for group in top.groups:
            for leaf in group.leaves:
                words = top.vocabulary
                yield Vocabulary(
                    brands=group.brands or words["brands"],
                    words=words["words"],
                    units=group.units or words["units"],
                    options=words["options"],
                    group_words=group.words,
                    nouns=leaf.nouns,
                    generic_nouns=group.level3.split("/"),
                    sibling_nouns=[noun for one in group.leaves for noun in one.nouns if noun not in leaf.nouns],
                    qualifier=for_whom or None,
                    models=top.models,
                )


def measure(titles: int, categories: int, folder: Path) -> Iterator[Figure]:
    """All figures of scale."""
    data, held_out = folder / "titles.parquet", folder / "held_out.parquet"
    generate(titles, categories, data, held_out)
    trained = _run(_TRAIN, data, folder, 2)
    seconds = trained["bpe_s"] + trained["fit_s"] + trained["save_s"]
    how = (
        f"{titles:,} titles, {categories:,} categories: tokenizer {trained['bpe_s']:.0f} s, percents "
        f"{trained['fit_s']:.0f} s, files {trained['save_s']:.0f} s; load {psutil.getloadavg()[0]:.1f}"
    )
    yield Figure("training at scale", round(seconds, 1), "s", "≤ 300", seconds <= 300, how)
    gib = trained["peak"] / _GIB
    yield Figure("training at scale: peak memory", round(gib, 2), "GiB", "≤ 4", gib <= 4, "ru_maxrss of the process")
    size = sum(trained["sizes"].values()) / _MIB
    yield Figure("model at scale: size", round(size, 1), "MiB", "", None, f"{trained['percents']:,} percents, 4 files")
    yield _notebook_figure(data, titles, seconds)
    predicted = _run(_PREDICT, folder, held_out)
    rows = pq.read_metadata(held_out).num_rows
    yield Figure(
        "prediction at scale, one process", int(rows / predicted["predict_s"]), "titles/s", "", None,
        f"{rows:,} held-out titles, best category",
    )  # fmt: skip
    yield _classified(categories, folder, held_out)
    load = predicted["load_s"]
    yield Figure("model at scale: load", round(load, 2), "s", "≤ 2", load <= 2, "checksum, pickle and tokenizer")
    yield Figure("accuracy at scale", round(100 * predicted["right"] / rows, 2), "%", "", None, "held-out titles")
    yield from _deterministic(categories, folder)
    few = folder / "again-0"
    yield _classified(min(categories, _FEW_CATEGORIES), few, folder / "some_held_out.parquet")


def _classified(categories: int, folder: Path, titles: Path) -> Figure:
    """`classify` of a file, as a user has it: reading, writing and starting the processes are part of it."""
    many = folder / "many.parquet"
    held_out = pq.read_table(titles, columns=["ep_title"])
    with pq.ParquetWriter(many, held_out.schema) as writer:
        for _ in range(-(-_CLASSIFIED_TITLES // held_out.num_rows)):
            writer.write_table(held_out)
    found = _run(_CLASSIFY, folder, many)
    return Figure(
        f"classify, {categories:,} categories", int(found["rate"]), "titles/s", "≥ 50000", found["rate"] >= 50_000,
        f"{found['rows']:,} titles, file to file, {psutil.cpu_count()} cores; load {psutil.getloadavg()[0]:.1f}",
    )  # fmt: skip


def _notebook_figure(data: Path, titles: int, seconds: float) -> Figure:
    table = pq.read_table(data, columns=["ep_title", "category4"])
    chosen = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:_BASELINE_TITLES])
    part = table.take(pa.array(chosen))
    started = time.perf_counter()
    notebook.learn(part["ep_title"].to_pylist(), part["category4"].to_pylist())
    baseline = (time.perf_counter() - started) * titles / len(chosen)
    return Figure(
        "training at scale against the notebook's loops", round(baseline / seconds, 2), "times", "≥ 10",
        baseline >= 10 * seconds, f"the loops timed on {len(chosen):,} of the titles: {baseline:,.0f} s for all",
    )  # fmt: skip


def _deterministic(categories: int, folder: Path) -> Iterator[Figure]:
    data = folder / "some.parquet"
    generate(_DETERMINISM_TITLES, min(categories, _FEW_CATEGORIES), data, folder / "some_held_out.parquet")
    shuffled = folder / "shuffled.parquet"
    table = pq.read_table(data)
    pq.write_table(table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows))), shuffled)
    found = []
    for number, (rows, threads) in enumerate(((data, 1), (shuffled, 4))):
        inside = folder / f"again-{number}"
        inside.mkdir()
        found.append(_run(_TRAIN, rows, inside, threads)["digests"])
    yield Figure(
        "same seed and data, same files", int(found[0] == found[1]), "", "1", found[0] == found[1],
        "rows shuffled, 1 and 4 threads of the engine, two processes: " + hashlib.sha256(
            json.dumps(found[0]).encode()).hexdigest()[:12],
    )  # fmt: skip


def _run(script: str, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))
