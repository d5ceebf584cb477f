"""The file that hands a crawl to the crawling process.

Belongs here: the form of the file. Does not: what goes into it (`candidates.py`), starting the process (`runner.py`).

The file is JSON lines: the options, then one line a category, so that the process reads it as it goes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coupang_assets.crawling.journal import Answer, CategoryKey
from coupang_assets.crawling.options import CrawlOptions


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that may name a category.

    Attributes:
        rank: place among the category's candidates, smaller first.
        shared: whether another category of the job has it too, so its answer is kept until the end.
        known: what the journal says of it from another category; then it is not asked.
    """

    rank: int
    product_id: str
    shared: bool = False
    known: Answer | None = None


@dataclass(frozen=True, slots=True)
class CategoryTask:
    """A category without a name and its candidates, in the order they are asked."""

    category: CategoryKey
    candidates: tuple[Candidate, ...]


def write_job(path: Path, options: CrawlOptions, tasks: Iterable[CategoryTask]) -> int:
    """Write the job file and return the number of categories in it."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in itertools.chain([asdict(options)], map(_task_record, tasks)):
            file.write(json.dumps(record) + "\n")
            count += 1
    return count - 1


def _task_record(task: CategoryTask) -> dict[str, Any]:
    return {
        "category": task.category,
        "candidates": [
            [c.rank, c.product_id, c.shared, c.known.to_json() if c.known else None] for c in task.candidates
        ],
    }


def read_options(path: Path) -> CrawlOptions:
    """The options at the head of a job file."""
    with path.open(encoding="utf-8") as file:
        return CrawlOptions(**json.loads(file.readline()))


def iter_tasks(path: Path) -> Iterator[CategoryTask]:
    """The categories of a job file, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in itertools.islice(file, 1, None):
            record = json.loads(line)
            category1, category2, category3, category4 = record["category"]
            yield CategoryTask(
                (category1, category2, category3, category4),
                tuple(
                    Candidate(rank, product_id, shared, Answer.from_json(known) if known else None)
                    for rank, product_id, shared, known in record["candidates"]
                ),
            )
