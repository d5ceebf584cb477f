"""`python -m coupang_assets_tests.benchmarks.crawl --categories N --json FILE`: does the crawl keep its word?

A shop that fails in every way it can, kill -9 in between, and then: are the names right, is everything accounted for,
was the shop asked politely, how fast is it without throttling, and does memory stay flat?
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from coupang_assets.crawling.journal import CATEGORY_COLUMNS, iter_journal
from coupang_assets.crawling.options import CrawlOptions
from coupang_assets.crawling.outcomes import DEFINITIVE, Outcome
from coupang_assets.crawling.runner import CrawlProgress, crawl
from coupang_assets.crawling.summary import NAME_COLUMNS, summarize
from coupang_assets_tests.benchmarks.crawl_shop import (
    Faults,
    page_of,
    product_ids,
    read_log,
    serving,
    true_names,
)
from coupang_assets_tests.benchmarks.figures import Figure, report

_MIB = 2**20
_SETTLED = {Outcome.NAMED.value, Outcome.OFF_SALE.value, Outcome.NO_BREADCRUMB.value}
_MAX_RUNS = 60
_CRAWL = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    import pandas as pd
    from coupang_assets.crawling.options import CrawlOptions
    from coupang_assets.crawling.runner import crawl
    candidates, journal, options = sys.argv[1:]
    crawl(pd.read_pickle(candidates), Path(journal), CrawlOptions(**json.loads(options)))
""")


def category_code(category: int) -> str:
    return f"{category + 1:06d}"


def candidates_table(categories: int) -> pd.DataFrame:
    """All candidates of the benchmark's categories, as `crawl` takes them."""
    rows = [
        ("0001", "0010", "0100", category_code(category), rank, product_id)
        for category in range(categories)
        for rank, product_id in enumerate(product_ids(category), start=1)
    ]
    return pd.DataFrame(rows, columns=[*CATEGORY_COLUMNS, "rank", "product_id"])


