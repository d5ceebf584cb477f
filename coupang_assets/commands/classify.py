"""``coupang-assets classify``: categories of all titles of a file, by a month's classifier."""

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from coupang_assets.classifiers.bulk import ModelFiles, classify_file
from coupang_assets.datasets import ALL_MODELS, BPE_TOKENIZER, CATE_DICTIONARY
from coupang_assets.months import work_month
from coupang_assets.serving.choice import choose_model
from coupang_assets.settings import Settings
from coupang_assets.storage.csv_tables import read_frame
from coupang_assets.storage.layout import Layout
from coupang_assets.storage.locate import locate


def classify_titles(
    settings: Settings, month: str, source: Path, target: Path, column: str, model: str | None, console: Console
) -> None:
    """Classify a file and say how many rows got a category, and how fast.

    Args:
        column: of the titles in `source`.
        model: name of a classifier; None: the one that `predict` uses.

    Raises:
        CoupangAssetsError: the month has no such model, or a file is not what it should be.
    """
    key = work_month(month, settings.first_month)
    layout = Layout(settings)
    choice = choose_model(layout, key, model)
    files = ModelFiles(
        choice.name,
        locate(layout, ALL_MODELS[choice.name], key).paths[0],
        locate(layout, BPE_TOKENIZER, key).paths[0],
        read_frame(CATE_DICTIONARY, locate(layout, CATE_DICTIONARY, key).paths[0]),
    )
    console.print(choice.why, style="dim", highlight=False)
    started = time.monotonic()
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                   TimeRemainingColumn(), console=console)  # fmt: skip
    with bar:
        task = bar.add_task(source.name, total=1.0)
        done = classify_file(source, target, column, files, progress=lambda share: bar.update(task, completed=share))
        bar.update(task, completed=1.0)
    seconds = max(time.monotonic() - started, 1e-9)
    console.print(
        f"{done.classified:,} of {done.rows:,} titles have a category; {done.rows / seconds:,.0f} titles/s; {target}",
        highlight=False,
    )
