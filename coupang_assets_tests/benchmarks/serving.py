"""`python -m coupang_assets_tests.benchmarks.serving --json FILE`: does the prediction service keep its word?

Two versions of a month's model are made; the service answers with one as a process of its own, `coupang-assets serve`.
Then: how many single-title requests a second do 64 clients get and how long do they wait, does a change of the model
cost anyone an answer, and what happens at three times the load it can serve? Clients and service share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import requests

from coupang_assets.datasets import BPE_TOKENIZER, BTM_PERCENT_DICT, COUPANG_TRAIN
from coupang_assets.settings import Settings
from coupang_assets.storage.commit import commit, dataset_lock, temporary_name
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate
from coupang_assets.storage.manifest import read_manifest
from coupang_assets_tests.benchmarks.figures import Figure, report
from coupang_assets_tests.benchmarks.http_load import LoadResult, closed_loop, http_request, open_loop
from coupang_assets_tests.serving.process import service

_MONTH = "2024_05"
_MIB = 2**20
_OVERLOAD = 3
_OVERLOAD_CONNECTIONS = 512
_SWAP_SECONDS = 2.0


def make_month(root: Path, vocabulary: int) -> Layout:
    """A finished month of the sample under `root`."""
    environment = os.environ | {"COUPANG_ROOT": str(root), "COUPANG_TRAINING__VOCABULARY": str(vocabulary)}
    command = [sys.executable, "-m", "coupang_assets.cli", "run", _MONTH]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return Layout(Settings(_env_file=None, root=root))


def titles_of(layout: Layout, count: int = 2000) -> list[str]:
    """Held-out titles of the month."""
    rows = read_frame(COUPANG_TRAIN, locate(layout, COUPANG_TRAIN, _MONTH).paths[0])
    return rows.loc[rows["split"] == "test", "ep_title"].head(count).tolist()


def publish(source: Layout, target: Layout) -> None:
    """Put the model of one root in the place of the other's, as a run does: tokenizer first, each in one commit."""
    for dataset in (BPE_TOKENIZER, BTM_PERCENT_DICT):
        manifest = read_manifest(source.month_folder(_MONTH), dataset.name)
        assert manifest is not None
        folder = target.month_folder(_MONTH)
        with dataset_lock(folder, dataset.name):
            for record in manifest.files:
                shutil.copy2(source.month_folder(_MONTH) / record.path, temporary_name(folder / record.path))
            commit(folder, manifest)


async def under_swaps(
    port: int, asked: list[bytes], clients: int, seconds: float, roots: Sequence[Layout]
) -> LoadResult:
    """Load while every few seconds another version of the model is published in the first of `roots`."""
    load = asyncio.create_task(closed_loop(port, asked, clients, seconds))
    turn = 0
    while not load.done():
        await asyncio.sleep(_SWAP_SECONDS)
        turn += 1
        await asyncio.to_thread(publish, roots[1 + turn % 2], roots[0])
    return await load


def swaps(port: int) -> int:
    """Changes of the model the service counts."""
    text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    line = next(line for line in text.splitlines() if line.startswith("coupang_assets_model_swaps_total "))
    return int(float(line.split()[1]))


def measure(folder: Path, clients: int, seconds: float) -> list[Figure]:
    """All figures, with everything made under `folder`."""
    first, second = make_month(folder / "first", 8000), make_month(folder / "second", 4000)
    shutil.copytree(folder / "first", folder / "served")
    served = Layout(Settings(_env_file=None, root=folder / "served"))
    titles = titles_of(first)
    with service(folder / "served", f"{_MONTH}/biterm") as (port, process):
        asked = [
            http_request(port, "/predict", json.dumps({"titles": title, "top_k": 3}, ensure_ascii=False).encode())
            for title in titles
        ]
        asyncio.run(closed_loop(port, asked, clients, 2.0))
        calm = asyncio.run(closed_loop(port, asked, clients, seconds))
        before = swaps(port)
        swapping = asyncio.run(under_swaps(port, asked, clients, seconds, (served, first, second)))
        swapped = swaps(port) - before
        rate = _OVERLOAD * calm.answered_per_s
        flood = asyncio.run(open_loop(port, asked, rate, _OVERLOAD_CONNECTIONS, seconds))
        after = asyncio.run(closed_loop(port, asked, clients, seconds / 2))
        peak = process.memory_info().rss / _MIB
    of = f"biterm, {clients} clients on loopback, {seconds:g} s, one title a request, on the service's cores"
    p99 = calm.percentile_ms(99)
    return [
        Figure("single-title requests/s", calm.answered_per_s, "1/s", "≥ 1,000", calm.answered_per_s >= 1000, of),
        Figure("latency, median", calm.percentile_ms(50), "ms", "", None, of),
        Figure("latency, 99th percentile", p99, "ms", "≤ 100", p99 <= 100, of),
        Figure("errors", calm.errors + calm.statuses[429], "answers", "0", not calm.errors + calm.statuses[429], of),
        Figure(
            "errors while the model is changed",
            swapping.errors + swapping.statuses[429],
            "answers",
            "0",
            swapped > 0 and not swapping.errors + swapping.statuses[429],
            f"{swapped} changes of the model under the same load, {swapping.statuses[200]:,} answers",
        ),
        Figure(
            "latency while the model is changed, 99th percentile",
            swapping.percentile_ms(99),
            "ms",
            "",
            None,
            "as above",
        ),
        Figure(
            f"errors at {_OVERLOAD} times the load",
            flood.errors,
            "answers",
            "0",
            not flood.errors,
            f"{rate:,.0f} requests/s asked for over {_OVERLOAD_CONNECTIONS} connections: "
            f"{sum(flood.statuses.values()):,} sent, {flood.statuses[200]:,} answered, "
            f"{flood.statuses[429]:,} refused with 429",
        ),
        Figure(
            f"answers/s at {_OVERLOAD} times the load",
            flood.answered_per_s,
            "1/s",
            "≥ half of the calm rate",
            flood.answered_per_s >= calm.answered_per_s / 2,
            "those with status 200; the rest is refused at once",
        ),
        Figure(
            f"latency at {_OVERLOAD} times the load, 99th percentile",
            flood.percentile_ms(99),
            "ms",
            "",
            None,
            "of the 200s",
        ),
        Figure(
            "requests/s after the flood",
            after.answered_per_s,
            "1/s",
            "≥ 0.8 of before",
            after.answered_per_s >= 0.8 * calm.answered_per_s,
            "the service has recovered",
        ),
        Figure("memory of the service", peak, "MiB", "", None, "resident, at the end"),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=64, help="connections that ask at the same time")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each load")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parsed = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), parsed.clients, parsed.seconds)
    return 0 if report("Prediction service", figures, parsed.json) else 1


if __name__ == "__main__":
    sys.exit(main())