def with_faults(categories: int, kills: int, folder: Path) -> Iterator[Figure]:
    """Crawl a shop that fails, get killed, and compare with the truth."""
    expected_requests = int(categories * 2.6)
    burst = max(150, categories // 20)
    faults = Faults(
        bursts=tuple((start, start + burst) for start in (expected_requests // 4, expected_requests * 3 // 5))
    )
    candidates, journal, log = folder / "candidates.pickle", folder / "faults.jsonl", folder / "faults_access.jsonl"
    table = candidates_table(categories)
    table.to_pickle(candidates)
    started = time.monotonic()
    ended_before: dict[str, float] = {}
    with serving(faults, log) as base_url:
        options = CrawlOptions(
            base_url, delay_s=0.0, autothrottle=False, concurrency=8, timeout_s=1.0, retries=2, backoff_s=0.1,
            stop_after=20,
        )  # fmt: skip
        runs, stops, killed = 0, 0, 0
        while runs < _MAX_RUNS:
            runs += 1
            kill_at = expected_requests * (killed + 1) // (kills + 2) if killed < kills else None
            killed += _run(candidates, journal, options, log, kill_at, by_child=killed % 2 == 1)
            now = time.monotonic()
            for attempt in iter_journal(journal):
                if attempt.outcome in DEFINITIVE:
                    ended_before.setdefault(attempt.product_id, now)
            summary = summarize(iter_journal(journal), _keys(table))
            stops += int((summary["outcome"] == "not_asked").any())
            if killed == kills and set(summary["outcome"]) <= _SETTLED:
                break
    elapsed = time.monotonic() - started
    requests = read_log(log)
    yield from _right(summary, categories, faults)
    yield from _once(requests, ended_before, killed, options.concurrency)
    yield from _polite(requests, options)
    how = f"{killed} ended by kill -9; after {stops} categories were left unasked"
    yield Figure("runs until nothing was left", runs, "runs", "", None, how)
    yield Figure("time with faults", round(elapsed, 1), "s", "", None, f"{len(requests):,} requests, hangs of 1 s")


def _run(candidates: Path, journal: Path, options: CrawlOptions, log: Path, kill_at: int | None, by_child: bool) -> int:
    """One crawl in a process of its own; 1 if it was killed because the shop had `kill_at` requests."""
    command = [sys.executable, "-c", _CRAWL, str(candidates), str(journal), json.dumps(asdict(options))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if kill_at is not None and _lines(log) >= kill_at:
                # Either the caller or the crawling process itself is shot; neither may cost anything.
                children = psutil.Process(process.pid).children()
                victims = children if by_child and children else [psutil.Process(process.pid)]
                for victim in victims:
                    victim.send_signal(signal.SIGKILL)
                process.wait()
                return 1
            time.sleep(0.02)
    return 0


def _lines(log: Path) -> int:
    with log.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_MIB), b""))


def _keys(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    return list(table[CATEGORY_COLUMNS].drop_duplicates().itertuples(index=False, name=None))


def _right(summary: pd.DataFrame, categories: int, faults: Faults) -> Iterator[Figure]:
    rows = summary.set_index("category4")
    nameable = [n for n in range(categories) if any(page_of(one, faults) == "ok" for one in product_ids(n))]
    found = {code: tuple(name for name in row if name) for code, *row in rows[NAME_COLUMNS].itertuples(name=None)}
    right = sum(found.get(category_code(n)) == true_names(n) for n in nameable)
    yield Figure(
        "nameable categories with their right name", round(100 * right / len(nameable), 3), "%", "100",
        right == len(nameable), f"{right:,} of {len(nameable):,}, compared with the shop's truth",
    )  # fmt: skip
    others = rows.drop(index=[category_code(n) for n in nameable])
    listed = int((others["reason"].notna() & others["outcome"].isin(_SETTLED - {"named"})).sum())
    yield Figure(
        "other categories listed with their reason", listed, "categories", f"{categories - len(nameable)}",
        listed == categories - len(nameable), "no product of theirs is good: off_sale or no_breadcrumb",
    )  # fmt: skip


def _once(
    requests: Sequence[dict[str, Any]], ended: dict[str, float], kills: int, concurrency: int
) -> Iterator[Figure]:
    after = sum(
        request["start"] > ended[product]
        for request in requests
        if (product := _product(request["path"])) and product in ended
    )
    yield Figure(
        "products fetched again after a recorded success", after, "requests", "0", after == 0,
        "access log against the journal at each start",
    )  # fmt: skip
    served = Counter(r["path"] for r in requests if _product(r["path"]) and _is_success(r))
    twice = sum(count - 1 for count in served.values())
    yield Figure(
        "pages served twice", twice, "pages", f"≤ {2 * kills * concurrency}", twice <= 2 * kills * concurrency,
        f"only what was under way when one of {kills} kills came",
    )  # fmt: skip


def _is_success(request: dict[str, Any]) -> bool:
    return bool(request["status"] == 200 and not request.get("refused"))


def _product(path: str) -> str | None:
    parts = path.split("/")
    return parts[3] if path.startswith("/vp/products/") else None


def _polite(requests: Sequence[dict[str, Any]], options: CrawlOptions) -> Iterator[Figure]:
    moments = sorted([(r["start"], 1) for r in requests] + [(r["end"], -1) for r in requests])
    in_flight = most = 0
    for _, change in moments:
        in_flight += change
        most = max(most, in_flight)
    yield Figure(
        "requests in flight at most", most, "requests", f"≤ {options.concurrency}", most <= options.concurrency,
        "starts and ends in the shop's access log",
    )  # fmt: skip
    forbidden = sum(r["path"].startswith("/np/") for r in requests)
    yield Figure("forbidden pages asked", forbidden, "requests", "0", forbidden == 0, "robots.txt: Disallow: /np/")
    by_path: dict[str, list[dict[str, Any]]] = {}
    for request in sorted(requests, key=lambda request: request["start"]):
        by_path.setdefault(request["path"], []).append(request)
    waits = [
        later["start"] - earlier["end"]
        for asked in by_path.values()
        for earlier, later in itertools.pairwise(asked)
        if earlier["status"] in (403, 503)
    ]
    least = min(waits, default=options.backoff_s)
    yield Figure(
        "least pause before a refused page is asked again", round(least, 3), "s", f"≥ {options.backoff_s}",
        least >= options.backoff_s * 0.95, f"{len(waits):,} refusals and server errors",
    )  # fmt: skip


def throttled(folder: Path) -> Iterator[Figure]:
    """The rate a polite crawl keeps."""
    delay_s, pages = 0.1, 40
    log = folder / "throttled_access.jsonl"
    with serving(Faults(0, 0, 0, 0, (), 0), log) as base_url:
        crawl(candidates_table(pages), folder / "throttled.jsonl", CrawlOptions(base_url, delay_s=delay_s, agreeing=1))
    starts = sorted(request["start"] for request in read_log(log))
    rate = (len(starts) - 1) / (starts[-1] - starts[0])
    yield Figure(
        "rate of a throttled crawl", round(rate, 2), "requests/s", f"≤ {1 / delay_s:.0f}", rate <= 1.02 / delay_s,
        f"{len(starts)} requests with a delay of {delay_s} s, from the shop's access log",
    )  # fmt: skip


def speed_and_memory(sizes: Sequence[int], folder: Path) -> Iterator[Figure]:
    """Pages a second without throttling, and the crawling process' peak memory, for each number of pages."""
    faults = Faults(0, 0, 0, 0, (), 0)
    peaks = []
    for pages in sizes:
        peak = 0
        last: list[CrawlProgress] = []

        def watch(progress: CrawlProgress, last: list[CrawlProgress] = last) -> None:
            nonlocal peak
            last[:] = [progress]
            for child in psutil.Process().children():
                if "coupang_assets.crawling" in child.cmdline():
                    peak = max(peak, _peak_bytes(child.pid))

        with serving(faults, folder / f"speed_{pages}.jsonl") as base_url:
            options = CrawlOptions(base_url, delay_s=0.0, autothrottle=False, concurrency=16, agreeing=1)
            started = time.monotonic()
            summary = crawl(candidates_table(pages), folder / f"speed_{pages}_journal.jsonl", options, watch)
            elapsed = time.monotonic() - started
        assert set(summary.table["outcome"]) == {"named"}
        rate = pages / elapsed
        peaks.append(peak)
        yield Figure(
            f"pages a second, {pages:,} pages", round(rate, 1), "pages/s", "≥ 80", rate >= 80,
            f"{elapsed:.1f} s from call to summary, shop on the same {psutil.cpu_count()} cores, "
            f"load {psutil.getloadavg()[0]:.1f}",
        )  # fmt: skip
        yield Figure(
            f"peak memory, {pages:,} pages", round(peak / _MIB, 1), "MiB", "", None, "VmHWM of the crawling process"
        )
    growth = peaks[-1] / peaks[0]
    yield Figure(
        f"memory at {sizes[-1]:,} pages against {sizes[0]:,}", round(growth, 3), "times", "≤ 1.15", growth <= 1.15,
        "flat: what the crawl keeps does not grow with it",
    )  # fmt: skip


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.crawl")
    parser.add_argument("--categories", type=int, default=5_000, help="new categories of the crawl with faults")
    parser.add_argument("--pages", type=int, default=50_000, help="pages of the longest crawl without throttling")
    parser.add_argument("--kills", type=int, default=5, help="kill -9 during the crawl with faults")
    parser.add_argument("--quick", action="store_true", help="200 categories, 1,500 pages, 2 kills")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    if options.quick:
        options.categories, options.pages, options.kills = min(options.categories, 200), 1_500, 2
    with tempfile.TemporaryDirectory(prefix="crawl-benchmark-") as name:
        folder = Path(name)
        figures = [
            *with_faults(options.categories, options.kills, folder),
            *throttled(folder),
            *speed_and_memory((min(1_000, options.pages // 3), options.pages), folder),
        ]
    return 0 if report(f"Crawl: {options.categories:,} new categories", figures, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
