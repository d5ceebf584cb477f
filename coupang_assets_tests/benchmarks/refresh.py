"""`python -m coupang_assets_tests.benchmarks.refresh --json FILE`: does a refresh run what is stale, and only that?

Two made-up months of the real graph, refreshed by the real command in processes of its own; and the plan over 130
months whose records lie on disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from coupang_assets.definitions import build_defs
from coupang_assets.files import write_text
from coupang_assets.months import add_months
from coupang_assets.refresh.graph import Graph
from coupang_assets.refresh.plan import State, plan
from coupang_assets.refresh.records import DiskRecords
from coupang_assets.settings import Settings
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.manifest import FileRecord, manifest_path
from coupang_assets_tests.benchmarks.figures import Figure, report
from coupang_assets_tests.refresh.chain import long_chain

_MAY, _JUNE = "2024_05", "2024_06"
_LONG_CHAIN = 130
_NO_CHANGE_S, _PLAN_S = 5.0, 5.0


@dataclass(frozen=True)
class Command:
    """`coupang-assets` on one root, with settings that may change between calls."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, expected: tuple[int, ...] = (0,)) -> tuple[float, str]:
        """Seconds of the whole process, and what it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUPANG_")}
        environment |= {"COUPANG_ROOT": str(self.root), "DAGSTER_HOME": str(self.root / "dagster_home")}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "coupang_assets.cli", *arguments],
            env=environment | self.settings | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started
        assert done.returncode in expected, done.stdout + done.stderr
        return seconds, done.stdout


def _made(root: Path, month: str) -> dict[str, str]:
    """The run that made each dataset of a month, by its record."""
    return {
        path.stem: json.loads(path.read_text())["run_id"]
        for path in sorted((root / "data" / month / ".manifests").glob("*.json"))
    }


def small_changes(command: Command) -> Iterator[Figure]:
    """Two months, and what a change of the training cap runs again."""
    load = f"load {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores"
    first, _ = command("refresh", _MAY, "--through", _JUNE)
    yield Figure("two months from nothing", round(first, 1), "s", "", None, f"coupang-assets refresh, {load}")
    before = {month: _made(command.root, month) for month in (_MAY, _JUNE)}
    again = [command("refresh", _MAY)[0] for _ in range(3)]
    unchanged = {month: _made(command.root, month) for month in (_MAY, _JUNE)} == before
    yield Figure(
        "a refresh without a change", round(min(again), 2), "s", f"≤ {_NO_CHANGE_S:.0f}", min(again) <= _NO_CHANGE_S,
        f"whole process, best of {len(again)} (worst {max(again):.2f}), {load}",
    )  # fmt: skip
    yield Figure("datasets it ran", 0 if unchanged else "some", "datasets", "0", unchanged, "records compared")
    seconds, _ = command("status", _MAY)
    yield Figure("status of a fresh month", round(seconds, 2), "s", "", None, "whole process, source observed afresh")

    capped = Command(command.root, {**command.settings, "COUPANG_TRAINING__CAP": "5"})
    graph = Graph.of(build_defs(Settings(_env_file=None, root=command.root)))
    expected = {"coupang_train"} | graph.following("coupang_train")
    seconds, _ = capped("refresh", _MAY, "--through", _JUNE)
    for month in (_MAY, _JUNE):
        after = _made(command.root, month)
        ran = {name for name, run_id in after.items() if before[month].get(name) != run_id}
        yield Figure(
            f"run after a change of the training cap, {month}", len(ran), "datasets", f"{len(expected)}",
            ran == expected, f"{', '.join(sorted(ran))}; both months in {seconds:.1f} s",
        )  # fmt: skip


def long_plan(folder: Path) -> Iterator[Figure]:
    """Records of 130 months on disk, planned anew."""
    settings = Settings(_env_file=None, root=folder / "long")
    graph = Graph.of(build_defs(settings))
    months = [add_months("2014_01", n) for n in range(_LONG_CHAIN)]
    layout = Layout(settings)
    chain = long_chain(graph, months)
    for (month, name), manifest in chain.manifests.items():
        folder_of_month = layout.month_folder(month)
        records = []
        dataset = graph.by_name[name].dataset
        text = ",".join(dataset.column_names) + "\n"
        for file in (folder_of_month / path for path in dataset.paths[:1]):
            write_text(file, text)
            relative = str(file.relative_to(folder_of_month))
            records.append(FileRecord(path=relative, bytes=len(text), sha256="", mtime_ns=file.stat().st_mtime_ns))
        record = manifest.model_copy(update={"files": records})
        write_text(manifest_path(folder_of_month, name), record.model_dump_json())
    started = time.perf_counter()
    statuses = plan(graph, DiskRecords(layout), months[-1:])
    seconds = time.perf_counter() - started
    fresh = sum(status.state is State.FRESH for status in statuses.values())
    yield Figure(
        f"plan over {_LONG_CHAIN} months", round(seconds, 2), "s", f"≤ {_PLAN_S:.0f}", seconds <= _PLAN_S,
        f"{len(statuses):,} records read from disk",
    )  # fmt: skip
    yield Figure("of them fresh", fresh, "datasets", f"{len(statuses)}", fresh == len(statuses), "nothing was changed")
    command = Command(settings.root, {"COUPANG_SAMPLE__ENABLED": "false"})
    took = min(command("status", months[-1], expected=(3,))[0] for _ in range(3))
    yield Figure(
        f"status of a month with {_LONG_CHAIN - 1} before it", round(took, 2), "s", "", None, "whole process, best of 3"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report; 0 when every promise is kept."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m coupang_assets_tests.benchmarks.refresh")
    parser.add_argument("--events", type=int, default=20_000, help="events a sampled day")
    parser.add_argument("--days", type=int, default=8, help="sampled days a month")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    size = {"COUPANG_SAMPLE__EVENTS_PER_DAY": str(options.events), "COUPANG_SAMPLING__DAYS": str(options.days)}
    with tempfile.TemporaryDirectory(prefix="refresh-benchmark-") as name:
        folder = Path(name)
        figures = [*long_plan(folder), *small_changes(Command(folder / "root", size))]
    title = f"Refresh: {options.days} days of {options.events:,} events"
    return 0 if report(title, figures, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
